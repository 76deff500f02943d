/**
 * The environment that children inherit, where the runtime keeps it in libc's environ(7), and other
 * threads (workers of Deno, SHARE_ENV workers of Node, native code) may change it at any moment.
 * setenv(3) moves the array and frees the old one; execve(2), given the array, may read whatever is
 * there. So a child is given a copy.
 *
 * To make a copy for each child would cost a tenth of a start. What is compared instead are the
 * pointers in the array: glibc never frees or changes a variable's text, but makes another one, see
 * "known_values" in its setenv.c. They are read with process_vm_readv(2), which fails where memory
 * has gone instead of crashing, and twice in one call: what is the same in both was so at the moment
 * in between.
 *
 * A new copy counts only if the runtime, which has a lock, sees the same variables.
 *
 * @module
 */

import { UnsupportedError } from "../../core/errors.ts";
import type { Host } from "../spawner/host.ts";
import type { Kernel } from "./kernel.ts";
import type { Word } from "../child_program/word.ts";
import { E } from "../../core/tables/kernel.ts";
import { web } from "../../core/web.ts";
import { utf8Encoder } from "../../core/utf8.ts";

/** What the runtime knows of its environment. */
export type KnownEnvironment = Pick<Host, "environmentIfAllowed">;

/** How often an environment that keeps changing is read before the runtime's variables are used. */
const ATTEMPTS = 4;

/** The same where the runtime may not be asked. */
const ATTEMPTS_WITHOUT_RUNTIME = 1000;

/** More pointers than this are not looked for. */
const MAX_ENVIRONMENT = 64 * 1024;

/** How many pointers, and how many bytes of a text, are read at once where no end is known. */
const POINTERS = 512;
const PIECE = 512;

/** Two struct iovec of each side. */
const IOVECS = 4 * 16;

/** Made when they are first used: a global scope may lack the class. */
let decoders: { readonly strict: TextDecoder; readonly lossy: TextDecoder } | undefined;

function decodersNow(): NonNullable<typeof decoders> {
  return decoders ??= {
    strict: new web.TextDecoder("utf-8", { fatal: true, ignoreBOM: true }),
    lossy: new web.TextDecoder("utf-8", { ignoreBOM: true }),
  };
}

const NOTHING_FOUND: ReadonlyMap<Word, Uint8Array> = new Map();

/** Memory that the kernel reads and writes. */
interface Block {
  readonly address: Word;
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
}

/** A copy of environ(7) for children. */
export class Environ {
  readonly #kernel: Kernel;
  readonly #known: KnownEnvironment;
  readonly #pid: number;
  /** What is read: the iovecs, then both readings. */
  #reading: Block;
  /** What children are given. */
  #copy: Block;
  /** The pointers that the copy was made of, as words of 32 bits; undefined if they are not known. */
  #pointers: Uint32Array | undefined;
  #texts: readonly Uint8Array[] = [];
  #isUnreadable = false;
  /** The texts behind pointers, which are read again where the runtime cannot confirm them. */
  #found: ReadonlyMap<Word, Uint8Array> = new Map();

  constructor(kernel: Kernel, known: KnownEnvironment) {
    this.#kernel = kernel;
    this.#known = known;
    this.#pid = kernel.call("getpid");
    this.#reading = blockOf(kernel, 16 * 1024);
    this.#copy = blockOf(kernel, 16 * 1024);
  }

