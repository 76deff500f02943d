/**
 * A system call of a child program as data: what the steps of a plan are lowered to, what the
 * encoder lays out in memory, and what `explain()` prints.
 *
 * @module
 */

import { defined, isPolluted, own } from "../../core/own.ts";
import type { StepName } from "../../core/plan/order.ts";
import { AT_FDCWD } from "../../core/tables/kernel.ts";
import type { Arch, SyscallName } from "./arch.ts";

/**
 * How an argument is displayed, by `explain()` and in errors. A function, for what is long and
 * seldom looked at, is called each time.
 */
export type Display = string | (() => string);

/** An argument: a number, or something in memory whose address is passed; and how it is displayed. */
export type Arg =
  | number
  | bigint
  | ({
    /** Default: text as a C string literal, and everything else that is no plain number as `…`. */
    readonly display?: Display;
    /** The same in errors, which may travel far: environment values masked. Default: `display`. */
    readonly masked?: Display;
  } & Value);

/** An argument that is not displayed as a plain number. */
type Value =
  /** A number with a name, such as a flag. */
  | { readonly value: number | bigint }
  /** Text, NUL-terminated. */
  | { readonly text: string }
  /** The address of {@linkcode ZEROS} bytes that are zero. */
  | { readonly zeros: true }
  /** A copy of these bytes. */
  | { readonly bytes: Uint8Array }
  /** A struct of 64-bit words. */
  | { readonly words: readonly (number | bigint)[] }
  /** A NULL-terminated array of texts. */
  | { readonly texts: readonly string[] }
  /** A cell: memory by name, zero at first, shared by all calls that name it. */
  | { readonly cell: string; readonly offset?: number | StatField }
  /** A number that differs between architectures. */
  | { readonly byArch: (arch: Arch) => number }
  /** The word in which the program notes that it gave up: {@linkcode GAVE_UP_VALUE}, or 0. */
  | { readonly gaveUp: true }
  /** The environment of the process itself, in a program file; in one argument of a program. */
  | { readonly environ: true }
  /** The word in which the result of the last failure stands. */
  | { readonly failedResult: true }
  /** The memory of another call's argument: what is read there becomes that argument. */
  | { readonly call: string; readonly argument: number };

/** A number by its name. */
export function arg(value: number | bigint, display: string): Arg {
  return { value, display };
}

/** A null pointer. */
export const NULL: Arg = arg(0, "NULL");

/** openat(2) and others: the current folder. */
export const CURRENT_FOLDER: Arg = arg(AT_FDCWD, "AT_FDCWD");

/** A field of struct stat, whose place differs between architectures. */
export type StatField = "nlink" | "mode" | "uid";

/** Where to go after a call, by the label of another one. */
export interface Jumps {
  /** If the result is negative. Default: the program has failed. */
  readonly error?: string;
  /** If it is zero. Default: the next call. */
  readonly zero?: string;
  /** If it is positive. Default: the next call. */
  readonly positive?: string;
}

/** The step that a call belongs to: one of the plan, or the making of the child itself. */
export type CallStep = StepName | "clone";

/** One system call. */
export interface Call {
  /** The step that it belongs to, for errors. */
  readonly step: CallStep;
  /** The call by its name, or by its number on this architecture. */
  readonly name: SyscallName | number;
  /** Its arguments; those that are missing are 0, and not displayed. */
  readonly args: readonly Arg[];
  /** The call is made for each of these values of its first argument, one after the other. */
  readonly each?: readonly number[];
  /** The file or folder that a failure is about. */
  readonly path?: string;
  /** What a failure means, where errno alone would mislead. */
  readonly hint?: string;
  /** Why it is so, by the name of errno, as far as that is known. */
  readonly reasons?: ReadonlyMap<string, string>;
  /**
   * The errno of a failure that the program has found by comparing: the call itself is only there
   * to end the program, and fails with another one.
   */
  readonly errno?: number;
  /** More for the reader of `explain()`. */
  readonly note?: string;
  /** Whether the same was shown above, so that `explain()` need not show it again. */
  readonly repeats?: boolean;
  /** A name for jumps. */
  readonly label?: string | undefined;
  readonly jumps?: Jumps;
  /** Whether the program goes on with the next call if this one fails. */
  readonly ignoresErrors?: boolean;
  /** Whether its failure is not the failure of the program, and must not hide one that is. */
  readonly unrecorded?: boolean;
  /** Where the result goes: into an argument of another call, or into a cell. Else nowhere. */
  readonly into?: { readonly call: string; readonly argument: number } | { readonly cell: string };
}

