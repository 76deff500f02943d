/**
 * The mutable half of a builder: what has been said so far, and the first thing that was said
 * wrongly. The parts of the builder (arguments, environment, descriptors, attributes) all work on
 * one {@linkcode Draft} and know nothing of each other.
 *
 * @module
 */

import { UsageError } from "./errors.ts";
import { reveal, Secret, type Word } from "./secret.ts";
import type { Spec } from "./spec.ts";

/** A spec under construction. */
export type Notes =
  & {
    -readonly [K in keyof Spec]: Spec[K] extends readonly (infer T)[] ? T[]
      : Spec[K] extends ReadonlySet<infer T> ? Set<T>
      : Spec[K];
  }
  & {
    /** Descriptors of the parent that are closed when the command is first run. */
    closeInParent: number[];
    /** Those that have been closed; a second run cannot pass them. */
    closedInParent: number[];
  };

/** What an argument may be. */
export type Argument = string | number | bigint | Secret;

let notesOf: (draft: Draft) => Notes;
let faultOf: (draft: Draft, error: UsageError) => void;

/** What has been said so far. Base of the builder. */
export abstract class Draft {
  readonly #notes: Notes = {
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
    handshake: false,
    closeInParent: [],
    closedInParent: [],
  };
  #error: UsageError | undefined;

  static {
    notesOf = (draft) => draft.#notes;
    faultOf = (draft, error) => {
      draft.#error ??= error;
    };
  }

  /**
   * The first misuse of this builder, or undefined. It is thrown by whatever needs the command
   * (`run`, `spawn`, `toString`, …), so that a chain of calls needs one check.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * const cmd = new Command("true").umask(0o10000).arg("x");
   * console.log(cmd.error?.message); // umask(4096): …
   * ```
   */
  get error(): UsageError | undefined {
    return this.#error;
  }
}

/** The notes of a draft, to write to. For the parts of the builder. */
export function notes(draft: Draft): Notes {
  return notesOf(draft);
}

/** Keeps a misuse, unless an earlier one is kept already. */
export function misuse(draft: Draft, message: string): void {
  faultOf(draft, new UsageError(message));
}

const NONE: ReadonlySet<string> = new Set();

/** Freezes the draft; throws its first misuse. */
export function freeze(draft: Draft): Spec {
  if (draft.error !== undefined) throw draft.error;
  const from = notesOf(draft);
  return {
    ...from,
    args: [...from.args],
    envOps: [...from.envOps],
    secretEnv: from.secretEnv.size === 0 ? NONE : new Set(from.secretEnv),
    secrets: [...from.secrets],
    limits: [...from.limits],
    passed: [...from.passed],
    buffers: [...from.buffers],
    allowedCaps: [...from.allowedCaps],
    steps: [...from.steps],
  };
}

/**
 * Checks one word of the command line. Returns undefined, having kept the misuse, if the kernel
 * could not take it as it is: arguments end at the first NUL byte, and a lone surrogate has no
 * UTF-8 form, so that the program would get another text than the one that was given.
 */
export function word(draft: Draft, call: string, value: unknown): Word | undefined {
  if (typeof value === "number" && Number.isFinite(value)) return String(value);
  if (typeof value === "bigint") return String(value);
  if (typeof value !== "string" && !(value instanceof Secret)) {
    const given = typeof value === "number" ? String(value) : typeName(value);
    misuse(draft, `${call}: expected text, a finite number or a secret, not ${given}`);
    return undefined;
  }
  const problem = textProblem(reveal(value));
  if (problem !== undefined) {
    misuse(draft, `${call}: ${problem}`);
    return undefined;
  }
  if (value instanceof Secret) notesOf(draft).secrets.push(reveal(value));
  return value;
}

/** What keeps a text from being passed to a program as it is, if anything. */
export function textProblem(text: string): string | undefined {
  if (text.includes("\0")) return "the text contains a NUL byte";
  if (!text.isWellFormed()) return "the text contains a lone surrogate";
  return undefined;
}

/** What to call a value of the wrong type in a message. */
export function typeName(value: unknown): string {
  return value === null ? "null" : Array.isArray(value) ? "an array" : typeof value;
}