  /** The address of the copy, until the next call. */
  address(): Word {
    const before = this.#pointers;
    if (before !== undefined && isSame(this.#readTwice(before.length / 2), before)) {
      return this.#copy.address;
    }
    // Nothing counts as copied until all of it is.
    this.#pointers = undefined;
    const { texts, pointers } = this.#readVariables();
    this.#writeCopy(texts);
    this.#texts = texts;
    this.#pointers = pointers;
    return this.#copy.address;
  }

  /** What the copy has, as NAME=VALUE. */
  variables(): string[] {
    this.address();
    return this.#texts.map((text) => decodersNow().lossy.decode(text.subarray(0, -1)));
  }

  /** The variables, and the pointers to them if they can be compared later. */
  #readVariables(): { texts: readonly Uint8Array[]; pointers?: Uint32Array } {
    for (let i = 0;; i++) {
      const known = this.#known.environmentIfAllowed?.();
      const pointers = this.#readAll();
      // What was read before is taken once; if the runtime disagrees, all of it is read again.
      const found = known === undefined || i > 0 ? NOTHING_FOUND : this.#found;
      const texts = pointers === undefined ? undefined : this.#textsAt(pointers, found);
      if (pointers !== undefined && texts !== undefined) {
        if (known === undefined || agree([...texts.values()], known)) {
          this.#found = texts;
          return { texts: [...texts.values()], pointers };
        }
      }
      const last = this.#isUnreadable ||
        i >= (known === undefined ? ATTEMPTS_WITHOUT_RUNTIME : ATTEMPTS);
      if (last && known === undefined) {
        throw refusal(
          this.#isUnreadable ? "process_vm_readv(2) is refused" : "other threads keep changing it",
        );
      }
      if (last && known !== undefined) return { texts: encoded(known) };
    }
  }

  /** The first `count` pointers, if they did not change while they were read. */
  #readTwice(count: number): Uint32Array | undefined {
    const size = count * 8;
    this.#reserve(IOVECS + 2 * size);
    const from = this.#kernel.libc.environ();
    const to = this.#reading.address + IOVECS;
    const n = this.#transfer([to, size, to + size, size], [from, size, from, size]);
    if (n !== 2 * size) return undefined;
    const at = IOVECS / 4;
    const one = this.#reading.words.subarray(at, at + count * 2);
    const other = this.#reading.words.subarray(at + count * 2, at + count * 4);
    // An array that was moved meanwhile is freed memory.
    return this.#kernel.libc.environ() === from && isSame(one, other) ? one : undefined;
  }

  /** All pointers, with the null at the end; undefined if they kept changing. */
  #readAll(): Uint32Array | undefined {
    const from = this.#kernel.libc.environ();
    if (from === 0) return undefined;
    for (let count = 0; count < MAX_ENVIRONMENT; count += POINTERS) {
      const words = this.#readBytes(from + count * 8, POINTERS * 8);
      const found = new Uint32Array(words.slice().buffer, 0, Math.floor(words.length / 8) * 2);
      for (let i = 0; i < found.length; i += 2) {
        if (found[i] !== 0 || found[i + 1] !== 0) continue;
        const pointers = this.#readTwice(count + i / 2 + 1)?.slice();
        return pointers?.at(-1) === 0 && pointers.at(-2) === 0 ? pointers : undefined;
      }
      if (words.length < POINTERS * 8) return undefined;
    }
    return undefined;
  }

  /** The texts that pointers lead to, each with its NUL. */
  #textsAt(
    pointers: Uint32Array,
    found: ReadonlyMap<Word, Uint8Array>,
  ): ReadonlyMap<Word, Uint8Array> | undefined {
    // While unsetenv(3) closes a gap, a pointer may stand in two places: one is enough.
    const texts = new Map<Word, Uint8Array>();
    for (let i = 0; i + 2 < pointers.length; i += 2) {
      const pointer = (pointers[i] ?? 0) + (pointers[i + 1] ?? 0) * 0x1_0000_0000;
      const text = found.get(pointer) ?? this.#textAt(pointer);
      if (text === undefined) return undefined;
      texts.set(pointer, text);
    }
    return texts;
  }

  #textAt(pointer: Word): Uint8Array | undefined {
    for (let size = PIECE;; size *= 4) {
      const bytes = this.#readBytes(pointer, size);
      const end = bytes.indexOf(0);
      if (end >= 0) return bytes.slice(0, end + 1);
      if (bytes.length < size) return undefined;
    }
  }

  /** What can be read of some memory; lent until the next call. */
  #readBytes(from: Word, size: number): Uint8Array {
    this.#reserve(IOVECS + size);
    const n = this.#transfer([this.#reading.address + IOVECS, size, 0, 0], [from, size, 0, 0]);
    return this.#reading.bytes.subarray(IOVECS, IOVECS + Math.max(0, n));
  }

  /** process_vm_readv(2) of this process: addresses and lengths of two pieces of each side. */
  #transfer(to: readonly number[], from: readonly number[]): number {
    const { words, address } = this.#reading;
    let at = 0;
    for (const word of [...to, ...from]) {
      words[at++] = word; // modulo 2^32
      words[at++] = Math.floor(word / 0x1_0000_0000);
    }
    const remote = address + IOVECS / 2;
    const n = this.#kernel.raw("process_vm_readv", this.#pid, address, 2, remote, 2, 0);
    // A kernel or a sandbox without the call will not have it next time either.
    this.#isUnreadable ||= n < 0 && n !== -E.EFAULT;
    return n;
  }

  #reserve(size: number): void {
    if (this.#reading.bytes.length < size) {
      this.#reading = blockOf(this.#kernel, 2 * size, this.#reading);
    }
  }

  /** Writes the copy: NULL-terminated pointers, then the texts. */
  #writeCopy(texts: readonly Uint8Array[]): void {
    const start = (texts.length + 1) * 8;
    const size = texts.reduce((sum, text) => sum + text.length, start);
    if (this.#copy.bytes.length < size) {
      this.#copy = blockOf(this.#kernel, 2 * size, this.#copy);
    }
    const { address, bytes, words } = this.#copy;
    let at = start;
    texts.forEach((text, i) => {
      words[2 * i] = address + at; // modulo 2^32
      words[2 * i + 1] = Math.floor((address + at) / 0x1_0000_0000);
      bytes.set(text, at);
      at += text.length;
    });
    words.fill(0, 2 * texts.length, 2 * texts.length + 2);
  }
}

