/**
 * The encoder: a program becomes bytes, laid out in an arena as encoded.ts says.
 *
 * @module
 */

import { guarded, own } from "../../core/own.ts";
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
  FAILED_RESULT,
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
  ZEROS_AT,
} from "./encoded.ts";
import type { Word } from "./word.ts";
import type { EncodedPrefix } from "./room.ts";

const SCHED_FIFO = 1;

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
  const writer = new Writer(program, arch, arena, cells, base);
  writer.write(report);
  return new Encoded(program, cells, { header: base, length: writer.end, arch });
}

/** How much of what stands in an arena is what is to stand there again. */
function sharedBy(
  encoded: EncodedPrefix,
  calls: readonly Call[],
  prefix: SharedPrefix | undefined,
): { count: number; operations: number } {
  if (prefix !== undefined && prefix === encoded.prefix) {
    return { count: prefix.calls.length, operations: prefix.operations };
  }
  let [count, operations] = [0, 0];
  for (const call of encoded.calls) {
    if (count === encoded.count || call !== calls[count]) break;
    operations += operationsOf(call);
    count++;
  }
  return { count, operations };
}

/** Whether a call is laid out alike whatever comes after it. */
function isPositionIndependent({ args, jumps, into }: Call): boolean {
  return jumps === undefined && into === undefined &&
    args.every((arg) =>
      typeof arg !== "object" || !("cell" in arg || "call" in arg || "environ" in arg)
    );
}

function numberOf({ numbers }: Arch, name: SyscallName): number {
  const number = Object.hasOwn(numbers, name) ? numbers[name] : undefined;
  if (number === undefined) throw new UsageError(`step: no system call is known as ${name}`);
  return number;
}

const encoder = new TextEncoder();

/** Up to this many characters are written one by one. */
const SHORT = 48;

/** Lays out one program. */
class Writer {
  readonly #calls: readonly Call[];
  readonly #head: SharedPrefix | undefined;
  readonly #arch: Arch;
  readonly #arena: Room;
  readonly #cells: Cells | undefined;
  readonly #base: Word;
  #labels: Map<string, number> | undefined;
  /** Where the cells end, and the epilogue begins. */
  readonly #failed: number;
  /** Where the operations end, and the data begin. */
  #operations = 0;
  /** How far the program reaches. */
  end = 0;

  constructor(
    { calls, prefix }: Program,
    arch: Arch,
    arena: Room,
    cells: Cells | undefined,
    base: Word,
  ) {
    this.#calls = calls;
    this.#head = prefix;
    this.#arch = arch;
    this.#arena = arena;
    this.#cells = cells;
    this.#base = base;
    this.#failed = endOf(cells);
  }

