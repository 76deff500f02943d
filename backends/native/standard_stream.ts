/**
 * A descriptor of ours as a standard stream of a child. Programs expect to wait there, but event
 * loops set O_NONBLOCK, and that flag belongs to the open file description, which parent and child
 * share: `seq` would fail with EAGAIN at the first full pipe; cleared, the parent's event loop would
 * wait in read(2).
 *
 * So a pipe or terminal with the flag is opened again, by way of /proc/self/fd, which makes a
 * description of its own. What cannot be opened so (sockets; terminals and FIFOs of other users)
 * loses the flag for all processes that share it.
 *
 * @module
 */

import type { Kernel } from "./kernel.ts";
import { IOCTL } from "../../core/tables/constants.ts";
import {
  AT_FDCWD,
  F,
  O,
  S_IFDIR,
  S_IFIFO,
  S_IFMT,
  S_IFREG,
  TIOCGPTN,
} from "../../core/tables/kernel.ts";
import { isHungUp } from "./poll.ts";
import { decodeUtf8 } from "../../core/utf8.ts";

/** On these the flag has no effect, see open(2). */
const UNAFFECTED: readonly number[] = [S_IFREG, S_IFDIR];

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
  const how = (flags & O.ACCMODE) | O.NONBLOCK | O.NOCTTY | O.CLOEXEC;
  const path = kernel.path(nameOf(fd));
  const own = kernel.aboveStandard(kernel.raw("openat", AT_FDCWD, path, how, 0));
  if (own < 0) return own;
  // O_ASYNC: SIGIO goes to the process that has set it, which is not the child.
  const result = kernel.raw("fcntl", own, F.SETFL, flags & ~(O.NONBLOCK | O.ASYNC));
  if (result >= 0) return own;
  kernel.close(own);
  return result;
}

function isReopenable(kernel: Kernel, fd: number, mode: number): boolean {
  if (mode === S_IFIFO) return !isFifoWithoutWriters(kernel, fd);
  // Another master would be that of another pseudoterminal.
  const at = kernel.scratch + RESULT_AT;
  return kernel.raw("ioctl", fd, IOCTL.TCGETS, at) >= 0 &&
    kernel.raw("ioctl", fd, TIOCGPTN, at) < 0;
}

/**
 * Whether a FIFO, a pipe with a name, has no writers any more. A reader that opens it then with
 * O_NONBLOCK does not find that out by poll(2), which reports POLLHUP only after another writer has
 * come and gone; see fifo(7). So such a reader would wait for ever, and the old one does not: read(2)
 * returns the end of file, with O_NONBLOCK or without.
 */
function isFifoWithoutWriters(kernel: Kernel, fd: number): boolean {
  if (!isHungUp(kernel, fd)) return false;
  const { scratch } = kernel;
  const length = kernel.raw(
    "readlinkat",
    AT_FDCWD,
    kernel.path(nameOf(fd)),
    scratch + RESULT_AT,
    PIPE.length,
  );
  if (length < 0) return true;
  const target = kernel.bytes.subarray(RESULT_AT, RESULT_AT + length);
  return decodeUtf8(target) !== PIPE;
}

/** How the links in /proc/self/fd of pipes without a name begin. */
const PIPE = "pipe:[";

/** The type of a file, or 0 if fstat(2) fails. */
function modeOf(kernel: Kernel, fd: number): number {
  if (kernel.raw("fstat", fd, kernel.scratch) < 0) return 0;
  return kernel.view.getUint32(kernel.arch.stat.mode, true) & S_IFMT;
}

function nameOf(fd: number): string {
  return `/proc/self/fd/${fd}`;
}
