/**
 * Text that a program must get and no person may read: a token in an argument, a password in a
 * variable. A {@linkcode Secret} prints as `***` wherever it is shown; only the code that hands it
 * to the child can {@linkcode reveal} it.
 *
 * @module
 */

/** What stands in for a secret wherever a command is shown. */
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

  /** Keeps `value`; shows `shown` instead of it. */
  constructor(value: string, display: string = MASK) {
    this.#value = value;
    this.#display = display;
  }

  /** The mask: a secret in a template literal does not give itself away. */
  toString(): string {
    return this.#display;
  }

  /** The mask, so that `JSON.stringify` does not give it away either. */
  toJSON(): string {
    return this.#display;
  }
}

/** One word of a command line: plain, or one that must not be shown. */
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

/** The word as the program gets it. */
export function reveal(word: Word): string {
  return typeof word === "string" ? word : revealOf(word);
}

/** The word as people may see it. */
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
  // The longest first: what is left of one that holds another would give it away.
  const longestFirst = [...secrets].sort((a, b) => b.length - a.length);
  let masked = text;
  for (const value of longestFirst) {
    if (value.length >= 4) masked = masked.replaceAll(value, MASK);
  }
  return masked;
}