  write(report: number | undefined): void {
    const [calls, prefix, arena] = [this.#calls, this.#head, this.#arena];
    arena.words.fill(0, 0, this.#failed / 4);
    const beginning = this.#failed + EPILOGUE * OPERATION;
    this.#word(0, this.#base + beginning);
    this.#word(ENVIRON_TO, this.#base + RESULT);
    const end = this.#operations = this.end = this.#number(beginning);
    const { encodedPrefix: encoded } = arena;
    const fits = encoded?.beginning === beginning && encoded.end === end && report === undefined;
    // Should laying out fail halfway, nothing that stands there may be taken for the last program.
    arena.encodedPrefix = undefined;
    if (!fits) this.#epilogue(report);
    // Most programs differ only in their last call; what resets the signals is most of each.
    const same = fits ? sharedBy(encoded, calls, prefix) : { count: 0, operations: 0 };
    const reach = fits ? encoded.reach.slice(0, same.count) : [];
    let count = same.count;
    let at = beginning + same.operations * OPERATION;
    this.end = reach.at(-1) ?? this.end;
    for (let i = same.count; i < calls.length; i++) {
      const call = calls[i];
      if (call === undefined) continue;
      at = this.#call(call, at);
      reach.push(this.end);
      if (count === i && isPositionIndependent(call)) count++;
    }
    if (report === undefined) arena.encodedPrefix = { calls, prefix, count, beginning, end, reach };
  }

  /** Notes the places that have labels; returns where the operations end. */
  #number(beginning: number): number {
    const calls = this.#calls;
    let at = beginning + (this.#head?.operations ?? 0) * OPERATION;
    for (let i = this.#head?.calls.length ?? 0; i < calls.length; i++) {
      const call = calls[i];
      if (call === undefined) continue;
      if (call.label !== undefined) {
        this.#labels ??= new Map();
        // A jump to either would be one to the last of them.
        if (this.#labels.has(call.label)) throw new Error(`two calls are labelled ${call.label}`);
        this.#labels.set(call.label, at);
      }
      at += operationsOf(call) * OPERATION;
    }
    return at;
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
    const base = this.#base;
    this.#word(offset, typeof name === "number" ? name : numberOf(this.#arch, name));
    for (let i = 0; i < 6; i++) {
      const arg = args[i] ?? 0;
      const place = offset + ARGUMENTS + i * 8;
      if (typeof arg !== "object") {
        this.#word(place, arg);
      } else if ("environ" in arg) {
        this.#word(place, 0);
        this.#word(ENVIRON_TO, base + place);
      } else {
        this.#word(place, this.#valueOf(arg));
      }
    }
    this.#word(offset + RESULT_ADDRESS, base + this.#resultAt(into));
    // Behind the last call there is nothing to go on with.
    const next = offset + OPERATION === this.#operations ? this.#failed : offset + OPERATION;
    const failed = ignoresErrors === true ? next : this.#failed;
    this.#word(offset + JUMPS, base + this.#target(jumps?.error, failed));
    this.#word(offset + JUMPS + 8, base + this.#target(jumps?.zero, next));
    this.#word(offset + JUMPS + 16, base + this.#target(jumps?.positive, next));
    const isRecorded = unrecorded !== true && ignoresErrors !== true;
    this.#word(offset + FAILURE_ADDRESS, base + (isRecorded ? FAILED_AT : IGNORED));
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
      for (let way = 0; way < 3; way++) this.#word(offset + JUMPS + way * 8, this.#base + next);
    };
    // The one call that returns a known number which is not zero: 99, see sched(7).
    place(failed, report === undefined ? exit : notes, "sched_get_priority_max", [SCHED_FIFO]);
    this.#word(failed + RESULT_ADDRESS, this.#base + GAVE_UP);
    // A program that shares our memory has nothing to report.
    if (report !== undefined) {
      // In one call, since a fork of the program may report something at the same time.
      const byte = this.#base + this.#placeOf(own({ bytes: new Uint8Array([FAILURE_REPORT]) }));
      const pieces = own({ words: [byte, 1, this.#base, failed] });
      place(notes, exit, "writev", [report, pieces, 2]);
    }
    place(exit, exit, "exit_group", [FAILED_STATUS]);
  }

  /** Numbers are split by hand: a BigInt for each word costs ten times this. */
  #word(offset: number, value: number | bigint): void {
    const { words } = this.#arena;
    if (typeof value === "bigint") {
      words[offset / 4] = Number(BigInt.asUintN(32, value));
      words[offset / 4 + 1] = Number(BigInt.asUintN(32, value >> 32n));
      return;
    }
    words[offset / 4] = value; // modulo 2^32
    words[offset / 4 + 1] = Math.floor(value / 0x1_0000_0000);
  }

  /** An argument that is no plain number: mostly the address of something in the arena. */
  #valueOf(arg: Exclude<Arg, number | bigint | { environ: true }>): number {
    return "byArch" in arg ? arg.byArch(this.#arch) : this.#base + this.#placeOf(arg);
  }

  /** Where in the arena an argument stands; it is put there if need be. */
  #placeOf(arg: Exclude<Arg, number | bigint | { environ: true } | { byArch: unknown }>): number {
    if ("text" in arg) return this.#text(arg.text);
    if ("zeros" in arg) return ZEROS_AT;
    if ("texts" in arg) return this.#texts(arg.texts);
    if ("cell" in arg) {
      const { cell, offset = 0 } = arg;
      const at = typeof offset === "number" ? offset : this.#arch.stat[offset];
      return find(this.#cells, cell).at + at;
    }
    if ("gaveUp" in arg) return GAVE_UP;
    if ("failedResult" in arg) return FAILED_RESULT;
    if ("call" in arg) return find(this.#labels, arg.call) + ARGUMENTS + arg.argument * 8;
    const at = aligned(this.end);
    if ("words" in arg) {
      arg.words.forEach((value, i) => this.#word(at + i * 8, value));
      this.end = at + arg.words.length * 8;
      return at;
    }
    this.#arena.bytes.set(arg.bytes, at);
    this.end = at + arg.bytes.length;
    return at;
  }

  /** All texts are encoded at once: one call for each would cost more than all else here. */
  #texts(texts: readonly string[]): number {
    const pointers = aligned(this.end);
    let at = this.end = pointers + (texts.length + 1) * 8;
    const joined = texts.join("\0");
    this.#text(joined);
    const ascii = this.end - at === joined.length + 1;
    const { bytes } = this.#arena;
    texts.forEach((text, i) => {
      this.#word(pointers + i * 8, this.#base + at);
      at = (ascii ? at + text.length : bytes.indexOf(0, at)) + 1;
    });
    this.#word(pointers + texts.length * 8, 0);
    return pointers;
  }

  #text(text: string): number {
    const at = this.end;
    const { bytes } = this.#arena;
    const written = this.#short(text) ?? encoder.encodeInto(text, bytes.subarray(at)).written;
    bytes[at + written] = 0;
    this.end = at + written + 1;
    return at;
  }

  /** Most texts are short and ASCII: then this is faster. How many bytes, or undefined. */
  #short(text: string): number | undefined {
    if (text.length > SHORT) return undefined;
    const at = this.end;
    const { bytes } = this.#arena;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if (unit > 0x7f) return undefined;
      bytes[at + i] = unit;
    }
    return text.length;
  }
}
