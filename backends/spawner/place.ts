/**
 * A place for a program file that we have written: on a file system that allows exec, where nobody
 * else can replace it. The file is opened, and its name removed again at once: what is executed is
 * the open file, by way of /proc/<pid>/fd. So there is nothing to tidy up at exit, and no cleaner
 * of temporary folders can take it away. Not by way of /proc/self: in the child, a descriptor that
 * it was given may have taken the number already.
 *
 * @module
 */

import {
  accessSync,
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  rmdirSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { elevated } from "../posix/surroundings.ts";
import { UnsupportedError } from "../../core/errors.ts";

/** An open file without a name. */
export interface Placed {
  readonly fd: number;
  /** What to execute or open. */
  readonly path: string;
  close(): void;
}

/** Folders that may do, best first: the first is in memory, and ours alone. */
function candidates(): string[] {
  const { XDG_RUNTIME_DIR, XDG_CACHE_HOME } = process.env;
  const cache = XDG_CACHE_HOME ?? join(homedir(), ".cache");
  return [XDG_RUNTIME_DIR, tmpdir(), "/dev/shm", cache, process.cwd()]
    .filter((each) => each !== undefined && each.startsWith("/")) as string[];
}

/** Whether there are too many open files, in this process or at all: no folder is at fault. */
function isOutOfDescriptors(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return code === "EMFILE" || code === "ENFILE";
}

/**
 * Places a program file. Throws an UnsupportedError that says why no folder will do; if there are
 * too many open files, the runtime's own error.
 */
export function placeProgram(bytes: Uint8Array): Placed {
  const refusals: string[] = [];
  for (const folder of candidates()) {
    try {
      return placeIn(folder, bytes, true);
    } catch (error) {
      if (isOutOfDescriptors(error)) throw error;
      refusals.push(`${folder}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new UnsupportedError({
    feature: "writing a program file",
    driver: "launcher",
    reason: refusals.join("; "),
    remedy: "set TMPDIR to a folder that can be written to, on a file system without noexec",
  });
}

/** Places a file that is only read or written. Throws the runtime's own error. */
export function placeFile(bytes: Uint8Array): Placed {
  return placeIn(tmpdir(), bytes, false);
}

function placeIn(parent: string, bytes: Uint8Array, program: boolean): Placed {
  // mkdtemp(3): a new folder with mode 0700.
  const folder = mkdtempSync(join(parent, "vircommand-"));
  const path = join(folder, "launcher");
  try {
    writeFileSync(path, bytes, { mode: program ? 0o500 : 0o600, flag: "wx" });
    // On a file system that is mounted noexec, access(2) says EACCES.
    if (program) accessSync(path, constants.X_OK);
    // Opened to read only: a file that is open to write cannot be executed.
    const fd = openSync(path, program ? constants.O_RDONLY : constants.O_RDWR);
    // Nobody may look into a process whose ids differ, but itself.
    const self = elevated() ? "self" : process.pid;
    return { fd, path: `/proc/${self}/fd/${fd}`, close: () => closeSync(fd) };
  } finally {
    remove(folder, path);
  }
}

/** Takes no descriptor, which reading the folder would: there may be none left. */
function remove(folder: string, path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It was never made.
  }
  rmdirSync(folder);
}
