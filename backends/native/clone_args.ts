/**
 * The arguments of the starter, the function of machine code that makes a child (see arch/), in
 * memory of their own. Everything is a little-endian 64-bit word:
 *
 * ```text
 *   0  the signal mask that blocks all
 *   8  the one that was in force, written by the starter
 *  16  the number of the call that makes a child: of clone3(2), or else of clone(2)
 *  24  its first three arguments
 *  48  its result, written
 *  56  the address of the child's program
 *  64  struct clone_args, for clone3(2)
 * 128  the pidfd, written by the kernel
 * ```
 *
 * @module
 */

import { CLONE, SIGCHLD } from "../../core/tables/kernel.ts";
import type { Kernel } from "./kernel.ts";
import type { Word } from "../child_program/word.ts";

const BLOCKED_AT = 0;
const NUMBER_AT = 16;
const ARGUMENTS_AT = 24;
/** Where the result of the clone is. */
export const RESULT_AT = 48;
const HEADER_AT = 56;
const CLONE_ARGS_AT = 64;
const PIDFD_AT = 128;

/** Where in struct clone_args the address for the pidfd and the exit signal are; its size. */
const CLONE_ARGS_PIDFD = 8;
const CLONE_ARGS_EXIT_SIGNAL = 32;
const CLONE_ARGS_SIZE = 64;

/** Filled in for one clone after the other. */
export class CloneArgs {
  readonly address: Word;
  /** The call that makes a child: clone3(2) with CLONE_CLEAR_SIGHAND, or clone(2) without. */
  readonly call: "clone3" | "clone";
  readonly #view: DataView;
  /** Where the flags are: in the struct, or the first argument. */
  readonly #flagsAt: number;

  constructor(kernel: Kernel, call: "clone3" | "clone") {
    const { numbers } = kernel.arch;
    const length = 4096;
    const { address, buffer } = kernel.memory(length);
    this.address = address;
    const view = this.#view = new DataView(buffer);
    this.call = call;
    this.#flagsAt = call === "clone3" ? CLONE_ARGS_AT : ARGUMENTS_AT;
    const set = (at: number, value: number) => view.setBigInt64(at, BigInt(value), true);
    set(BLOCKED_AT, -1);
    set(NUMBER_AT, numbers[call]);
    if (call === "clone3") {
      set(ARGUMENTS_AT, address + CLONE_ARGS_AT);
      set(ARGUMENTS_AT + 8, CLONE_ARGS_SIZE);
      set(CLONE_ARGS_AT + CLONE_ARGS_PIDFD, address + PIDFD_AT);
      set(CLONE_ARGS_AT + CLONE_ARGS_EXIT_SIGNAL, SIGCHLD);
      // fill() sets the lower half of the flags.
      set(CLONE_ARGS_AT, CLONE.CLEAR_SIGHAND);
    } else {
      set(ARGUMENTS_AT + 16, address + PIDFD_AT);
    }
  }

  /** Sets the program to start, and the flags of clone(2), without the exit signal. */
  fill(header: Word, flags: number): void {
    const view = this.#view;
    view.setInt32(PIDFD_AT, -1, true);
    view.setUint32(this.#flagsAt, this.call === "clone3" ? flags : flags | SIGCHLD, true);
    view.setUint32(HEADER_AT, header, true); // modulo 2^32
    view.setUint32(HEADER_AT + 4, Math.floor(header / 0x1_0000_0000), true);
  }

  /** The pid of the child, or the negative errno. */
  get result(): number {
    return this.#view.getInt32(RESULT_AT, true);
  }

  /** If it was asked for. */
  get pidfd(): number {
    return this.#view.getInt32(PIDFD_AT, true);
  }
}
