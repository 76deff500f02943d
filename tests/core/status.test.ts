import { assertEquals } from "@std/assert";
import { test } from "node:test";
import { decodeStatus, rawFromWaitid, rawStatus } from "../../core/result/status.ts";

test("every exit code is taken out of the raw status, and only 0 is success", () => {
  for (let code = 0; code <= 255; code++) {
    const expected = { success: code === 0, code, signal: null, raw: code << 8 };
    assertEquals(decodeStatus(code << 8), expected);
  }
});

const SIGNALLED: [raw: number, signal: string][] = [
  [1, "SIGHUP"],
  [9, "SIGKILL"],
  [15, "SIGTERM"],
  [0x80 | 6, "SIGABRT"],
  [0x80 | 11, "SIGSEGV"],
  [34, "SIGRTMIN"],
  [37, "SIGRTMIN+3"],
  [64, "SIGRTMAX"],
];

for (const [raw, signal] of SIGNALLED) {
  test(`raw status 0x${raw.toString(16)} is ${signal}, no exit code and no success`, () => {
    assertEquals(decodeStatus(raw), { success: false, code: null, signal, raw });
  });
}

/** si_code and si_status of waitid(2), and the status that wait(2) would give. */
const WAITID: [what: string, code: number, status: number, raw: number][] = [
  ["CLD_EXITED with 0", 1, 0, 0],
  ["CLD_EXITED with 3", 1, 3, 0x300],
  ["CLD_EXITED with 255", 1, 255, 0xff00],
  ["CLD_KILLED by SIGKILL", 2, 9, 9],
  ["CLD_DUMPED by SIGSEGV", 3, 11, 0x8b],
];

for (const [what, code, status, raw] of WAITID) {
  test(`waitid's ${what} is the raw status 0x${raw.toString(16)}`, () => {
    assertEquals(rawFromWaitid(code, status), raw);
  });
}

test("a raw status is made from an exit code, or from a signal, which goes before", () => {
  assertEquals([rawStatus(0, undefined), rawStatus(3, undefined)], [0, 0x300]);
  assertEquals([rawStatus(0, 15), rawStatus(3, 9)], [15, 9]);
  assertEquals(rawStatus(256 + 7, undefined), 0x700);
});
