/**
 * Temporary files without a name: programs that this library writes, and data for children. The
 * open file itself is executed or passed. So nothing has to be removed at exit, no cleaner of
 * temporary folders can remove it, and nobody can replace it: it is created without a name where
 * the file system supports that (O_TMPFILE), otherwise with a name that is removed before anything
 * is written.
 *
 * @module
 */

import {
  accessSync,
  chmodSync,
  constants,
  fstatSync,
  openSync,
  readSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { process } from "../process.ts";
import { elevated } from "../posix/elevated.ts";
import { inSomeFolder, requireTrusted, temporaryFolders } from "./folders.ts";
import { closeFd, LAST_STANDARD_FD, openAboveStandard } from "../posix/files.ts";
import { codeOf } from "../../core/error_code.ts";

/** An open file without a name. It is closed on exec. */
export interface UnlinkedFile {
  readonly fd: number;
  /**
   * The path to execute or open, in /proc/<pid>/fd. It is not in /proc/self: in the child, the
   * number may already be that of another descriptor.
   */
  readonly path: string;
  close(): void;
}

const PROGRAM_MODE = 0o700;
const DATA_MODE = 0o600;

const PROGRAM = {
  feature: "executing a program file",
  driver: "launcher",
  remedy: "set TMPDIR to a folder that can be written to, on a file system without noexec",
};

/** Where a program file was executed. */
let programFolder: string | undefined;

/**
 * Looks for a folder where a program file can be executed, by doing it: writes one into one folder
 * after another until `execute` does not throw. Program files are written there from then on, as long
 * as that works. Throws the same errors as {@linkcode writeUnlinkedProgram}.
 */
export function findProgramFolder(
  bytes: Uint8Array,
  execute: (file: UnlinkedFile) => void,
  folders?: Iterable<string>,
): void {
  programFolder = inSomeFolder(PROGRAM, (folder) => {
    const file = programIn(folder, bytes);
    try {
      execute(file);
    } finally {
      file.close();
    }
    return folder;
  }, folders);
}

/**
 * Writes a program file, on a file system that allows exec. Throws an UnsupportedError with the
 * reasons if no folder is suitable; the runtime's own error if there are too many open files.
 */
export function writeUnlinkedProgram(
  bytes: Uint8Array,
  folders: Iterable<string> = programFolders(),
): UnlinkedFile {
  return inSomeFolder(PROGRAM, (folder) => programIn(folder, bytes), folders);
}

function* programFolders(): Generator<string> {
  if (programFolder !== undefined) yield programFolder;
  yield* temporaryFolders();
}

/** Writes a file that is only read or written. Throws the same errors. */
export function writeUnlinkedData(
  bytes: Uint8Array,
  folders?: Iterable<string>,
): UnlinkedFile {
  return inSomeFolder(
    {
      feature: "writing a temporary file",
      driver: "launcher",
      remedy: "set TMPDIR to a folder that can be written to",
    },
    (folder) => dataIn(folder, bytes),
    folders,
  );
}

function programIn(folder: string, bytes: Uint8Array): UnlinkedFile {
  const written = create(folder, PROGRAM_MODE);
  try {
    requireExec(written);
    write(written, bytes);
    // A file that is open for writing cannot be executed. This opens the same file, not a name.
    const fd = openAboveStandard(ownPath(written), constants.O_RDONLY);
    try {
      requireSame(written, fd, bytes);
    } catch (error) {
      closeFd(fd);
      throw error;
    }
    return unlinkedFile(fd);
  } finally {
    closeFd(written);
  }
}

/**
 * Throws on a file system that is mounted noexec, where access(2) fails with EACCES. access(2)
 * checks for the real user. If that is not the effective user, the file needs more permissions
 * meanwhile, while it is still empty.
 */
function requireExec(fd: number): void {
  const path = ownPath(fd);
  const idsDiffer = process.getuid?.() !== process.geteuid?.();
  if (idsDiffer) chmodSync(path, PROGRAM_MODE | 0o011);
  accessSync(path, constants.X_OK);
  if (idsDiffer) chmodSync(path, PROGRAM_MODE);
}

function dataIn(folder: string, bytes: Uint8Array): UnlinkedFile {
  const fd = create(folder, DATA_MODE);
  try {
    write(fd, bytes);
  } catch (error) {
    closeFd(fd);
    throw error;
  }
  return unlinkedFile(fd);
}

function unlinkedFile(fd: number): UnlinkedFile {
  // /proc/<pid>/fd of a process whose ids differ is closed to everybody but the process itself.
  const self = elevated() ? "self" : process.pid;
  return { fd, path: `/proc/${self}/fd/${fd}`, close: () => closeFd(fd) };
}

/** A path of an open file, for this process. */
function ownPath(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

/** Creates an empty file, open for reading and writing, whatever the umask is. */
function create(folder: string, mode: number): number {
  const fd = createUnnamed(folder, mode) ?? createAndUnlink(folder, mode);
  try {
    // Only if the umask has removed bits, and by a path: Node's permission model refuses fchmod.
    if ((fstatSync(fd).mode & 0o777) !== mode) chmodSync(ownPath(fd), mode);
    if (fd > LAST_STANDARD_FD) return fd;
  } catch (error) {
    closeFd(fd);
    throw error;
  }
  try {
    return openAboveStandard(ownPath(fd), constants.O_RDWR);
  } finally {
    closeFd(fd);
  }
}

/**
 * __O_TMPFILE of Linux, to be used with O_DIRECTORY. With O_EXCL, the file can never get a name.
 */
const TMPFILE = 0o20000000;

/**
 * The errors of open(2) where there is no O_TMPFILE: on a file system or a kernel without it, and
 * on a runtime that refuses flags that it does not know.
 */
const NO_TMPFILE_ERRORS = new Set<unknown>(["EOPNOTSUPP", "ENOTSUP", "EISDIR", "EINVAL", "ENOSYS"]);

/** Creates a file without a name; undefined if the system cannot. */
function createUnnamed(folder: string, mode: number): number | undefined {
  if (process.platform !== "linux") return undefined;
  const { O_DIRECTORY, O_RDWR, O_EXCL } = constants;
  try {
    return openSync(folder, TMPFILE | O_DIRECTORY | O_RDWR | O_EXCL, mode);
  } catch (error) {
    if (NO_TMPFILE_ERRORS.has(codeOf(error))) return undefined;
    throw error;
  }
}

/** How many names were used, so that each is new. */
let nameCount = 0;

function createAndUnlink(folder: string, mode: number): number {
  requireTrusted(folder);
  const path = join(
    folder,
    `vircommand-${process.pid}-${nameCount++}-${Math.random().toString(36)}`,
  );
  const { O_RDWR, O_CREAT, O_EXCL } = constants;
  // With O_EXCL it is a new file, and no symbolic link is followed.
  const fd = openSync(path, O_RDWR | O_CREAT | O_EXCL, mode);
  try {
    unlinkSync(path);
  } catch (error) {
    closeFd(fd);
    throw error;
  }
  return fd;
}

/** Writes at offsets: the position of the file stays at its beginning for the child. */
function write(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at, bytes.length - at, at);
}

/** Throws unless two descriptors are of the same file without a name, which holds `bytes`. */
function requireSame(written: number, fd: number, bytes: Uint8Array): void {
  const created = fstatSync(written, { bigint: true });
  const found = fstatSync(fd, { bigint: true });
  // Bun 1.2 has releases that return numbers for `bigint: true`.
  const isSame = found.dev === created.dev && found.ino === created.ino &&
    BigInt(found.nlink) === 0n && BigInt(found.size) === BigInt(bytes.length);
  const content = new Uint8Array(bytes.length);
  for (let at = 0; isSame && at < content.length;) {
    const count = readSync(fd, content, at, content.length - at, at);
    if (count === 0) break;
    at += count;
  }
  if (isSame && content.every((byte, i) => byte === bytes[i])) return;
  throw new Error("the file does not hold what was written");
}

/** Returns all bytes of an open file. */
export function contentOf(fd: number): Uint8Array {
  const { size } = fstatSync(fd);
  const bytes = new Uint8Array(size);
  return bytes.subarray(0, readSync(fd, bytes, 0, size, 0));
}
