/**
 * The encoder: a program becomes bytes, laid out in an arena.
 *
 * ```text
 *   0  address of the first operation
 *   8  address of the last operation that failed, written by the interpreter; 0 before
 *  16  the last result that was not stored elsewhere
 *  24  not zero once the program has given up
 *  32  results that nobody wants
 *  64  zeros
 *  96  cells, as the program names them
 *      the epilogue: four operations
 *      operations, 96 bytes each, in order
 *      data: strings, structs, argv and envp
 * ```
 *
 * An operation, everything a little-endian 64-bit word:
 *
 * ```text
 *   0  system call number
 *   8  six arguments
 *  56  address where the result is stored
 *  64  address of the next operation if the result is negative
 *  72  … if it is zero
 *  80  … if it is positive
 *  88  free
 * ```
 *
 * @module
 */

import { UsageError } from "../../core/errors.ts";
import type { Arch, SyscallName } from "./arch.ts";
import { type Arg, type Call, FAILED, operationsOf, type Program, ZEROS } from "./call.ts";
import type { Word } from "./libc.ts";
import type { Arena } from "./memory.ts";

/** Where there is nothing but zeros, up to the cells. */
const ZEROS_AT = 64;

/** Where the cells begin. */
export const CELLS: number = ZEROS_AT + ZEROS;

/** The size of one operation. */
export const OPERATION = 96;

/** Where in the header the last failed operation and the last result are noted. */
export const FAILED_AT = 8;
export const LAST_RESULT = 16;

/** Where results go that nobody wants. */
const IGNORED = 32;

/**
 * Where a program notes that it gives up. A call may fail and the program go on, so that a failed
 * call alone does not tell.
 */
export const GAVE_UP = 24;

/** Where in an operation the arguments, the address for the result and the jumps are. */
const ARGUMENTS = 8;
const RESULT_ADDRESS = 56;
const JUMPS = 64;

/** How many operations a program that fails ends with: note that, report it (two), exit. */
const EPILOGUE = 4;

/** What stands before the notes of a program that reports its failure. */
export const FAILURE_REPORT = 2;

const SCHED_FIFO = 1;

/** The status of a child whose program stopped at a failed operation. */
const FAILED_STATUS = 127;

/** An upper bound of what a program takes, in bytes. */
export function sizeOf({ calls, cells }: Program): number {
  // The epilogue may have a byte to report.
  let [operations, data] = [EPILOGUE, 8];
  for (const call of calls) {
    operations += operationsOf(call);
    for (const arg of call.args) {
      if (typeof arg !== "object") continue;
      if ("text" in arg) data += boundOf(arg.text);
      else if ("bytes" in arg) data += arg.bytes.length + 16;
      else if ("words" in arg) data += arg.words.length * 8 + 8;
      else if ("texts" in arg) {
        data += arg.texts.reduce((sum, text) => sum + boundOf(text) + 8, 24);
      }
    }
  }
  const named = cells.reduce((sum, cell) => sum + aligned(cell.size), 0);
  return CELLS + named + operations * OPERATION + data;
}

/** UTF-16 units become three bytes at most; one NUL. */
function boundOf(text: string): number {
  return text.length * 3 + 1;
}

function aligned(size: number): number {
  return Math.ceil(size / 8) * 8;
}

/** A program in memory. */
export interface Encoded {
  readonly header: Word;
  /** How many bytes from the header on the program takes. */
  readonly length: number;
  /** The notes of the program, as they stand in the arena: header and cells. */
  notes(): Uint8Array;
  /** Whether the program has noted that it gave up. */
  gaveUp(): boolean;
  /** What notes say: the call that failed and its errno, if the program gave up. */
  failure(notes: Uint8Array): { call: Call; errno: number } | undefined;
  /** The bytes of a cell in notes. */
  cell(notes: Uint8Array, name: string): DataView;
  /** The six arguments of a call, as they stand in memory. */
  argumentsOf(call: Call): number[];
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
  readonly report?: number;
}

