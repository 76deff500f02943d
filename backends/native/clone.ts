/**
 * Starting a child program natively: a clone with shared memory, so that the cost does not grow
 * with the parent's heap, and so that the parent can read the outcome from that memory.
 *
 * @module
 */

import type { Program } from "../child_program/call.ts";
import { hexBytes } from "../child_program/elf.ts";
import { encode, sizeOf } from "../child_program/encode.ts";
import { type Encoded, gaveUpIn } from "../child_program/encoded.ts";
import { SystemCallError } from "../../core/errors.ts";
import { CLONE, PROT } from "../../core/tables/kernel.ts";
import type { Kernel } from "./kernel.ts";
import type { Word } from "../child_program/word.ts";
import { Arenas } from "./memory.ts";
import { isMissing } from "./primitives.ts";
import { CloneArgs } from "./clone_args.ts";

/** A child, and what its program has left in the memory that it shared with us. */
export interface Cloned {
  readonly pid: number;
  /** Closed on exec; -1 if it was not asked for, or cannot be had. */
  readonly pidfd: number;
  readonly encoded: Encoded;
  /** A copy of the program's notes, if it failed or has cells. Undefined for a copied memory. */
  readonly notes: Uint8Array | undefined;
}

/** How a child is cloned. */
export interface CloneOptions {
  /**
   * `shared`: the child runs in our memory, and this thread is suspended until it has exec'ed or ended.
   * `copied`: it gets a copy, at the price of a fork, and runs beside us.
   */
  readonly memory: "shared" | "copied";
  readonly pidfd: boolean;
  /** Where a program in a copied memory reports its failure: a descriptor of the child. */
  readonly report?: number | undefined;
}

/** The cloning machinery of a process: the machine code and the arenas. */
export class Cloner {
  readonly #kernel: Kernel;
  readonly #arenas: Arenas;
  /** The page of machine code; undefined in a thread that keeps none. */
  readonly #starter: Word | undefined;
  #args: CloneArgs;
  /** Whether CLONE_PIDFD works, as far as is known. */
  #makesPidfds = true;

  /** Makes the page of machine code; throws if the system allows no executable memory. */
  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#arenas = new Arenas(kernel);
    const code = mapCode(kernel);
    this.#starter = kernel.lasting ? code : undefined;
    if (!kernel.lasting) kernel.unmap(code, CODE_SIZE);
    this.#args = new CloneArgs(kernel, "clone3");
  }

  /** Whether children start without signal handlers: CLONE_CLEAR_SIGHAND of clone3(2). */
  get clearsHandlers(): boolean {
    return this.#args.call === "clone3";
  }

  /**
   * Uses clone(2) from here on. Sandboxes often refuse clone3(2), since a seccomp filter cannot read
   * its struct; and an emulated kernel may not have all of its flags.
   */
  doWithoutClone3(): void {
    this.#args = new CloneArgs(this.#kernel, "clone");
  }

  /** How many arenas are mapped. */
  get arenas(): number {
    return this.#arenas.living;
  }

  /**
   * Runs a program in a new child. The arena is ours again when this returns: a child that shares
   * our memory has left it, and one that does not has its own copy. To make a `pidfd` and
   * to close it again takes 7 µs, more than all else here but clone(2) itself.
   */
  clone(program: Program, how: CloneOptions): Cloned {
    const arena = this.#arenas.lease(sizeOf(program));
    try {
      const encoded = encode(program, this.#kernel.arch, arena, { report: how.report });
      const started = this.#start(encoded, how);
      const read = how.memory === "shared" && (encoded.hasCells || gaveUpIn(arena));
      return { ...started, encoded, notes: read ? encoded.notesIn(arena.bytes) : undefined };
    } finally {
      this.#arenas.release(arena);
    }
  }

  /**
   * Signals are blocked so that none of this process's handlers runs in the child before they are
   * reset, and so that what is sent to the child is delivered only at the step `unblock`. Block,
   * clone and unblock are one call of machine code: profilers and garbage collectors stop threads by
   * signals, and no JavaScript may run while they are blocked.
   */
  #start(encoded: Encoded, how: CloneOptions): Pick<Cloned, "pid" | "pidfd"> {
    const sharing = how.memory === "shared" ? CLONE.VM | CLONE.VFORK : 0;
    if (!how.pidfd || !this.#makesPidfds) return { pid: this.#clone(encoded, sharing), pidfd: -1 };
    let pid: number;
    try {
      pid = this.#clone(encoded, sharing | CLONE.PIDFD);
    } catch (error) {
      if (!(error instanceof SystemCallError) || !isMissing(-error.errno)) throw error;
      // It may be refused for another reason.
      pid = this.#clone(encoded, sharing);
      this.#makesPidfds = false;
    }
    // Kernels before 5.2 ignore the flag.
    if (this.#args.pidfd < 0) this.#makesPidfds = false;
    return {
      pid,
      pidfd: this.#makesPidfds ? this.#kernel.aboveStandardOrSame(this.#args.pidfd) : -1,
    };
  }

  /** One clone; throws if it is refused. */
  #clone({ header }: Encoded, flags: number): number {
    const args = this.#args;
    args.fill(header, flags);
    const kernel = this.#kernel;
    const code = this.#starter ?? mapCode(kernel);
    try {
      kernel.libc.invoke(code, args.address);
    } finally {
      if (code !== this.#starter) kernel.unmap(code, CODE_SIZE);
    }
    const pid = args.result;
    if (pid < 0) throw kernel.error(args.call, pid);
    return pid;
  }
}

const CODE_SIZE = 4096;

/** The starter, and the interpreter behind it. The page is never writable and executable at once. */
function mapCode(kernel: Kernel): Word {
  const code = hexBytes(kernel.arch.starter + kernel.arch.interpreter);
  const page = kernel.map(CODE_SIZE);
  new Uint8Array(kernel.libc.view(page, CODE_SIZE)).set(code);
  kernel.call("mprotect", page, CODE_SIZE, PROT.READ | PROT.EXEC);
  return page;
}
