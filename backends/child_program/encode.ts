/**
 * The encoder: a program becomes bytes, laid out in an arena as encoded.ts says. This file writes the
 * operations, encode_data.ts what their arguments point to.
 *
 * @module
 */

import { guarded, own } from "../../core/own.ts";
import { SCHED } from "../../core/tables/constants.ts";
import { UsageError } from "../../core/errors.ts";
import type { Arch, SyscallName } from "./arch.ts";
import {
  type Arg,
  type Call,
  dataOf,
  FAILED,
  operationsOf,
  ownProgram,
  type Program,
  type SharedPrefix,
} from "./call.ts";
import { DataWriter, writeWord } from "./encode_data.ts";
import {
  aligned,
  ARGUMENTS,
  CELLS,
  type Cells,
  Encoded,
  endOf,
  ENVIRON_TO,
  EPILOGUE,
  FAILED_AT,
  FAILURE_ADDRESS,
  FAILURE_REPORT,
  find,
  GAVE_UP,
  IGNORED,
  JUMPS,
  OPERATION,
  placed,
  RESULT,
  RESULT_ADDRESS,
  type Room,
} from "./encoded.ts";
import { fits, isReusable, type Reused, reusedOf } from "./encoded_prefix.ts";
import type { Word } from "./word.ts";

/** The status of a child whose program stopped at a failed operation. */
const FAILED_STATUS = 127;

/** What the epilogue may have to report with: a byte, and two struct iovec. */
const REPORT_DATA = 8 + 32 + 8;

/** An upper bound of what a program takes, in bytes. */
export function sizeOf(program: Program): number {
  const { calls, cells, prefix } = ownProgram(program);
  let [operations, data] = [
    EPILOGUE + (prefix?.operations ?? 0),
    REPORT_DATA + (prefix?.data ?? 0),
  ];
  for (let i = prefix?.calls.length ?? 0; i < calls.length; i++) {
    const call = calls[i];
    if (call === undefined) continue;
    operations += operationsOf(call);
    data += dataOf(call);
  }
  const named = cells.reduce((sum, cell) => sum + aligned(cell.size), 0);
  return CELLS + named + operations * OPERATION + data;
}

/** How a program is laid out. */
export interface EncodeOptions {
  /**
   * Where the arena will stand when the program runs. Default: its own address; another one if the
   * program is sent to another process.
   */
  readonly base?: Word;
  /**
   * Where the program writes its notes if it gives up, after a byte {@linkcode FAILURE_REPORT}:
   * for programs whose memory the parent does not see.
   */
  readonly report?: number | undefined;
}

const NO_OPTIONS: EncodeOptions = own({});

/** What of a call decides where the program goes on. */
type Flow = Pick<Call, "into" | "jumps" | "unrecorded" | "ignoresErrors">;

const NO_JUMPS: Flow = own({});
const UNRECORDED: Flow = own({ unrecorded: true });

let rewrite: ((program: Program) => Program) | undefined;

/**
 * Passes every program through a function before it is laid out, or through none again. Fault
 * injection makes single calls fail this way (see tests/injection/); nothing else may use it. The
 * result must take no more room than what it replaces.
 */
export function rewritePrograms(by: ((program: Program) => Program) | undefined): void {
  rewrite = by;
}

/** Lays a program out in an arena. */
export function encode(
  given: Program,
  arch: Arch,
  arena: Room,
  options: EncodeOptions = NO_OPTIONS,
): Encoded {
  const program = ownProgram(rewrite === undefined ? given : rewrite(given));
  const { base = arena.address, report } = options === NO_OPTIONS ? options : guarded(options);
  const cells = placed(program.cells);
  const writer = new ProgramWriter(program, arch, arena, cells, base);
  const length = writer.write(report);
  return new Encoded(program, cells, { header: base, length, arch });
}

