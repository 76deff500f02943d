/**
 * Which numbers of this process are open, for children whose descriptors are closed one by one.
 *
 * @module
 */

import { UnsupportedError } from "../../core/errors.ts";
import { AT_FDCWD, O } from "../../core/tables/kernel.ts";
import { SPARE_FDS } from "../child_program/close_range.ts";
import { type Kernel, PATH_SIZE } from "./kernel.ts";
import { place, regions } from "./scratch.ts";
import { nofileOf } from "./system.ts";

/** Without /proc, all numbers up to the limit are closed, unless there are more than this. */
const MAX_CLOSED = 65_536;

const { entries: ENTRIES } = regions({ path: PATH_SIZE, entries: 16 * 1024 });

/** Where in struct linux_dirent64 its length and its name are; see getdents64(2). */
const [LENGTH_AT, NAME_AT] = [16, 19];

/**
 * A number that no open descriptor reaches, and none that is opened in the next moment.
 *
 * @throws {UnsupportedError} Neither /proc nor a low limit on open files tells it.
 */
export function openBelow(kernel: Kernel): number {
  const highest = highestOpen(kernel);
  if (highest !== undefined) return highest + 1 + SPARE_FDS;
  const limit = nofileOf(kernel, 0)?.soft;
  if (limit !== undefined && limit <= BigInt(MAX_CLOSED)) return Number(limit);
  throw new UnsupportedError({
    feature: "closing descriptors",
    driver: "native",
    reason: `close_range(2) and /proc are missing, and more than ${MAX_CLOSED} files may be open`,
    remedy: "mount /proc, or lower the limit on open files (ulimit -n)",
  });
}

function highestOpen(kernel: Kernel): number | undefined {
  const fd = kernel.raw("openat", AT_FDCWD, kernel.path("/proc/self/fd"), O.RDONLY | O.CLOEXEC, 0);
  if (fd < 0) return undefined;
  try {
    let highest = -1;
    for (;;) {
      const length = kernel.raw("getdents64", fd, place(kernel.scratch, ENTRIES), ENTRIES.size);
      if (length < 0) return undefined;
      if (length === 0) return highest < 0 ? undefined : highest;
      for (let at = 0; at < length;) {
        const entry = ENTRIES.at + at;
        highest = Math.max(highest, numberAt(kernel, entry + NAME_AT));
        at += kernel.view.getUint16(entry + LENGTH_AT, true);
      }
    }
  } finally {
    kernel.close(fd);
  }
}

/** A decimal number that ends with a NUL byte; -1 if it is none, as "." and "..". */
function numberAt({ bytes }: Kernel, from: number): number {
  let number = 0;
  for (let at = from; bytes[at] !== 0; at++) {
    const digit = (bytes[at] ?? 0) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    number = number * 10 + digit;
  }
  return number;
}
