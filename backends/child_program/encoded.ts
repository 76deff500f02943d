/**
 * A program in memory: where everything stands, and how what it leaves is read.
 *
 * ```text
 *   0  address of the first operation
 *   8  the last failure: address of the operation, written by the interpreter; 0 before
 *  16  … and its result
 *  24  not zero once the program has given up
 *  32  failures that are not to be reported: address and result
 *  48  results that are not stored elsewhere
 *  56  the address at which a program file stores where its environment stands
 *  64  zeros
 *  96  cells, as the program names them
 *      the epilogue: three operations
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
 *  88  address where a failure is recorded: the operation's address, and its result behind it
 * ```
 *
 * @module
 */

import type { Arch } from "./arch.ts";
import { type Call, operationsOf, type Program, ZEROS } from "./call.ts";
import type { Word } from "./word.ts";
import type { Arena } from "./room.ts";

/** Where there is nothing but zeros, up to the cells. */
export const ZEROS_AT = 64;

/** Where the cells begin. */
export const CELLS: number = ZEROS_AT + ZEROS;

/** The size of one operation. */
export const OPERATION = 96;

/** Where in the header the last failure stands: the operation's address, and its result. */
export const FAILED_AT = 8;
export const FAILED_RESULT = 16;

/** Where failures are recorded that are not those of the program, such as those of its epilogue. */
export const IGNORED = 32;

/** Where results go that are not stored elsewhere. */
export const RESULT = 48;

/**
 * Where a program notes that it gives up. A call may fail and the program go on, so a failed call is
 * not enough.
 */
export const GAVE_UP = 24;

/** Where the address is at which a program file stores where its environment stands. */
export const ENVIRON_TO = 56;

/** Where in an operation the arguments, the address for the result and the jumps are. */
export const ARGUMENTS = 8;
export const RESULT_ADDRESS = 56;
export const JUMPS = 64;

/** Where in an operation the address is at which its failure is recorded. */
export const FAILURE_ADDRESS = 88;

/** How many operations a program that fails ends with: note that, report it, exit. */
export const EPILOGUE = 3;

/** What stands before the notes of a program that reports its failure. */
export const FAILURE_REPORT = 2;

/**
 * How a program is laid out: what its notes mean. It holds no memory, so that it can be asked when
 * the arena serves another child already.
 */
export class Encoded {
  /** Where the program stands when it runs. */
  readonly header: Word;
  /** How many bytes from the header on the program takes. */
  readonly length: number;
  /** The architecture that it runs on. */
  readonly arch: Arch;
  readonly #calls: readonly Call[];
  readonly #cells: Cells | undefined;

  constructor(
    { calls }: Program,
    cells: Cells | undefined,
    place: { readonly header: Word; readonly length: number; readonly arch: Arch },
  ) {
    this.#calls = calls;
    this.#cells = cells;
    this.header = place.header;
    this.length = place.length;
    this.arch = place.arch;
  }

  /** Whether a program has cells, which are of interest when it has not failed as well. */
  get hasCells(): boolean {
    return this.#cells !== undefined;
  }

  /** A copy of the notes of the program in `bytes`: header and cells. */
  notesIn(bytes: Uint8Array): Uint8Array {
    return bytes.slice(0, endOf(this.#cells));
  }

  /** What notes mean: the call that failed and its errno, if the program gave up. */
  failure(notes: Uint8Array): { call: Call; errno: number } | undefined {
    const view = viewOf(notes);
    if (view.getInt32(GAVE_UP, true) === 0) return undefined;
    const failedAt = Number(view.getBigUint64(FAILED_AT, true)) - this.header;
    const call = this.#calls[this.#places().findLastIndex((place) => place <= failedAt)];
    if (call === undefined) throw new Error("a child program gave up nowhere");
    return { call, errno: -Number(view.getBigInt64(FAILED_RESULT, true)) };
  }

  /** The bytes of a cell in notes. */
  cell(notes: Uint8Array, name: string): DataView {
    const { at, size } = find(this.#cells, name);
    return new DataView(notes.buffer, notes.byteOffset + at, size);
  }

  /** Where the operations of a call begin, from the header on. */
  placeOf(call: Call): number {
    const place = this.#places()[this.#calls.indexOf(call)];
    if (place === undefined) throw new Error(`a child program without this ${call.name}`);
    return place;
  }

  /** Where the operations of each call begin. */
  #places(): number[] {
    let at = endOf(this.#cells) + EPILOGUE * OPERATION;
    return this.#calls.map((call) => {
      const place = at;
      at += operationsOf(call) * OPERATION;
      return place;
    });
  }
}

/** Whether the program in an arena has given up. */
export function gaveUpIn({ words }: Pick<Arena, "words">): boolean {
  return words[GAVE_UP / 4] !== 0;
}

/** Where each cell is, and the bytes that it takes. */
export type Cells = ReadonlyMap<string, { readonly at: number; readonly size: number }>;

/** Memory to lay a program out in. */
export type Room = Pick<Arena, "address" | "size" | "bytes" | "words" | "encodedPrefix">;

/** Cells stand one behind the other. */
export function placed(cells: Program["cells"]): Cells | undefined {
  if (cells.length === 0) return undefined;
  const places = new Map<string, { at: number; size: number }>();
  let at = CELLS;
  for (const { name, size } of cells) {
    places.set(name, { at, size });
    at += aligned(size);
  }
  return places;
}

/** Where the cells end, and the epilogue begins. */
export function endOf(cells: Cells | undefined): number {
  let end = CELLS;
  for (const { at, size } of cells?.values() ?? []) end = Math.max(end, at + aligned(size));
  return end;
}

/** Everything stands at a multiple of eight. */
export function aligned(size: number): number {
  return Math.ceil(size / 8) * 8;
}

/** What a name stands for. */
export function find<T>(map: ReadonlyMap<string, T> | undefined, name: string): T {
  const found = map?.get(name);
  if (found === undefined) throw new Error(`a child program without ${name}`);
  return found;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
