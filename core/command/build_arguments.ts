/**
 * The part of the builder that gathers the argument list.
 *
 * @module
 */

import {
  add,
  type Argument,
  displayValue,
  Draft,
  misuse,
  noted,
  notes,
  typeName,
  word,
} from "./builder.ts";
import { prefixed, reveal } from "../text/secret.ts";

/** A draft that takes arguments. Base of {@linkcode Command}. */
export abstract class ArgumentsDraft extends Draft {
  /**
   * Adds one argument. Numbers are written in decimal; nothing is split, expanded or unquoted.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * const { stdout } = await new Command("printf", "%s").arg("two words").run();
   * console.log(stdout); // two words
   * ```
   */
  arg(value: Argument): this {
    return this.#add("arg", value);
  }

  /** Adds several arguments, in order. Adding none is fine. */
  args(...values: Argument[]): this {
    for (const value of values) this.#add("args", value);
    return this;
  }

  /**
   * Adds `name=value` as one argument.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * console.log(new Command("dd").argPair("bs", 4096).argv); // ["dd", "bs=4096"]
   * ```
   */
  argPair(name: string, value: Argument): this {
    if (typeof name !== "string") {
      misuse(this, `argPair(${displayValue(name)}): the name must be text`);
      return this;
    }
    const checkedName = word(this, "argPair(name)", name);
    const checked = word(this, `argPair(${displayValue(name)})`, value);
    if (checkedName !== undefined && checked !== undefined && this.error === undefined) {
      add(this, "args", prefixed(`${name}=`, checked));
    }
    return this;
  }

  /** Sets argv[0], which is otherwise the binary as it was given. The file that runs is the same. */
  arg0(name: Argument): this {
    const checked = word(this, "arg0", name);
    if (checked !== undefined && this.error === undefined) notes(this).arg0 = checked;
    return this;
  }

  /**
   * The argument list, argv[0] first, as the program would get it: secrets are in clear, so hand
   * it to programs only. Empty if the command was misused before it had a binary.
   */
  get argv(): string[] {
    const { arg0, binary, args } = noted(this);
    return [arg0 ?? binary, ...args].map(reveal);
  }

  #add(call: string, value: unknown): this {
    const where = `${call}: argument ${noted(this).args.length + 1}`;
    const checked = word(this, where, value);
    if (checked !== undefined && this.error === undefined) add(this, "args", checked);
    return this;
  }
}

/** Puts the binary and the first arguments into a new draft. */
export function begin(draft: ArgumentsDraft, binary: unknown, args: readonly unknown[]): void {
  if (typeof binary !== "string" || binary === "") {
    const given = binary === "" ? "empty text" : typeName(binary);
    misuse(draft, `Command: the binary must be a path or a name, not ${given}`);
    return;
  }
  const checked = word(draft, "Command: the binary", binary);
  if (checked !== undefined) notes(draft).binary = binary;
  addAll(draft, args);
}

/** Adds arguments one by one: spread into a call, a long list does not fit on the stack. */
export function addAll(draft: ArgumentsDraft, args: Iterable<unknown>): void {
  for (const each of args) draft.args(each as Argument);
}
