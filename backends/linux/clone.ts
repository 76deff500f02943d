/**
 * Starting a child program natively: a clone with shared memory, so that the cost does not grow
 * with the parent's heap, and so that the parent can read the outcome from that memory.
 *
 * @module
 */

import type { Call, Program } from "./call.ts";
import { hexBytes } from "./elf.ts";
import { encode, sizeOf } from "./encode.ts";
import type { Encoded } from "./encoded.ts";
import type { Kernel } from "./kernel.ts";
import type { Word } from "./libc.ts";
import { Arenas } from "./memory.ts";
import { Ticket } from "./ticket.ts";

const CLONE_VM = 0x100;
const CLONE_VFORK = 0x4000;
const CLONE_PIDFD = 0x1000;
const PROT_READ_EXEC = 1 | 4;

/** A child that was started, and the program that it was started with. */
export interface Cloned {
  readonly pid: number;
  /** Closed on exec; -1 if it was not asked for. */
  readonly pidfd: number;
  /** What the program has noted in the memory it shares with us. */
  readonly program: Encoded;
  /** Gives the memory back. Only after the child has exec'ed or ended. */
  release(): void;
}

/** How a child is cloned. */
export interface Manner {
  readonly suspend: boolean;
  readonly ownMemory: boolean;
  readonly pidfd: boolean;
}

/** The cloning machinery of a process: the machine code and the arenas. */
export class Cloner {
  readonly #kernel: Kernel;
  readonly #arenas: Arenas;
  /** The page of machine code; undefined in a thread that keeps none. */
  readonly #starter: Word | undefined;
  #ticket: Ticket;

  /** Makes the page of machine code; throws if the system allows no executable memory. */
  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#arenas = new Arenas(kernel);
    const code = mapCode(kernel);
    this.#starter = kernel.lasting ? code : undefined;
    if (!kernel.lasting) kernel.unmap(code, CODE_SIZE);
    this.#ticket = new Ticket(kernel, true);
  }

  /** Whether children have no signal handlers from birth. */
  get clears(): boolean {
    return this.#ticket.clears;
  }

  /**
   * Uses clone(2) from here on. Sandboxes like to refuse clone3(2), since a filter cannot see what
   * its struct says; and what stands for a kernel may not know all of its flags.
   */
  doWithoutClone3(): void {
    this.#ticket = new Ticket(this.#kernel, false);
  }

  /** How many arenas are mapped. */
  get arenas(): number {
    return this.#arenas.living;
  }

  /**
   * Runs a program in a new child. If `suspend`, this returns when the child has exec'ed or ended;
   * else at once, and until one of the two nothing of its program may be touched. With
   * `ownMemory`, the child gets a copy of our memory, arenas excepted, at the price of a fork. To
   * make a `pidfd` and to close it again takes 7 µs, more than all else here but clone(2) itself.
   */
  clone(program: Program, how: Manner): Cloned {
    const kernel = this.#kernel;
    const arena = this.#arenas.lease(sizeOf(program));
    const code = this.#starter ?? mapCode(kernel);
    const release = () => {
      this.#arenas.release(arena);
      if (code !== this.#starter) kernel.unmap(code, CODE_SIZE);
    };
    try {
      const encoded = encode(program, kernel.arch, arena);
      return { ...this.#start(encoded, how, code), program: encoded, release };
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Runs the calls of a program in this very process, up to the first one that fails. */
  runHere(program: Program): { call: Call; errno: number } | undefined {
    const arena = this.#arenas.lease(sizeOf(program));
    try {
      const encoded = encode(program, this.#kernel.arch, arena);
      for (const call of program.calls) {
        const { numbers } = this.#kernel.arch;
        const number = typeof call.name === "number" ? call.name : numbers[call.name];
        const [first = 0, ...others] = encoded.argumentsOf(call);
        for (const value of call.each ?? [first]) {
          const result = this.#kernel.libc.syscall(number, value, ...others);
          if (result < 0) return { call, errno: -result };
        }
      }
      return undefined;
    } finally {
      this.#arenas.release(arena);
    }
  }

  /**
   * Signals are blocked so that none of this process's handlers runs in the child before they are
   * reset, and so that what is sent to the child is delivered when its plan says so. Block, clone and unblock are one call: a thread that is to be stopped by a
   * signal, as profilers and collectors do, must never meet JavaScript that cannot be.
   */
  #start({ header }: Encoded, how: Manner, code: Word): Pick<Cloned, "pid" | "pidfd"> {
    const sharing = how.ownMemory ? 0 : CLONE_VM;
    const flags = sharing | (how.suspend ? CLONE_VFORK : 0) | (how.pidfd ? CLONE_PIDFD : 0);
    const ticket = this.#ticket;
    ticket.fill(header, flags);
    this.#kernel.libc.invoke(code, ticket.address);
    const pid = ticket.result;
    if (pid < 0) throw this.#kernel.error(ticket.clears ? "clone3" : "clone", pid);
    return { pid, pidfd: how.pidfd ? this.#kernel.aboveStandard(ticket.pidfd, true) : -1 };
  }
}

const CODE_SIZE = 4096;

/** The starter, and the interpreter behind it. The page is never writable and executable at once. */
function mapCode(kernel: Kernel): Word {
  const code = hexBytes(kernel.arch.starter + kernel.arch.interpreter);
  const page = kernel.map(CODE_SIZE);
  new Uint8Array(kernel.libc.view(page, CODE_SIZE)).set(code);
  kernel.call("mprotect", page, CODE_SIZE, PROT_READ_EXEC);
  return page;
}
