/**
 * Pid files, seen from the parent: who holds one, and tidying up after a daemon that failed.
 *
 * @module
 */

import type { Call } from "./call.ts";
import type { Encoded } from "./encoded.ts";
import { AT_FDCWD, type Kernel, O } from "./kernel.ts";
import { HOLDER, HOLDER_AT, LOCK, LOCKED } from "./lower_pid_file.ts";

const F_GETLK = 5;
const F_SETLK = 6;

/** Who holds the lock which a call could not get, in words, if that is what the call was. */
export function holderOf(program: Encoded, notes: Uint8Array, call: Call): string | undefined {
  if (call.label?.startsWith(LOCKED) !== true) return undefined;
  const pid = program.cell(notes, HOLDER).getInt32(HOLDER_AT, true);
  return pid > 0 ? `locked by process ${pid}` : undefined;
}

/**
 * Removes a pid file whose daemon `pid` did not come to exec. Only with the lock in hand and the
 * dead pid in the file: else somebody else has taken it over meanwhile.
 */
export function discardPidFile(kernel: Kernel, path: string, pid: number): void {
  const fd = kernel.raw("openat", AT_FDCWD, kernel.path(path), O.RDWR | O.CLOEXEC, 0);
  if (fd < 0) return;
  try {
    if (!lockOf(kernel, fd, pid)) return;
    const content = kernel.readInto(fd);
    if (typeof content === "number") return;
    if (new TextDecoder().decode(content.slice()) !== String(pid)) return;
    const AT_REMOVEDIR = 0;
    kernel.raw("unlinkat", AT_FDCWD, kernel.path(path), AT_REMOVEDIR);
  } finally {
    kernel.close(fd);
  }
}

/**
 * Locks a file that a process may still hold which is about to end: the end of its talking comes
 * before the end of its locks.
 */
function lockOf(kernel: Kernel, fd: number, dying: number): boolean {
  for (let attempt = 0; attempt < 100; attempt++) {
    kernel.bytes.set(LOCK);
    if (kernel.raw("fcntl", fd, F_SETLK, kernel.scratch) >= 0) return true;
    if (kernel.raw("fcntl", fd, F_GETLK, kernel.scratch) < 0) return false;
    const holder = kernel.view.getInt32(HOLDER_AT, true);
    if (holder !== 0 && holder !== dying) return false;
    kernel.sleep(1);
  }
  return false;
}
