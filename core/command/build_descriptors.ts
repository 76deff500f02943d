/**
 * The part of the builder that decides which descriptors the child gets. What is not named here
 * is closed in the child.
 *
 * @module
 */

import { EnvironmentDraft } from "./build_environment.ts";
import { add, areOptions, displayValue, misuse, notes, typeName } from "./builder.ts";
import { own } from "../own.ts";
import {
  copied,
  isBytes,
  isFd,
  outputForm,
  type StderrOutput,
  stdinForm,
  type StdinInput,
  type StdoutOutput,
} from "./stdio.ts";

/** How a descriptor is passed. */
export interface PassFdOptions {
  /** The number in the child, 3 or more. Default: the same number. */
  readonly as?: number;
  /**
   * Close it in the parent once the command was first run, whatever became of it. Default false.
   */
  readonly closeParent?: boolean;
}

/** A draft that takes descriptors. Base of {@linkcode Command}. */
export abstract class DescriptorsDraft extends EnvironmentDraft {
  /**
   * Where standard input comes from: `"null"` (default), `"inherit"`, `"pipe"` (for `spawn`), a
   * descriptor, text, bytes, a stream, an iterable of text and bytes, or `{ file }`.
   *
   * A program that ends, or closes its input, before it has read everything is no error.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * console.log((await new Command("wc", "-c").stdin("five!").run()).stdout); // 5\n
   * ```
   */
  stdin(input: StdinInput): this {
    if (notes(this).stdin !== undefined) {
      misuse(this, "stdin: the input was set before");
      return this;
    }
    const form = stdinForm(input);
    if (typeof form === "string") misuse(this, `stdin: ${form}`);
    else notes(this).stdin = form;
    return this;
  }

  /**
   * Where standard output goes: `"null"`, `"inherit"`, `"pipe"` (for `spawn`), `"capture"`, a
   * descriptor, a WritableStream (closed at the end) or `{ file, append?, mode? }`. Default:
   * captured by `run`, null for `spawn`.
   */
  stdout(output: StdoutOutput): this {
    return this.#output("stdout", output);
  }

  /**
   * Where standard error goes: as `stdout()`, or `"stdout"` for the very same place, so that both
   * streams arrive in the order in which the program wrote them.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * const cmd = new Command("sh", "-c", "echo 1; echo 2 >&2; echo 3").stderr("stdout");
   * console.log((await cmd.run()).stdout); // 1\n2\n3\n
   * ```
   */
  stderr(output: StderrOutput): this {
    return this.#output("stderr", output);
  }

  /**
   * Passes an open descriptor of the parent to the child.
   *
   * With `closeParent` the descriptor belongs to the command: it is closed once the command was
   * run, also if nothing could be started; a second run is a StateError then.
   *
   * @example
   * ```ts
   * import { openSync } from "node:fs";
   * import { Command } from "@vircommand/vircommand";
   *
   * const fd = openSync("/etc/hostname", "r");
   * const cmd = new Command("cat", "/dev/fd/7").passFd(fd, { as: 7, closeParent: true });
   * console.log((await cmd.run()).stdout);
   * ```
   */
  passFd(fd: number, options: PassFdOptions = {}): this {
    if (!isFd(fd)) {
      misuse(this, `passFd(${displayValue(fd)}): expected a descriptor, 0 or more`);
      return this;
    }
    if (!areOptions(options)) {
      misuse(this, `passFd(${fd}): expected options, not ${typeName(options)}`);
      return this;
    }
    // Taken over first: it is closed also if this call, or an earlier one, is a misuse.
    const { closeParent, as = fd } = own(options) as PassFdOptions;
    if (closeParent === true) add(this, "closeInParent", fd);
    if (!isFd(as)) {
      misuse(this, `passFd(${fd}): as: ${displayValue(as)} is no file descriptor`);
    } else if (as < 3) {
      misuse(this, `passFd(${fd}): ${as} is a standard stream: use stdin, stdout or stderr, or as`);
    } else if (this.#taken(as)) {
      misuse(this, `passFd(${fd}): the child's descriptor ${as} is taken: choose another with as`);
    } else if (this.error === undefined) {
      add(this, "passed", { fd, as });
    }
    return this;
  }

  /**
   * Gives the child a descriptor from which it can read `bytes`, and returns its number there, to
   * be named in an argument. Every run sends the bytes anew.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * const cmd = new Command("cat");
   * const fd = cmd.sendBuffer(new TextEncoder().encode("hello"));
   * console.log((await cmd.arg(`/dev/fd/${fd}`).run()).stdout); // hello
   * ```
   */
  sendBuffer(bytes: Uint8Array | string): number {
    let as = 3;
    while (this.#taken(as)) as++;
    if (typeof bytes === "string") {
      add(this, "buffers", { as, bytes: new TextEncoder().encode(bytes) });
    } else if (isBytes(bytes)) {
      add(this, "buffers", { as, bytes: copied(bytes) });
    } else {
      misuse(this, `sendBuffer: expected bytes or text, not ${typeName(bytes)}`);
    }
    return as;
  }

  #output(stream: "stdout" | "stderr", output: StderrOutput): this {
    if (notes(this)[stream] !== undefined) {
      misuse(this, `${stream}: the output was set before`);
      return this;
    }
    const form = outputForm(output, stream);
    if (typeof form === "string") misuse(this, `${stream}: ${form}`);
    else notes(this)[stream] = form;
    return this;
  }

  #taken(as: number): boolean {
    const { passed, buffers } = notes(this);
    return passed.some((each) => each.as === as) || buffers.some((each) => each.as === as);
  }
}
