/**
 * Files without a name: a program that we have written, or data for a child. What is executed or
 * handed on is the open file, so there is nothing to tidy up at exit, no cleaner of temporary
 * folders can take it away, and nobody can put another one in its place: it is made without a name
 * where the file system can do that (O_TMPFILE), else with one that is removed before anything is
 * written, and it is never opened by a name again.
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
import { inSomeFolder, requireTrusted } from "./folders.ts";
import { closeFd } from "../posix/files.ts";
import { codeOf } from "../../core/error_code.ts";

/** An open file without a name. It is closed on exec. */
export interface UnlinkedFile {
  readonly fd: number;
  /**
   * What to execute or open: by way of /proc/<pid>/fd. Not by way of /proc/self: in the child, a
   * descriptor that it was given may have taken the number already.
   */
  readonly path: string;
  close(): void;
}

const PROGRAM_MODE = 0o700;
const DATA_MODE = 0o600;

/**
 * Writes a program file, on a file system that allows exec. Throws an UnsupportedError that says
 * why no folder will do; if there are too many open files, the runtime's own error.
 */
export function writeUnlinkedProgram(
  bytes: Uint8Array,
  folders?: Iterable<string>,
): UnlinkedFile {
  return inSomeFolder(
    {
      feature: "writing a program file",
      driver: "launcher",
      remedy: "set TMPDIR to a folder that can be written to, on a file system without noexec",
    },
    (folder) => programIn(folder, bytes),
    folders,
  );
}

/** Writes a file that is only read or written. Throws likewise. */
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
    // A file that is open to write cannot be executed. This leads to the very file, by no name.
    const fd = open(written, constants.O_RDONLY);
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
 * On a file system that is mounted noexec, access(2) says EACCES. It asks for the real user, whom
 * the file does not let in if that is not the effective one: so it does while it is empty.
 */
function requireExec(fd: number): void {
  const path = ownPath(fd);
  const others = process.getuid?.() !== process.geteuid?.();
  if (others) chmodSync(path, PROGRAM_MODE | 0o011);
  accessSync(path, constants.X_OK);
  if (others) chmodSync(path, PROGRAM_MODE);
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
  // Nobody may look into a process whose ids differ, but itself.
  const self = elevated() ? "self" : process.pid;
  return { fd, path: `/proc/${self}/fd/${fd}`, close: () => closeFd(fd) };
}

function ownPath(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

/** An empty file, open to read and write, whatever the umask is. */
function create(folder: string, mode: number): number {
  const fd = createUnnamed(folder, mode) ?? createAndUnlink(folder, mode);
  try {
    // Only where the umask makes it necessary, and by a path: Node's permission model has no fchmod.
    if ((fstatSync(fd).mode & 0o777) !== mode) chmodSync(ownPath(fd), mode);
    if (fd > LAST_STANDARD) return fd;
  } catch (error) {
    closeFd(fd);
    throw error;
  }
  try {
    return open(fd, constants.O_RDWR);
  } finally {
    closeFd(fd);
  }
}

const LAST_STANDARD = 2;

/**
 * Opens a file again that is open, by no name. Not at the number of a standard stream, one of which
 * this process may have been started without: there a spawner looks for other things.
 */
function open(fd: number, flags: number): number {
  const low: number[] = [];
  try {
    for (;;) {
      const again = openSync(ownPath(fd), flags);
      if (again > LAST_STANDARD) return again;
      low.push(again);
    }
  } finally {
    for (const each of low) closeFd(each);
  }
}

/** __O_TMPFILE of Linux, which goes with O_DIRECTORY; with O_EXCL, it can never be given a name. */
const TMPFILE = 0o20000000;

/**
 * What open(2) says where there is no O_TMPFILE: a file system that has none, a kernel that does
 * not know it, a runtime that takes no flags that it does not know.
 */
const NOT_WITHOUT_NAME = new Set<unknown>(["EOPNOTSUPP", "ENOTSUP", "EISDIR", "EINVAL", "ENOSYS"]);

function createUnnamed(folder: string, mode: number): number | undefined {
  if (process.platform !== "linux") return undefined;
  const { O_DIRECTORY, O_RDWR, O_EXCL } = constants;
  try {
    return openSync(folder, TMPFILE | O_DIRECTORY | O_RDWR | O_EXCL, mode);
  } catch (error) {
    if (NOT_WITHOUT_NAME.has(codeOf(error))) return undefined;
    throw error;
  }
}

let made = 0;

function createAndUnlink(folder: string, mode: number): number {
  requireTrusted(folder);
  const path = join(folder, `vircommand-${process.pid}-${made++}-${Math.random().toString(36)}`);
  const { O_RDWR, O_CREAT, O_EXCL } = constants;
  // O_EXCL: it is a new file, and no link is followed.
  const fd = openSync(path, O_RDWR | O_CREAT | O_EXCL, mode);
  try {
    unlinkSync(path);
  } catch (error) {
    closeFd(fd);
    throw error;
  }
  return fd;
}

/** By positions: the file is handed on as if it had just been opened. */
function write(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at, bytes.length - at, at);
}

/** Throws unless a descriptor leads to the file of another one, and that holds these bytes. */
function requireSame(written: number, fd: number, bytes: Uint8Array): void {
  const [ours, found] = [written, fd].map((each) => fstatSync(each, { bigint: true }));
  const isSame = ours !== undefined && found !== undefined &&
    found.dev === ours.dev && found.ino === ours.ino && isZero(found.nlink) &&
    BigInt(found.size) === BigInt(bytes.length);
  const content = new Uint8Array(bytes.length);
  for (let at = 0; isSame && at < content.length;) {
    const count = readSync(fd, content, at, content.length - at, at);
    if (count === 0) break;
    at += count;
  }
  if (isSame && content.every((byte, i) => byte === bytes[i])) return;
  throw new Error("what is there is not what was written");
}

/** Bun 1.2 has releases that return numbers although big integers were asked for. */
function isZero(count: bigint | number): boolean {
  return BigInt(count) === 0n;
}

/** All of a file, by its descriptor. */
export function contentOf(fd: number): Uint8Array {
  const { size } = fstatSync(fd);
  const bytes = new Uint8Array(size);
  return bytes.subarray(0, readSync(fd, bytes, 0, size, 0));
}