/** Lays a program out in an arena. */
export function encode(
  program: Program,
  arch: Arch,
  arena: Pick<Arena, "address" | "size" | "bytes" | "words" | "laid">,
  { base = arena.address, report }: EncodeOptions = {},
): Encoded {
  const { calls } = program;
  let cells: Map<string, { at: number; size: number }> | undefined;
  let first = CELLS;
  for (const { name, size } of program.cells) {
    cells ??= new Map();
    cells.set(name, { at: first, size });
    first += aligned(size);
  }
  for (let i = 0; i < first / 4; i++) arena.words[i] = 0;
  const failed = first;
  let labels: Map<string, number> | undefined;
  const places: number[] = [];
  const beginning = first + EPILOGUE * OPERATION;
  let end = beginning;
  for (const call of calls) {
    places.push(end);
    if (call.label !== undefined) {
      labels ??= new Map();
      labels.set(call.label, end);
    }
    end += operationsOf(call) * OPERATION;
  }
  const writer = new Writer(arena, base, end);

  const addressOf = (arg: Exclude<Arg, number | bigint>): Word => {
    if ("zeros" in arg) return base + ZEROS_AT;
    if ("cell" in arg) return base + find(cells, arg.cell).at + (arg.offset ?? 0);
    if ("gaveUp" in arg) return base + GAVE_UP;
    if ("call" in arg) return base + find(labels, arg.call) + ARGUMENTS + arg.argument * 8;
    return writer.data(arg);
  };
  const to = (target: string | undefined, otherwise: number) =>
    target === undefined ? otherwise : target === FAILED ? failed : find(labels, target);
  const resultAt = (into: Call["into"]) => {
    if (into === undefined) return LAST_RESULT;
    if ("cell" in into) return find(cells, into.cell).at;
    return find(labels, into.call) + ARGUMENTS + into.argument * 8;
  };
  const operation = (
    offset: number,
    name: Call["name"],
    args: readonly Arg[],
    { jumps, into }: Pick<Call, "into" | "jumps"> = {},
  ) => {
    writer.word(offset, typeof name === "number" ? name : numberOf(arch, name));
    for (let i = 0; i < 6; i++) {
      const arg = args[i] ?? 0;
      writer.word(offset + ARGUMENTS + i * 8, typeof arg === "object" ? addressOf(arg) : arg);
    }
    writer.word(offset + RESULT_ADDRESS, base + resultAt(into));
    // Behind the last call there is nothing to go on with.
    const next = offset + OPERATION === end ? failed : offset + OPERATION;
    writer.word(offset + JUMPS, base + to(jumps?.error, failed));
    writer.word(offset + JUMPS + 8, base + to(jumps?.zero, next));
    writer.word(offset + JUMPS + 16, base + to(jumps?.positive, next));
  };

  const layCall = (call: Call, place: number) => {
    const { name, args, each } = call;
    if (each === undefined) return operation(place, name, args, call);
    const [, ...others] = args;
    each.forEach((value, i) => operation(place + i * OPERATION, name, [value, ...others], call));
  };
  /** Nothing in it may count as the failure that is reported, so it ignores results. */
  const layEpilogue = () => {
    const [byte, notes, exit] = [1, 2, 3].map((i) => failed + i * OPERATION) as [
      number,
      number,
      number,
    ];
    const ignore = (offset: number, next: number) => {
      for (let way = 0; way < 3; way++) writer.word(offset + JUMPS + way * 8, base + next);
    };
    // The one call that returns a known number which is not zero: 99, see sched(7).
    operation(failed, "sched_get_priority_max", [SCHED_FIFO]);
    writer.word(failed + RESULT_ADDRESS, base + GAVE_UP);
    // Notes are taken before a report can fail, and a program that shares our memory has no report.
    ignore(failed, report === undefined ? exit : byte);
    if (report !== undefined) {
      operation(byte, "write", [report, { bytes: new Uint8Array([FAILURE_REPORT]) }, 1]);
      operation(notes, "write", [report, base, first]);
      for (const offset of [byte, notes]) {
        ignore(offset, offset + OPERATION);
        writer.word(offset + RESULT_ADDRESS, base + IGNORED);
      }
    }
    operation(exit, "exit_group", [FAILED_STATUS]);
  };

  writer.word(0, base + beginning);
  const { laid } = arena;
  const fits = laid?.beginning === beginning && laid.end === end && report === undefined;
  // Should laying out fail halfway, nothing that stands there may be taken for the last program.
  arena.laid = undefined;
  const reach: number[] = [];
  if (fits) {
    // Most programs differ only in their last call; what resets the signals is most of each.
    while (reach.length < laid.count && laid.calls[reach.length] === calls[reach.length]) {
      writer.end = laid.reach[reach.length] ?? end;
      reach.push(writer.end);
    }
  } else {
    layEpilogue();
  }
  let count = reach.length;
  for (let i = reach.length; i < calls.length; i++) {
    const call = calls[i];
    if (call === undefined) continue;
    layCall(call, places[i] ?? failed);
    reach.push(writer.end);
    if (count === i && standsAlone(call)) count++;
  }
  if (report === undefined) arena.laid = { calls, count, beginning, end, reach };

  return {
    header: base,
    length: writer.end,
    notes: () => arena.bytes.slice(0, first),
    gaveUp: () => arena.words[GAVE_UP / 4] !== 0,
    failure(notes) {
      const view = viewOf(notes);
      if (view.getInt32(GAVE_UP, true) === 0) return undefined;
      const failedAt = Number(view.getBigUint64(FAILED_AT, true)) - base;
      const call = calls[places.findLastIndex((place) => place <= failedAt)];
      if (call === undefined) throw new Error("a child program gave up nowhere");
      return { call, errno: -view.getInt32(LAST_RESULT, true) };
    },
    cell(notes, name) {
      const { at, size } = find(cells, name);
      return new DataView(notes.buffer, notes.byteOffset + at, size);
    },
    argumentsOf(call) {
      const offset = (places[calls.indexOf(call)] ?? NaN) + ARGUMENTS;
      return Array.from({ length: 6 }, (_, i) => signedWord(arena, offset + i * 8));
    },
  };
}

