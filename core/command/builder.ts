/**
 * The state of a command that is being built: the fields that were set, and the first misuse. The
 * functions of `build_*.ts` change one {@linkcode Builder} and do not depend on each other.
 *
 * @module
 */

import { isError } from "../error_code.ts";
import { UsageError } from "../errors.ts";
import { displayArgument } from "../text/escape.ts";
import { reveal, Secret, type Word } from "../text/secret.ts";
import type { Spec } from "./spec.ts";
import { typeName } from "./type_name.ts";

/** Everything that a builder keeps: the spec, and what happens to descriptors of the parent. */
export type Fields =
  & { -readonly [K in keyof Spec]: Spec[K] }
  & {
    /** Descriptors of the parent that are closed when the command is first run. */
    fdsToClose: readonly number[];
    /** Those that have been closed: a second run cannot pass them. */
    closedFds: readonly number[];
  };

/** The values of the fields that are not set. */
const DEFAULTS: Fields = {
  binary: "",
  arg0: undefined,
  args: [],
  envOps: [],
  secretEnv: new Set(),
  secrets: [],
  cwd: undefined,
  umask: undefined,
  limits: [],
  grouping: undefined,
  stdin: undefined,
  stdout: undefined,
  stderr: undefined,
  passed: [],
  buffers: [],
  nonblocking: false,
  pidFile: undefined,
  user: undefined,
  uid: undefined,
  gid: undefined,
  groups: undefined,
  clearCaps: false,
  allowedCaps: [],
  selinuxLabel: undefined,
  apparmorProfile: undefined,
  coreScheduling: undefined,
  steps: [],
  preExec: undefined,
  oomScoreAdj: undefined,
  cpuAffinity: undefined,
  ioPriority: undefined,
  nice: undefined,
  scheduler: undefined,
  noNewPrivs: false,
  dieWithParent: undefined,
  handshake: false,
  fdsToClose: [],
  closedFds: [],
};

/** The fields of a new builder: the defaults are inherited, and what is set is an own property. */
const NONE_SET = Object.create(DEFAULTS) as Fields;

/** The names of the lists. */
type ListName = {
  [K in keyof Fields]: Fields[K] extends readonly unknown[] ? K : never;
}[keyof Fields];

type Element<K extends ListName> = Fields[K] extends readonly (infer T)[] ? T : never;

/** An argument of a program. Numbers are written in decimal. */
export type Argument = string | number | bigint | Secret;

/** A spec under construction. */
export class Builder {
  #fields: Fields = NONE_SET;
  /** The fields when they were last frozen: the same object until another field is set. */
  #frozen: Fields = NONE_SET;
  /** The first misuse. */
  #error: UsageError | undefined;

  /** The first misuse; undefined if there is none. */
  get error(): UsageError | undefined {
    return this.#error;
  }

  /** All fields, those included that are not set. */
  get fields(): Readonly<Fields> {
    return this.#fields;
  }

  /** Sets a field. */
  set<K extends keyof Fields>(name: K, value: Fields[K]): void {
    this.#writable()[name] = value;
  }

  /**
   * Adds to a list. Frozen specs share their lists with the builder, and new builders share their
   * empty lists with each other; so a list is copied before the first change to it.
   */
  add<K extends ListName>(name: K, element: Element<K>): void {
    const all = this.#writable() as { [L in ListName]: readonly unknown[] };
    if (all[name] === this.#frozen[name]) all[name] = [...all[name]];
    (all[name] as unknown[]).push(element);
  }

  /** Keeps a misuse, unless an earlier one is kept. */
  misuse(message: string, cause?: unknown): void {
    this.#error ??= new UsageError(message, { cause });
  }

  /** Returns the spec as it is now. Later changes to the builder do not affect it. */
  freeze(): Spec {
    return this.#frozen = this.#fields;
  }

  #writable(): Fields {
    if (this.#fields === this.#frozen) {
      this.#fields = Object.assign(Object.create(DEFAULTS) as Fields, this.#frozen);
    }
    return this.#fields;
  }
}

/** Freezes the builder. Throws its first misuse. */
export function freeze(builder: Builder): Spec {
  if (builder.error !== undefined) throw builder.error;
  return builder.freeze();
}

/** Returns the names of the fields that were set, in no order. */
export function setFields(spec: Spec): (keyof Spec)[] {
  return Object.keys(spec) as (keyof Spec)[];
}

/**
 * Checks one word of the command line. Keeps the misuse and returns undefined if the program would
 * get another text: arguments end at the first NUL byte, and a lone surrogate has no UTF-8 form.
 */
export function word(builder: Builder, call: string, value: unknown): Word | undefined {
  if (typeof value === "number" && Number.isFinite(value)) return String(value);
  if (typeof value === "bigint") return String(value);
  if (typeof value !== "string" && !(value instanceof Secret)) {
    const given = typeof value === "number" ? String(value) : typeName(value);
    builder.misuse(`${call}: expected text, a finite number or a secret, not ${given}`);
    return undefined;
  }
  const text: unknown = reveal(value);
  if (typeof text !== "string") {
    builder.misuse(`${call}: a secret is text, not ${typeName(text)}`);
    return undefined;
  }
  const problem = textProblem(text);
  if (problem !== undefined) {
    builder.misuse(`${call}: ${problem}`);
    return undefined;
  }
  if (value instanceof Secret) builder.add("secrets", text);
  return value;
}

/** Reports why a program cannot get this text unchanged; undefined if it can. */
export function textProblem(text: string): string | undefined {
  if (text.includes("\0")) return "the text contains a NUL byte";
  if (!text.isWellFormed()) return "the text contains a lone surrogate";
  return undefined;
}

/** Formats any value for a message. No code of the value is called, since it may throw. */
export function displayValue(value: unknown): string {
  if (typeof value === "string") return displayArgument(JSON.stringify(value));
  if (typeof value === "bigint") return `${value}n`;
  return typeof value === "object" || typeof value === "function" ? typeName(value) : String(value);
}

/** Reports whether options are an object. */
export function areOptions(options: unknown): options is object {
  return typeof options === "object" && options !== null;
}

/** The reason of an exception in the caller's code, which may throw anything. */
export function reasonOf(error: unknown): string {
  try {
    return isError(error) ? error.message : displayValue(error);
  } catch {
    return "it threw an unknown value";
  }
}