/** How many zeros every program has: as much as the kernel's struct sigaction takes. */
export const ZEROS = 32;

/** What a program that gave up leaves: sched_get_priority_max(SCHED_FIFO) is 99 everywhere. */
export const GAVE_UP_VALUE = 99;

/** The label of the exit at the end of every program, for those that have failed. */
export const FAILED = "failed";

/** A cell of a program. */
export interface Cell {
  readonly name: string;
  /** Its size, in bytes. */
  readonly size: number;
}

/** Calls, and the cells that they share. */
export interface Program {
  readonly calls: readonly Call[];
  readonly cells: readonly Cell[];
  /** The first of the calls, if many programs begin with them: these very ones. */
  readonly prefix?: SharedPrefix | undefined;
}

/**
 * Calls that one program after the other begins with. They have neither labels nor jumps, and
 * share nothing with the calls behind them.
 */
export class SharedPrefix {
  readonly calls: readonly Call[];
  /** How many operations they take. */
  readonly operations: number;
  /** An upper bound of the bytes that their data take. */
  readonly data: number;

  constructor(calls: readonly Call[]) {
    this.calls = calls;
    this.operations = calls.reduce((sum, call) => sum + operationsOf(call), 0);
    this.data = calls.reduce((sum, call) => sum + dataOf(call), 0);
  }
}

/** The same program, of objects that inherit nothing if all others do. */
export function ownProgram(program: Program): Program {
  if (!isPolluted()) return program;
  const { calls, cells } = program;
  return own({ calls: calls.map(ownCall), cells: cells.map(own), prefix: undefined });
}

function ownCall(call: Call): Call {
  const { args, jumps, into, ...others } = own(call);
  return own({
    ...others,
    args: args.map((each) => typeof each === "object" ? own(each) : each),
    ...defined({
      jumps: jumps === undefined ? undefined : own(jumps),
      into: into === undefined ? undefined : own(into),
    }),
  });
}

/** How many operations a call takes. */
export function operationsOf({ each }: Call): number {
  return each?.length ?? 1;
}

/** An upper bound of the bytes that the data of a call take. */
export function dataOf({ args }: Call): number {
  let data = 0;
  for (const each of args) {
    if (typeof each !== "object") continue;
    if ("text" in each) data += boundOf(each.text);
    else if ("bytes" in each) data += each.bytes.length + 16;
    else if ("words" in each) data += each.words.length * 8 + 8;
    else if ("texts" in each) {
      data += each.texts.reduce((sum, text) => sum + boundOf(text) + 8, 24);
    }
  }
  return data;
}

/** UTF-16 units become three bytes at most; one NUL. */
function boundOf(text: string): number {
  return text.length * 3 + 1;
}

/** A call with nothing special about it. */
export function call(step: CallStep, name: SyscallName | number, args: readonly Arg[] = []): Call {
  return { step, name, args };
}

/** The arguments of a call as people read them, secrets masked. */
export function displayOf({ args }: Call): string[] {
  return args.map((each) => {
    if (typeof each !== "object") return String(each);
    const value = own(each);
    return displayOfValue(value, value.display);
  });
}

/** The same for errors: environment values masked as well. */
export function maskedDisplayOf({ args }: Call): string[] {
  return args.map((each) => {
    if (typeof each !== "object") return String(each);
    const value = own(each);
    return displayOfValue(value, value.masked ?? value.display);
  });
}

function displayOfValue(value: Value, display: Display | undefined): string {
  if (typeof display === "function") return display();
  return display ?? ("text" in value ? text(value.text) : "…");
}

/** Text as a C string literal, near enough. */
export function text(value: string): string {
  return JSON.stringify(value);
}

/** A mode or mask as C writes it. */
export function octal(mode: number): string {
  return `0${mode.toString(8).padStart(3, "0")}`;
}
