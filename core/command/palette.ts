/**
 * Extra system calls as data: how syscalls.ts makes them.
 *
 * @module
 */

import { isBytes } from "../bytes.ts";
import { textProblem } from "./builder.ts";
import { UsageError } from "../errors.ts";
import { copied } from "./stdio.ts";

/** An argument: a number, or memory whose address is passed. */
export type PaletteArgument = number | bigint | string | Uint8Array | null;

/** One extra call, made by {@linkcode syscalls}. */
export interface PaletteCall {
  /** The call by its name, or by its number on this architecture. */
  readonly name: string | number;
  /** Its arguments, up to six. */
  readonly args: readonly PaletteArgument[];
  /** The arguments as text for people. */
  readonly shown: readonly string[];
  /** The file or folder that a failure is about. */
  readonly path?: string;
}

/** Reports whether a value is a call as the palette makes them. */
export function isPaletteCall(value: unknown): value is PaletteCall {
  if (typeof value !== "object" || value === null) return false;
  const { name, args, shown, path } = value as Partial<PaletteCall>;
  return (typeof name === "string" || typeof name === "number") &&
    Array.isArray(args) && args.length <= 6 && args.every(isPaletteArgument) &&
    Array.isArray(shown) && shown.every((each) => typeof each === "string") &&
    (path === undefined || typeof path === "string");
}

function isPaletteArgument(value: unknown): value is PaletteArgument {
  return value === null || typeof value === "string" || typeof value === "bigint" ||
    Number.isSafeInteger(value) || isBytes(value);
}

/** A constant by its name, several that are or'ed together, or plain numbers. */
export type Flags<N extends string> = N | number | readonly (N | number)[];

/** Constants by name. */
export type Table = Readonly<Record<string, number>>;

/** An argument and how it is shown. */
export interface Shown {
  readonly value: PaletteArgument;
  readonly text: string;
}

/** Combines constants of a table, and formats them as in C. */
export function flags(table: Table, given: unknown, call: string): Shown {
  const parts = Array.isArray(given) ? given : [given];
  let value = 0n;
  for (const part of parts) {
    const known = typeof part === "string" && Object.hasOwn(table, part) ? table[part] : part;
    if (typeof known !== "number" || !Number.isSafeInteger(known)) {
      throw new UsageError(`${call}: ${String(part)} is neither a number nor a known constant`);
    }
    value |= BigInt(known);
  }
  return { value, text: parts.map((part) => constant(table, part)).join("|") || "0" };
}

/** Formats a number as a constant, or as several if the table consists of bits. */
function constant(table: Table, part: unknown): string {
  if (typeof part !== "number" || part === 0) {
    const zero = part === 0 ? Object.keys(table).find((name) => table[name] === 0) : undefined;
    return zero ?? String(part);
  }
  const exact = Object.keys(table).find((name) => table[name] === part);
  if (exact !== undefined) return exact;
  if (part < 0) return String(part);
  const hex = `0x${part.toString(16)}`;
  // Only bits can be combined: 3 is an option of prctl(2), and not 1 and 2.
  if (!Object.values(table).every((value) => (value & (value - 1)) === 0)) return hex;
  const names = Object.keys(table).filter((name) => {
    const bit = table[name] ?? 0;
    return bit !== 0 && (part & bit) === bit;
  });
  const covered = names.reduce((all, name) => all | (table[name] ?? 0), 0);
  return covered === part ? names.join("|") : hex;
}

/** A whole number of 64 bits, with or without a sign. */
export function number(given: unknown, call: string): Shown {
  const whole = typeof given === "bigint" || Number.isSafeInteger(given);
  if (!whole) throw new UsageError(`${call}: ${String(given)} is no whole number`);
  if (typeof given === "bigint" && (given < -(2n ** 63n) || given >= 2n ** 64n)) {
    throw new UsageError(`${call}: ${given} does not fit into 64 bits`);
  }
  return { value: given as number | bigint, text: String(given) };
}

/** A whole number within bounds. */
export function within(given: unknown, least: number, most: number, call: string): number {
  if (typeof given === "number" && Number.isInteger(given) && given >= least && given <= most) {
    return given;
  }
  throw new UsageError(`${call}: ${String(given)} is no whole number from ${least} to ${most}`);
}

/** A text. */
export function text(given: unknown, call: string): Shown {
  if (typeof given !== "string") throw new UsageError(`${call}: ${String(given)} is no text`);
  const problem = textProblem(given);
  if (problem !== undefined) throw new UsageError(`${call}: ${problem}`);
  return { value: given, text: JSON.stringify(given) };
}

/** A text or NULL. */
export function optionalText(given: string | null, call: string): Shown {
  return given === null ? { value: null, text: "NULL" } : text(given, call);
}

/** An argument of any type. */
export function any(given: PaletteArgument, call: string): Shown {
  if (given === null) return { value: null, text: "NULL" };
  if (typeof given === "string") return text(given, call);
  if (isBytes(given)) {
    return { value: copied(given), text: `/* ${given.length} bytes */` };
  }
  return number(given, call);
}

/** Makes a call. */
export function make(name: string | number, args: readonly Shown[], path?: string): PaletteCall {
  if (args.length > 6) throw new UsageError(`${name}: a system call has six arguments at most`);
  const call = { name, args: args.map((each) => each.value), shown: args.map((each) => each.text) };
  return path === undefined ? call : { ...call, path };
}

/** Returns processors as the array of unsigned longs that sched_setaffinity(2) takes. */
export function cpuMask(cpus: readonly number[]): Uint8Array {
  const last = Math.max(...cpus);
  const mask = new Uint8Array((Math.floor(last / 64) + 1) * 8);
  for (const cpu of cpus) {
    const at = Math.floor(cpu / 8);
    mask[at] = (mask[at] ?? 0) | (1 << (cpu % 8));
  }
  return mask;
}