/** Whether a call is laid out alike whatever comes after it. */
function standsAlone({ args, jumps, into }: Call): boolean {
  return jumps === undefined && into === undefined &&
    args.every((arg) => typeof arg !== "object" || !("cell" in arg || "call" in arg));
}

function find<T>(map: ReadonlyMap<string, T> | undefined, name: string): T {
  const found = map?.get(name);
  if (found === undefined) throw new Error(`a child program without ${name}`);
  return found;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function numberOf({ numbers }: Arch, name: SyscallName): number {
  const number = Object.hasOwn(numbers, name) ? numbers[name] : undefined;
  if (number === undefined) throw new UsageError(`step: no system call is known as ${name}`);
  return number;
}

function signedWord({ words }: Pick<Arena, "words">, offset: number): number {
  return ((words[offset / 4 + 1] ?? 0) | 0) * 0x1_0000_0000 + (words[offset / 4] ?? 0);
}

const encoder = new TextEncoder();

/** Up to this many characters are written one by one. */
const SHORT = 48;

/** Writes words and data. Numbers are split by hand: a BigInt for each word costs ten times this. */
class Writer {
  readonly #arena: Pick<Arena, "bytes" | "words">;
  readonly #base: Word;
  /** How far the program reaches. */
  end: number;

  constructor(arena: Pick<Arena, "bytes" | "words">, base: Word, end: number) {
    this.#arena = arena;
    this.#base = base;
    this.end = end;
  }

  word(offset: number, value: number | bigint): void {
    const { words } = this.#arena;
    if (typeof value === "bigint") {
      words[offset / 4] = Number(BigInt.asUintN(32, value));
      words[offset / 4 + 1] = Number(BigInt.asUintN(32, value >> 32n));
      return;
    }
    words[offset / 4] = value; // modulo 2^32
    words[offset / 4 + 1] = Math.floor(value / 0x1_0000_0000);
  }

  data(
    arg: Extract<
      Arg,
      { text: string } | { bytes: unknown } | { words: unknown } | { texts: unknown }
    >,
  ): Word {
    if ("text" in arg) return this.#base + this.#text(arg.text);
    if ("words" in arg) {
      const at = this.#align();
      arg.words.forEach((value, i) => this.word(at + i * 8, value));
      this.end = at + arg.words.length * 8;
      return this.#base + at;
    }
    if ("bytes" in arg) {
      const at = this.#align();
      this.#arena.bytes.set(arg.bytes, at);
      this.end = at + arg.bytes.length;
      return this.#base + at;
    }
    const at = this.#align();
    this.end = at + (arg.texts.length + 1) * 8;
    this.#texts(at, arg.texts);
    this.word(at + arg.texts.length * 8, 0);
    return this.#base + at;
  }

  /** All texts are encoded at once: one call for each would cost more than all else here. */
  #texts(pointers: number, texts: readonly string[]): void {
    let at = this.end;
    const joined = texts.join("\0");
    this.#text(joined);
    const ascii = this.end - at === joined.length + 1;
    const { bytes } = this.#arena;
    texts.forEach((text, i) => {
      this.word(pointers + i * 8, this.#base + at);
      at = (ascii ? at + text.length : bytes.indexOf(0, at)) + 1;
    });
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

  #align(): number {
    this.end = Math.ceil(this.end / 8) * 8;
    return this.end;
  }
}
