/**
 * A descriptor of ours as a standard stream of a child. Programs expect to wait there, but event
 * loops set O_NONBLOCK, and that flag belongs to the open file description, which parent and child
 * share: `seq` would fail with EAGAIN at the first full pipe; cleared, the parent's event loop would
 * wait in read(2).
 *
 * So a pipe or terminal with the flag is opened again, by way of /proc/self/fd, which makes a
 * description of its own. What cannot be opened so (sockets; terminals and FIFOs of other users)
 * loses the flag for everybody who shares it.
 *
 * @module
 */

import type { Kernel } from "./kernel.ts";
import { AT_FDCWD, F, O } from "../../core/tables/kernel.ts";

const O_ACCMODE = 3;
/** SIGIO goes to whoever asked for it: that is not the child. */
const O_ASYNC = 0o20000;

const S_IFMT = 0o170000;
const S_IFIFO = 0o010000;
/** On these the flag has no effect: open(2). */
const UNAFFECTED: readonly number[] = [0o100000, /* S_IFREG */ 0o040000 /* S_IFDIR */];

const TCGETS = 0x5401;
/** Succeeds on the master of a pseudoterminal only. */
const TIOCGPTN = 0x8004_5430;

const POLLHUP = 0x10;

/** Where in the scratch memory results go, behind the path. */
const RESULT_AT = 4096;

/**
 * What to give to a child as a standard stream: `fd` itself, or a new descriptor that the caller
 * closes; or the negative errno.
 */
export function blockingStream(kernel: Kernel, fd: number): number {
  const flags = kernel.raw("fcntl", fd, F.GETFL);
  if (flags < 0) return flags;
  if ((flags & O.NONBLOCK) === 0) return fd;
  const mode = modeOf(kernel, fd);
  if (UNAFFECTED.includes(mode)) return fd;
  const own = isReopenable(kernel, fd, mode) ? reopened(kernel, fd, flags) : -1;
  if (own >= 0) return own;
  const cleared = kernel.raw("fcntl", fd, F.SETFL, flags & ~O.NONBLOCK);
  return cleared < 0 ? cleared : fd;
}

/** Another description of the same pipe or terminal; negative if it cannot be had. */
function reopened(kernel: Kernel, fd: number, flags: number): number {
  // O_NONBLOCK, since the other side of a FIFO or a carrier would be waited for.
  const how = (flags & O_ACCMODE) | O.NONBLOCK | O.NOCTTY | O.CLOEXEC;
  const path = kernel.path(nameOf(fd));
  const own = kernel.aboveStandard(kernel.raw("openat", AT_FDCWD, path, how, 0));
  if (own < 0) return own;
  const result = kernel.raw("fcntl", own, F.SETFL, flags & ~(O.NONBLOCK | O_ASYNC));
  if (result >= 0) return own;
  kernel.close(own);
  return result;
}

function isReopenable(kernel: Kernel, fd: number, mode: number): boolean {
  if (mode === S_IFIFO) return !isFifoWithoutReader(kernel, fd);
  // Another master would be that of another pseudoterminal.
  const at = kernel.scratch + RESULT_AT;
  return kernel.raw("ioctl", fd, TCGETS, at) >= 0 && kernel.raw("ioctl", fd, TIOCGPTN, at) < 0;
}

/**
 * Whether all writers of a FIFO have gone. Who opens it with O_NONBLOCK then is not told of that:
 * poll(2) reports POLLHUP only after another writer has come and gone. Unnamed pipes do not have
 * this trait. A read finds the end at once, flag or not.
 */
function isFifoWithoutReader(kernel: Kernel, fd: number): boolean {
  const { scratch, view } = kernel;
  view.setInt32(0, fd, true);
  view.setInt32(4, 0, true);
  view.setBigInt64(8, 0n, true);
  view.setBigInt64(16, 0n, true);
  const n = kernel.raw("ppoll", scratch, 1, scratch + 8, 0, 8);
  if (n <= 0 || (view.getInt16(6, true) & POLLHUP) === 0) return false;
  const length = kernel.raw(
    "readlinkat",
    AT_FDCWD,
    kernel.path(nameOf(fd)),
    scratch + RESULT_AT,
    PIPE.length,
  );
  if (length < 0) return true;
  const target = kernel.bytes.subarray(RESULT_AT, RESULT_AT + length);
  return new TextDecoder().decode(target) !== PIPE;
}

/** How the kernel calls pipes without a name. */
const PIPE = "pipe:[";

/** The type of a file, or 0 if it cannot be found out. */
function modeOf(kernel: Kernel, fd: number): number {
  if (kernel.raw("fstat", fd, kernel.scratch) < 0) return 0;
  return kernel.view.getUint32(kernel.arch.stat.mode, true) & S_IFMT;
}

function nameOf(fd: number): string {
  return `/proc/self/fd/${fd}`;
}
