/**
 * Arenas: memory for child programs, from mmap(2) and so out of the garbage collector's reach. A
 * child that shares its parent's memory reads its program, its strings and its stack from here,
 * and the kernel stores results here, while the collector may move everything else.
 *
 * @module
 */

import type { Kernel } from "./kernel.ts";
import type { Arena } from "../child_program/room.ts";

/** The size of a pooled arena, in bytes. Pages that are never touched cost nothing. */
export const ARENA: number = 256 * 1024;

/** How many arenas are kept for the next child. */
let kept = 4;

/** For tests: with 0, an arena is unmapped at its release, so that a later look at it is fatal. */
export function keepArenas(count: number): void {
  kept = count;
}

/** A pool of arenas. */
export class Arenas {
  readonly #kernel: Kernel;
  readonly #free: Arena[] = [];
  #living = 0;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** How many arenas are mapped, leased or not. */
  get living(): number {
    return this.#living;
  }

  /** Leases an arena of at least `size` bytes, with arbitrary contents. */
  lease(size: number): Arena {
    const pooled = size <= ARENA ? this.#free.pop() : undefined;
    if (pooled !== undefined) return pooled;
    const length = Math.max(ARENA, Math.ceil(size / 4096) * 4096);
    // Private: a child that copies our memory has an arena of its own from then on.
    const address = this.#kernel.map(length);
    const buffer = this.#kernel.libc.view(address, length);
    this.#living++;
    return {
      address,
      size: length,
      bytes: new Uint8Array(buffer),
      words: new Uint32Array(buffer),
    };
  }

  /** Returns an arena to the pool. No child may run in it any more. */
  release(arena: Arena): void {
    if (arena.size === ARENA && this.#free.length < kept && this.#kernel.lasting) {
      this.#free.push(arena);
      return;
    }
    this.#kernel.unmap(arena.address, arena.size);
    this.#living--;
  }
}
