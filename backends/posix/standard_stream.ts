/**
 * A descriptor of ours as a standard stream of a child, without libc: see
 * ../native/standard_stream.ts for what it is about.
 *
 * @module
 */

import { constants, fstatSync, readlinkSync, type Stats } from "node:fs";
import { isatty } from "node:tty";
import { openAboveStandard, textOfFile } from "./files.ts";

const O_ACCMODE = 3;
const O_ASYNC = 0o20000;

/** /dev/ptmx, see pty(7): opened again, it would be the master of another pseudoterminal. */
const PTMX = 0x502;

/** The device numbers of pseudoterminals: their majors are 136 to 143. */
function isPseudoterminal({ rdev }: Stats): boolean {
  const major = (rdev >> 8) & 0xfff;
  return major >= 136 && major <= 143;
}

/** What to give to a child as a standard stream. */
export interface StandardStream {
  readonly fd: number;
  /** Whether it is a new descriptor, which the caller closes. */
  readonly isNew: boolean;
  /** What the child still has to set by F_SETFL, if anything. */
  readonly flags: number | undefined;
}

/** As the child gets it. With `flags`, it has O_NONBLOCK until the child has set them. */
export function standardStream(fd: number): StandardStream {
  const flags = blockingFlagsOf(fd);
  if (flags === undefined) return { fd, isNew: false, flags };
  const how = (flags & O_ACCMODE) | constants.O_NONBLOCK;
  const own = canReopen(fd) ? reopened(fd, how) : undefined;
  return { fd: own ?? fd, isNew: own !== undefined, flags };
}

/**
 * The flags for F_SETFL without O_NONBLOCK; undefined if there is nothing to change, or if that
 * cannot be found out.
 */
export function blockingFlagsOf(fd: number): number | undefined {
  const flags = flagsOf(fd);
  if (flags === undefined || (flags & constants.O_NONBLOCK) === 0) return undefined;
  const stats = fstatSync(fd);
  // On these the flag has no effect, see open(2).
  if (stats.isFile() || stats.isDirectory()) return undefined;
  return flags & ~(constants.O_NONBLOCK | O_ASYNC);
}

/** Whether opening it by its name makes another description of the same thing. */
export function canReopen(fd: number): boolean {
  const stats = fstatSync(fd);
  return stats.isFIFO() || (isatty(fd) && stats.rdev !== PTMX);
}

/**
 * The same where no child program can set flags: opened without O_NONBLOCK, and so only what nobody
 * has to be waited for at. What is left as it is, is left to the runtime's spawner.
 */
export function standardStreamNow(fd: number): Pick<StandardStream, "fd" | "isNew"> {
  const flags = blockingFlagsOf(fd);
  if (flags === undefined) return { fd, isNew: false };
  const stats = fstatSync(fd);
  // To open a FIFO is to wait for its other side, see fifo(7).
  const atOnce = stats.isFIFO() ? isUnnamed(fd) : isPseudoterminal(stats);
  const own = atOnce ? reopened(fd, flags & (O_ACCMODE | constants.O_APPEND)) : undefined;
  return own === undefined ? { fd, isNew: false } : { fd: own, isNew: true };
}

function reopened(fd: number, how: number): number | undefined {
  try {
    return openAboveStandard(`/proc/self/fd/${fd}`, how | constants.O_NOCTTY);
  } catch {
    // Another user's, or one that cannot be opened by its name: the description is shared then.
    return undefined;
  }
}

/** Whether it is a pipe without a name. */
function isUnnamed(fd: number): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`).startsWith("pipe:[");
  } catch {
    return false;
  }
}

/** The flags of a descriptor as F_GETFL has them; undefined where /proc may not be read. */
export function flagsOf(fd: number): number | undefined {
  const flags = /^flags:\s*([0-7]+)/m.exec(textOfFile(`/proc/self/fdinfo/${fd}`) ?? "")?.[1];
  return flags === undefined ? undefined : parseInt(flags, 8);
}
