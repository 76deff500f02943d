/**
 * The mutable half of a builder: what has been said so far, and the first thing that was said
 * wrongly. The parts of the builder (arguments, environment, descriptors, attributes) all work on
 * one {@linkcode Draft} and know nothing of each other.
 *
 * @module
 */

import { UsageError } from "../errors.ts";
import { displayArgument } from "../text/escape.ts";
import { reveal, Secret, type Word } from "../text/secret.ts";
import type { Spec } from "./spec.ts";

/**
 * A spec under construction. What was said lies over {@linkcode BLANK}, as properties of its own.
 * Its lists may belong to frozen specs as well: see {@linkcode add}.
 */
export type Notes =
  & { -readonly [K in keyof Spec]: Spec[K] }
  & {
    /** Descriptors of the parent that are closed when the command is first run. */
    closeInParent: readonly number[];
    /** Those that have been closed; a second run cannot pass them. */
    closedInParent: readonly number[];
  };

/** What is not said otherwise. */
const BLANK: Notes = {
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
  closeInParent: [],
  closedInParent: [],
};

/** What a command says before anything was said to it. */
const UNSAID = Object.create(BLANK) as Notes;

/** The names of the lists. */
type ListName = {
  [K in keyof Notes]: Notes[K] extends readonly unknown[] ? K : never;
}[keyof Notes];

type Element<K extends ListName> = Notes[K] extends readonly (infer T)[] ? T : never;

/** What an argument may be. */
export type Argument = string | number | bigint | Secret;

let notesOf: (draft: Draft) => Notes;
let ownNotesOf: (draft: Draft) => Notes;
let frozenOf: (draft: Draft) => Notes;
let freezeNotes: (draft: Draft) => Spec;
let faultOf: (draft: Draft, error: UsageError) => void;

/** What has been said so far. Base of the builder. */
export abstract class Draft {
  #notes: Notes = UNSAID;
  /** What the notes were when they were last frozen: the same until something more is said. */
  #frozen: Notes = UNSAID;
  #error: UsageError | undefined;

  static {
    notesOf = (draft) => draft.#notes;
    ownNotesOf = (draft) => {
      if (draft.#notes === draft.#frozen) {
        draft.#notes = Object.assign(Object.create(BLANK) as Notes, draft.#frozen);
      }
      return draft.#notes;
    };
    frozenOf = (draft) => draft.#frozen;
    freezeNotes = (draft) => draft.#frozen = draft.#notes;
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
  return ownNotesOf(draft);
}

/** The notes of a draft as they stand, to read. */
export function noted(draft: Draft): Readonly<Notes> {
  return notesOf(draft);
}

/** Keeps a misuse, unless an earlier one is kept already. */
export function misuse(draft: Draft, message: string): void {
  faultOf(draft, new UsageError(message));
}

/** Freezes the draft; throws its first misuse. */
export function freeze(draft: Draft): Spec {
  if (draft.error !== undefined) throw draft.error;
  return freezeNotes(draft);
}

/** Of what a command says something, in no order. */
export function sayings(spec: Spec): (keyof Spec)[] {
  return Object.keys(spec) as (keyof Spec)[];
}

/**
 * Adds to a list. What is frozen shares its lists with the draft, and new drafts share their empty
 * ones with each other; so a list is copied before the first change to it.
 */
export function add<K extends ListName>(draft: Draft, name: K, element: Element<K>): void {
  const all = notes(draft) as { [L in ListName]: readonly unknown[] };
  const frozen = frozenOf(draft);
  if (all[name] === frozen[name]) all[name] = [...all[name]];
  (all[name] as unknown[]).push(element);
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
  const text: unknown = reveal(value);
  if (typeof text !== "string") {
    misuse(draft, `${call}: a secret is text, not ${typeName(text)}`);
    return undefined;
  }
  const problem = textProblem(text);
  if (problem !== undefined) {
    misuse(draft, `${call}: ${problem}`);
    return undefined;
  }
  if (value instanceof Secret) add(draft, "secrets", text);
  return value;
}

/** What keeps a text from being passed to a program as it is, if anything. */
export function textProblem(text: string): string | undefined {
  if (text.includes("\0")) return "the text contains a NUL byte";
  if (!text.isWellFormed()) return "the text contains a lone surrogate";
  return undefined;
}

/** Any value in a message. Nothing of the value itself is called: it might throw. */
export function displayValue(value: unknown): string {
  if (typeof value === "string") return displayArgument(JSON.stringify(value));
  if (typeof value === "bigint") return `${value}n`;
  return typeof value === "object" || typeof value === "function" ? typeName(value) : String(value);
}

/** Whether options are an object, as they are if they were left out. */
export function areOptions(options: unknown): options is object {
  return typeof options === "object" && options !== null;
}

/** What to call a value of the wrong type in a message. */
export function typeName(value: unknown): string {
  return value === null ? "null" : Array.isArray(value) ? "an array" : typeof value;
}
