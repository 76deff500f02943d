/**
 * The data of a program: the strings, structs and arrays that its arguments point to, one behind the
 * other in the arena.
 *
 * @module
 */

import type { Arch } from "./arch.ts";
import type { Arg } from "./call.ts";
import {
  aligned,
  ARGUMENTS,
  type Cells,
  FAILED_RESULT,
  find,
  GAVE_UP,
  type Room,
  ZEROS_AT,
} from "./encoded.ts";
import type { Word } from "./word.ts";
import { utf8Encoder } from "../../core/utf8.ts";

/** Where things are that arguments name, from the header on. */
export interface Places {
  readonly cells: Cells | undefined;
  /** The operations that have labels. */
  readonly labels: ReadonlyMap<string, number> | undefined;
}

/** An argument that is not written as a plain number. */
type PlacedArg = Exclude<Arg, number | bigint | { environ: true } | { value: number | bigint }>;

/** Up to this many characters are written one by one. */
const SHORT = 48;

/** Writes a 64-bit word. A BigInt for each would take ten times as long as dividing by hand. */
export function writeWord(words: Uint32Array, offset: number, value: number | bigint): void {
  if (typeof value === "bigint") {
    words[offset / 4] = Number(BigInt.asUintN(32, value));
    words[offset / 4 + 1] = Number(BigInt.asUintN(32, value >> 32n));
    return;
  }
  words[offset / 4] = value; // modulo 2^32
  words[offset / 4 + 1] = Math.floor(value / 0x1_0000_0000);
}

/** Writes data behind the operations of one program. */
export class DataWriter {
  readonly #arch: Arch;
  readonly #arena: Room;
  readonly #base: Word;
  readonly #places: Places;
  /** How far the program reaches. */
  end: number;

  constructor(arch: Arch, arena: Room, base: Word, places: Places, beginning: number) {
    this.#arch = arch;
    this.#arena = arena;
    this.#base = base;
    this.#places = places;
    this.end = beginning;
  }

  /** The word for an argument: mostly an address in the arena. */
  valueOf(arg: PlacedArg): number {
    return "byArch" in arg ? arg.byArch(this.#arch) : this.#base + this.#placeOf(arg);
  }

  /** Where in the arena an argument is; it is written there if need be. */
  #placeOf(arg: Exclude<PlacedArg, { byArch: unknown }>): number {
    if ("text" in arg) return this.#text(arg.text);
    if ("zeros" in arg) return ZEROS_AT;
    if ("texts" in arg) return this.#texts(arg.texts);
    if ("cell" in arg) {
      const { cell, offset = 0 } = arg;
      const at = typeof offset === "number" ? offset : this.#arch.stat[offset];
      return find(this.#places.cells, cell).at + at;
    }
    if ("gaveUp" in arg) return GAVE_UP;
    if ("failedResult" in arg) return FAILED_RESULT;
    if ("call" in arg) return find(this.#places.labels, arg.call) + ARGUMENTS + arg.argument * 8;
    const at = aligned(this.end);
    if ("words" in arg) {
      arg.words.forEach((value, i) => writeWord(this.#arena.words, at + i * 8, value));
      this.end = at + arg.words.length * 8;
      return at;
    }
    this.#arena.bytes.set(arg.bytes, at);
    this.end = at + arg.bytes.length;
    return at;
  }

  /** All texts are encoded at once: a call for each would cost more than everything else here. */
  #texts(texts: readonly string[]): number {
    const pointers = aligned(this.end);
    let at = this.end = pointers + (texts.length + 1) * 8;
    const joined = texts.join("\0");
    this.#text(joined);
    const ascii = this.end - at === joined.length + 1;
    const { bytes, words } = this.#arena;
    texts.forEach((text, i) => {
      writeWord(words, pointers + i * 8, this.#base + at);
      at = (ascii ? at + text.length : bytes.indexOf(0, at)) + 1;
    });
    writeWord(words, pointers + texts.length * 8, 0);
    return pointers;
  }

  #text(text: string): number {
    const at = this.end;
    const { bytes } = this.#arena;
    const written = this.#short(text) ?? utf8Encoder().encodeInto(text, bytes.subarray(at)).written;
    bytes[at + written] = 0;
    this.end = at + written + 1;
    return at;
  }

  /** Writes a short text in ASCII, as most are: faster so. The bytes, or undefined if it is none. */
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
