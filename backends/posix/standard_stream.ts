/**
 * A descriptor of this process as a standard stream of a child, without libc. See
 * ../native/standard_stream.ts for the reasons.
 *
 * @module
 */

import { constants, fstatSync, readlinkSync, type Stats } from "node:fs";
import { isatty } from "node:tty";
import { openAboveStandard, textOfFile } from "./files.ts";

const O_ACCMODE = 3;
const O_ASYNC = 0o20000;

/**
 * The device number of /dev/ptmx, see pty(7): each open makes the master of a new pseudoterminal.
 */
const PTMX = 0x502;

/** Whether a device is a pseudoterminal: those have the major numbers 136 to 143. */
function isPseudoterminal({ rdev }: Stats): boolean {
  const major = (rdev >> 8) & 0xfff;
  return major >= 136 && major <= 143;
}

/** A descriptor for a standard stream of a child. */
export interface StandardStream {
  readonly fd: number;
  /** Whether it was opened here; then the caller closes it. */
  readonly isNew: boolean;
  /** The flags that the child has to set by F_SETFL, if any. */
  readonly flags: number | undefined;
}

/**
 * Returns a descriptor for a standard stream. With `flags`, it has O_NONBLOCK until the child sets
 * them.
 */
export function standardStream(fd: number): StandardStream {
  const flags = blockingFlagsOf(fd);
  if (flags === undefined) return { fd, isNew: false, flags };
  const openFlags = (flags & O_ACCMODE) | constants.O_NONBLOCK;
  const own = canReopen(fd) ? reopened(fd, openFlags) : undefined;
  return { fd: own ?? fd, isNew: own !== undefined, flags };
}

/**
 * Returns the flags of a descriptor without O_NONBLOCK, for F_SETFL; undefined if it does not have
 * O_NONBLOCK, or if this cannot be known.
 */
export function blockingFlagsOf(fd: number): number | undefined {
  const flags = flagsOf(fd);
  if (flags === undefined || (flags & constants.O_NONBLOCK) === 0) return undefined;
  const stats = fstatSync(fd);
  // The flag has no effect on these, see open(2).
  if (stats.isFile() || stats.isDirectory()) return undefined;
  return flags & ~(constants.O_NONBLOCK | O_ASYNC);
}

/**
 * Reports whether opening a descriptor by its name makes another open file description of the same
 * file.
 */
export function canReopen(fd: number): boolean {
  const stats = fstatSync(fd);
  return stats.isFIFO() || (isatty(fd) && stats.rdev !== PTMX);
}

/**
 * Returns a descriptor for a standard stream where no child program can set flags. It is opened
 * again without O_NONBLOCK if that cannot wait; otherwise it is the same one, for the runtime's
 * spawner.
 */
export function standardStreamNow(fd: number): Pick<StandardStream, "fd" | "isNew"> {
  const flags = blockingFlagsOf(fd);
  if (flags === undefined) return { fd, isNew: false };
  const stats = fstatSync(fd);
  // To open a FIFO is to wait for its other end, see fifo(7).
  const neverWaits = stats.isFIFO() ? isPipe(fd) : isPseudoterminal(stats);
  const own = neverWaits ? reopened(fd, flags & (O_ACCMODE | constants.O_APPEND)) : undefined;
  return own === undefined ? { fd, isNew: false } : { fd: own, isNew: true };
}

function reopened(fd: number, openFlags: number): number | undefined {
  try {
    return openAboveStandard(`/proc/self/fd/${fd}`, openFlags | constants.O_NOCTTY);
  } catch {
    // It is another user's, or it cannot be opened by its name: the open file description stays
    // shared.
    return undefined;
  }
}

/** Whether a FIFO is a pipe(2). */
function isPipe(fd: number): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`).startsWith("pipe:[");
  } catch {
    return false;
  }
}

/** Returns the flags of a descriptor as F_GETFL does; undefined if /proc may not be read. */
export function flagsOf(fd: number): number | undefined {
  const flags = /^flags:\s*([0-7]+)/m.exec(textOfFile(`/proc/self/fdinfo/${fd}`) ?? "")?.[1];
  return flags === undefined ? undefined : parseInt(flags, 8);
}