/** A new block; the one that it replaces is freed. */
function blockOf(kernel: Kernel, size: number, old?: Block): Block {
  const length = Math.ceil(size / 4096) * 4096;
  const { address, buffer } = kernel.memory(length);
  // Where a runtime has made it, it also frees it.
  if (old !== undefined && kernel.libc.memory === undefined) {
    kernel.unmap(old.address, old.bytes.length);
  }
  return { address, bytes: new Uint8Array(buffer), words: new Uint32Array(buffer) };
}

function isSame(some: Uint32Array | undefined, others: Uint32Array): boolean {
  if (some?.length !== others.length) return false;
  for (let i = 0; i < others.length; i++) if (some[i] !== others[i]) return false;
  return true;
}

/**
 * Whether the runtime sees the same variables. It leaves out what is no UTF-8, or shows something
 * else instead; and of a name that is there twice it may show either.
 */
function agree(texts: readonly Uint8Array[], known: Readonly<Record<string, string>>): boolean {
  const values = new Map<string, string | undefined>();
  for (const bytes of texts) {
    const whole = bytes.subarray(0, -1);
    const at = whole.indexOf(EQUALS);
    if (at <= 0) continue;
    const text = decoded(whole);
    const name = text === undefined
      ? decodersNow().lossy.decode(whole.subarray(0, at))
      : text.slice(0, text.indexOf("="));
    values.set(name, values.has(name) ? undefined : text?.slice(name.length + 1));
  }
  const names = Object.keys(known);
  const sure = [...values].filter(([, value]) => value !== undefined);
  return sure.every(([name, value]) => Object.hasOwn(known, name) && known[name] === value) &&
    names.every((name) => name === "" || values.has(name));
}

const EQUALS = 0x3d;

function decoded(bytes: Uint8Array): string | undefined {
  try {
    return decodersNow().strict.decode(bytes);
  } catch {
    return undefined; // no UTF-8
  }
}

function encoded(variables: Readonly<Record<string, string>>): Uint8Array[] {
  return Object.entries(variables).map(([name, value]) =>
    utf8Encoder().encode(`${name}=${value}\0`)
  );
}

function refusal(why: string): UnsupportedError {
  return new UnsupportedError({
    feature: "inheriting the environment",
    driver: "native",
    reason: `${why}, and this process may not ask the runtime for it`,
    remedy: "choose the variables with env() and envPass(), or grant --allow-env",
  });
}
