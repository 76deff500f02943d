/**
 * The report of a synchronous run's supervisor. It may be killed between any two calls: whatever
 * stands in the report then must be taken for what it is.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { test } from "node:test";
import { supervise } from "../../backends/launcher/supervisor.ts";
import { parseReport } from "../../backends/launcher/supervisor_report.ts";
import { type Arg, type Call, call } from "../../backends/child_program/call.ts";
import { EXECUTING } from "../../backends/child_program/protocol.ts";

const CONTROL = 40;
const WORDS = 0x0202_0202;

/** Cells as the kernel might fill them, with the bytes that begin records of the program in them. */
const CONTENTS: Readonly<Record<string, () => Uint8Array>> = {
  "own pid": () => int32s(8, [0, WORDS]),
  siginfo: () =>
    concat([int32s(128, [0, 17], [8, 1], [12, WORDS], [24, 3]), int32s(144, [32, 2], [40, WORDS])]),
  "timed out": () => int32s(16, [0, WORDS], [8, WORDS]),
};

test("a supervisor's report is never misread, wherever it was stopped", () => {
  const written = writes();
  const [header, pid, runs, ...later] = written;
  assertEquals(written.map(({ at }) => at === undefined), [true, false, true, false, false]);
  let file = new Uint8Array(0);
  const seen = [header, pid, runs, ...later].map((record) => {
    file = apply(file, record);
    const { pid, exit, status, timedOut, drained } = parseReport(file);
    return {
      pid,
      raw: exit?.raw,
      rss: exit?.usage.maxRssBytes,
      status: [...status],
      timedOut,
      drained,
    };
  });
  const nothing = {
    pid: undefined,
    raw: undefined,
    rss: undefined,
    status: [] as number[],
    timedOut: false,
    drained: false,
  };
  const begun = { ...nothing, pid: WORDS };
  const running = { ...begun, status: [EXECUTING] };
  const ended = { ...running, raw: 3 << 8, rss: 2048 };
  const over = { ...ended, timedOut: true, drained: true };
  assertEquals(seen, [nothing, begun, running, ended, over]);
  assertEquals(parseReport(new Uint8Array(0)).status, new Uint8Array(0));
});

/** What is written to the report, in the order in which it happens. */
function writes(): { bytes: Uint8Array; at: number | undefined }[] {
  const run = { timeout: 1000, killSignal: 15, grace: 1000, drain: 100 };
  const program = {
    calls: [call("exec", "write", [CONTROL, { bytes: new Uint8Array([EXECUTING]) }, 1])],
    cells: [],
  };
  const { calls } = supervise(program, { stdio: [], pipes: [] }, CONTROL, run);
  const labelled = calls.findIndex(({ label }) => label === "program");
  const [supervisor, child] = [calls.slice(0, labelled), calls.slice(labelled)];
  const reports = (some: readonly Call[]) =>
    some.filter(({ name, args }) =>
      (name === "write" || name === "pwrite64") && args[0] === CONTROL
    ).map(({ name, args: [, what, size, at] }) => ({
      bytes: bytesOf(what, Number(size)),
      at: name === "write" ? undefined : Number(at),
    }));
  const [first, ...rest] = reports(supervisor);
  return [...(first === undefined ? [] : [first]), ...reports(child), ...rest];
}

function bytesOf(what: Arg | undefined, size: number): Uint8Array {
  const bytes = typeof what !== "object"
    ? undefined
    : "bytes" in what
    ? what.bytes
    : "cell" in what
    ? CONTENTS[what.cell]?.()
    : undefined;
  assertEquals(bytes?.length, size);
  return bytes ?? new Uint8Array(0);
}

function apply(
  file: Uint8Array<ArrayBuffer>,
  record: { bytes: Uint8Array; at: number | undefined } | undefined,
): Uint8Array<ArrayBuffer> {
  const { bytes, at = file.length } = record ?? { bytes: new Uint8Array(0) };
  const next = new Uint8Array(Math.max(file.length, at + bytes.length));
  next.set(file);
  next.set(bytes, at);
  return next;
}

function int32s(size: number, ...values: [number, number][]): Uint8Array {
  const view = new DataView(new ArrayBuffer(size));
  for (const [at, value] of values) view.setInt32(at, value, true);
  return new Uint8Array(view.buffer);
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(parts.flatMap((each) => [...each]));
}
