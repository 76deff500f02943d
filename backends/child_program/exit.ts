/**
 * What waitid(2) has stored, as the end of a child.
 *
 * @module
 */

import type { Exit } from "../../core/backend.ts";
import { rawFromWaitid } from "../../core/result/status.ts";

/** What waitid(2) has stored: siginfo_t and struct rusage. */
export function exitFrom(view: DataView, siginfo: number, rusage: number): Exit {
  const code = view.getInt32(siginfo + 8, true);
  const status = view.getInt32(siginfo + 24, true);
  const ms = (at: number) => long(view, rusage + at) * 1000 + long(view, rusage + at + 8) / 1000;
  return {
    raw: rawFromWaitid(code, status),
    usage: {
      userMs: ms(0),
      systemMs: ms(16),
      maxRssBytes: long(view, rusage + MAXRSS) * 1024,
    },
  };
}

/** A long that is not negative, such as seconds or KiB. Reading two words costs less than a BigInt. */
export function long(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 0x1_0000_0000;
}

/** Where ru_maxrss stands in struct rusage; in KiB. */
export const MAXRSS = 32;
