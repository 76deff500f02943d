/**
 * Text for a program that no person may read: a token in an argument, a password in a variable. A
 * {@linkcode Secret} is shown as `***` everywhere. Only code that imports {@linkcode reveal} can read
 * it.
 *
 * @module
 */

/** What is shown instead of a secret. */
export const MASK = "***";

let revealOf: (secret: Secret) => string;
let displayOf: (secret: Secret) => string;

/** A text that is passed to the child and never shown. Made by {@linkcode secret}. */
export class Secret {
  readonly #value: string;
  readonly #display: string;

  static {
    revealOf = (secret) => secret.#value;
    displayOf = (secret) => secret.#display;
  }

  /** Keeps `value`, and shows `display` instead. */
  constructor(value: string, display: string = MASK) {
    this.#value = value;
    this.#display = display;
  }

  /** Returns the mask, so that a template literal does not reveal the secret. */
  toString(): string {
    return this.#display;
  }

  /** Returns the mask, so that `JSON.stringify` does not reveal the secret. */
  toJSON(): string {
    return this.#display;
  }
}

/** One word of a command line: plain or secret. */
export type Word = string | Secret;

/**
 * Marks a text as secret. It reaches the program unchanged, but `toString()`, `explain()`, errors,
 * logs and results show `***` in its place.
 *
 * Pass the secret itself, not a template literal around it: `` `${secret("x")}` `` is the mask.
 *
 * @example
 * ```ts
 * import { Command, secret } from "@vircommand/vircommand";
 *
 * const cmd = new Command("true").argPair("--token", secret("hunter2"));
 * console.log(cmd.toString()); // true '--token=***'
 * ```
 */
export function secret(text: string): Secret {
  return new Secret(text);
}

/** Returns the word as the program gets it. */
export function reveal(word: Word): string {
  return typeof word === "string" ? word : revealOf(word);
}

/** Returns the word as people may see it. */
export function display(word: Word): string {
  return typeof word === "string" ? word : displayOf(word);
}

/** Puts `prefix` in front of a word; a secret stays one and shows the prefix. */
export function prefixed(prefix: string, word: Word): Word {
  return typeof word === "string"
    ? prefix + word
    : new Secret(prefix + revealOf(word), prefix + displayOf(word));
}

/**
 * Replaces every secret inside a free text, such as what a program wrote to its standard error.
 * Secrets shorter than four characters are left alone: masking each `a` of a sentence hides
 * nothing and makes the sentence unreadable.
 */
export function maskSecrets(text: string, secrets: Iterable<string>): string {
  // The longest first: masking a part of a secret would reveal the rest.
  const longestFirst = [...secrets].sort((a, b) => b.length - a.length);
  let masked = text;
  for (const value of longestFirst) {
    if (value.length >= 4) masked = masked.replaceAll(value, MASK);
  }
  return masked;
}