function numberOf({ numbers }: Arch, name: SyscallName): number {
  const number = Object.hasOwn(numbers, name) ? numbers[name] : undefined;
  if (number === undefined) throw new UsageError(`step: no system call is known as ${name}`);
  return number;
}

const NONE: Reused = { count: 0, operations: 0 };

/** Lays out one program. */
class ProgramWriter {
  readonly #calls: readonly Call[];
  readonly #prefix: SharedPrefix | undefined;
  readonly #arch: Arch;
  readonly #arena: Room;
  readonly #words: Uint32Array;
  readonly #cells: Cells | undefined;
  readonly #labels: ReadonlyMap<string, number> | undefined;
  readonly #data: DataWriter;
  readonly #base: Word;
  /** Where the cells end, and the epilogue begins. */
  readonly #failed: number;
  /** Where the operations begin and end. The data are behind them. */
  readonly #beginning: number;
  readonly #end: number;

  constructor(
    { calls, prefix }: Program,
    arch: Arch,
    arena: Room,
    cells: Cells | undefined,
    base: Word,
  ) {
    this.#calls = calls;
    this.#prefix = prefix;
    this.#arch = arch;
    this.#arena = arena;
    this.#words = arena.words;
    this.#cells = cells;
    this.#base = base;
    this.#failed = endOf(cells);
    this.#beginning = this.#failed + EPILOGUE * OPERATION;
    const { labels, end } = placesOf(calls, prefix, this.#beginning);
    this.#labels = labels;
    this.#end = end;
    this.#data = new DataWriter(arch, arena, base, { cells, labels }, end);
  }

  /** Writes the program; returns how far it reaches. */
  write(report: number | undefined): number {
    const [calls, prefix, arena, data] = [this.#calls, this.#prefix, this.#arena, this.#data];
    const [beginning, end] = [this.#beginning, this.#end];
    this.#words.fill(0, 0, this.#failed / 4);
    writeWord(this.#words, 0, this.#base + beginning);
    writeWord(this.#words, ENVIRON_TO, this.#base + RESULT);
    const layout = { arch: this.#arch, base: this.#base, beginning, end };
    const { encodedPrefix } = arena;
    // A program that reports has an epilogue with data of its own.
    const latest = encodedPrefix !== undefined && report === undefined &&
        fits(encodedPrefix, layout)
      ? encodedPrefix
      : undefined;
    // Should laying out fail halfway, what stands there is not that of the last program any more.
    arena.encodedPrefix = undefined;
    if (latest === undefined) this.#epilogue(report);
    const reused = latest === undefined ? NONE : reusedOf(latest, calls, prefix);
    const reach = latest?.reach.slice(0, reused.count) ?? [];
    let count = reused.count;
    let at = beginning + reused.operations * OPERATION;
    data.end = reach.at(-1) ?? data.end;
    for (let i = reused.count; i < calls.length; i++) {
      const call = calls[i];
      if (call === undefined) continue;
      at = this.#call(call, at);
      reach.push(data.end);
      if (count === i && isReusable(call)) count++;
    }
    if (report === undefined) {
      arena.encodedPrefix = { ...layout, calls, prefix, count, reach };
    }
    return data.end;
  }

  /** Returns where the next call begins. */
  #call(call: Call, place: number): number {
    const { name, args, each } = call;
    if (each === undefined) {
      this.#operation(place, name, args, call);
      return place + OPERATION;
    }
    const [, ...others] = args;
    let at = place;
    for (const value of each) {
      this.#operation(at, name, [value, ...others], call);
      at += OPERATION;
    }
    return at;
  }

  #operation(
    offset: number,
    name: Call["name"],
    args: readonly Arg[],
    { jumps, into, unrecorded, ignoresErrors }: Flow = NO_JUMPS,
  ): void {
    const [base, words] = [this.#base, this.#words];
    writeWord(words, offset, typeof name === "number" ? name : numberOf(this.#arch, name));
    for (let i = 0; i < 6; i++) {
      const arg = args[i] ?? 0;
      const place = offset + ARGUMENTS + i * 8;
      if (typeof arg !== "object") {
        writeWord(words, place, arg);
      } else if ("value" in arg) {
        writeWord(words, place, arg.value);
      } else if ("environ" in arg) {
        writeWord(words, place, 0);
        writeWord(words, ENVIRON_TO, base + place);
      } else {
        writeWord(words, place, this.#data.valueOf(arg));
      }
    }
    writeWord(words, offset + RESULT_ADDRESS, base + this.#resultAt(into));
    // Behind the last call there is nothing to go on with.
    const next = offset + OPERATION === this.#end ? this.#failed : offset + OPERATION;
    const failed = ignoresErrors === true ? next : this.#failed;
    writeWord(words, offset + JUMPS, base + this.#target(jumps?.error, failed));
    writeWord(words, offset + JUMPS + 8, base + this.#target(jumps?.zero, next));
    writeWord(words, offset + JUMPS + 16, base + this.#target(jumps?.positive, next));
    const isRecorded = unrecorded !== true && ignoresErrors !== true;
    writeWord(words, offset + FAILURE_ADDRESS, base + (isRecorded ? FAILED_AT : IGNORED));
  }

  #target(label: string | undefined, otherwise: number): number {
    if (label === undefined) return otherwise;
    return label === FAILED ? this.#failed : find(this.#labels, label);
  }

  #resultAt(into: Call["into"]): number {
    if (into === undefined) return RESULT;
    if ("cell" in into) return find(this.#cells, into.cell).at;
    return find(this.#labels, into.call) + ARGUMENTS + into.argument * 8;
  }

  /**
   * Notes that the program gives up, reports it, exits. A seccomp filter may refuse any of these
   * calls: that must not hide the failure that led here.
   */
  #epilogue(report: number | undefined): void {
    const failed = this.#failed;
    const [notes, exit] = [failed + OPERATION, failed + 2 * OPERATION];
    const place = (offset: number, next: number, name: SyscallName, args: readonly Arg[]) => {
      this.#operation(offset, name, args, UNRECORDED);
      for (let jump = 0; jump < 3; jump++) {
        writeWord(this.#words, offset + JUMPS + jump * 8, this.#base + next);
      }
    };
    // The one call that returns a known number which is not zero: 99, see sched(7).
    place(failed, report === undefined ? exit : notes, "sched_get_priority_max", [
      SCHED.SCHED_FIFO,
    ]);
    writeWord(this.#words, failed + RESULT_ADDRESS, this.#base + GAVE_UP);
    // A program that shares our memory has nothing to report.
    if (report !== undefined) {
      // In one call, since a fork of the program may report something at the same time.
      const byte = this.#data.valueOf(own({ bytes: new Uint8Array([FAILURE_REPORT]) }));
      const pieces = own({ words: [byte, 1, this.#base, failed] });
      place(notes, exit, "writev", [report, pieces, 2]);
    }
    place(exit, exit, "exit_group", [FAILED_STATUS]);
  }
}

/** Where the operations with labels are, and where the operations end. */
function placesOf(
  calls: readonly Call[],
  prefix: SharedPrefix | undefined,
  beginning: number,
): { readonly labels: ReadonlyMap<string, number> | undefined; readonly end: number } {
  let labels: Map<string, number> | undefined;
  let end = beginning + (prefix?.operations ?? 0) * OPERATION;
  for (let i = prefix?.calls.length ?? 0; i < calls.length; i++) {
    const call = calls[i];
    if (call === undefined) continue;
    if (call.label !== undefined) {
      labels ??= new Map();
      // A jump to either would be one to the last of them.
      if (labels.has(call.label)) throw new Error(`two calls are labelled ${call.label}`);
      labels.set(call.label, end);
    }
    end += operationsOf(call) * OPERATION;
  }
  return { labels, end };
}
