/**
 * The descriptors of a command: its standard streams, and what is passed besides. All other
 * descriptors are closed in the child.
 *
 * @module
 */

import { isBytes } from "../bytes.ts";
import { areOptions, type Builder, displayValue } from "./builder.ts";
import { typeName } from "./type_name.ts";
import { own } from "../own.ts";
import {
  copied,
  isFd,
  outputForm,
  type StderrOutput,
  stdinForm,
  type StdinInput,
} from "./stdio.ts";
import { web } from "../web.ts";

/** How a descriptor is passed. */
export interface PassFdOptions {
  /** The number in the child, 3 or more. Default: the same number. */
  readonly as?: number;
  /**
   * Close it in the parent once the command was first run, whether or not the run succeeds. Default
   * false.
   */
  readonly closeParent?: boolean;
}

/** Sets the source of standard input. */
export function setInput(builder: Builder, input: StdinInput): void {
  if (builder.fields.stdin !== undefined) {
    builder.misuse("stdin: the input was set before");
    return;
  }
  const form = stdinForm(input);
  if (typeof form === "string") builder.misuse(`stdin: ${form}`);
  else builder.set("stdin", form);
}

/** Sets the target of standard output or error. */
export function setOutput(
  builder: Builder,
  stream: "stdout" | "stderr",
  output: StderrOutput,
): void {
  if (builder.fields[stream] !== undefined) {
    builder.misuse(`${stream}: the output was set before`);
    return;
  }
  const form = outputForm(output, stream);
  if (typeof form === "string") builder.misuse(`${stream}: ${form}`);
  else builder.set(stream, form);
}

/** Passes a descriptor of the parent. */
export function addFd(builder: Builder, fd: number, options: PassFdOptions): void {
  if (!isFd(fd)) {
    builder.misuse(`passFd(${displayValue(fd)}): expected a descriptor, 0 or more`);
    return;
  }
  if (!areOptions(options)) {
    builder.misuse(`passFd(${fd}): expected options, not ${typeName(options)}`);
    return;
  }
  const { closeParent, as = fd } = own(options) as PassFdOptions;
  // Before the checks: after a misuse, too, the command owns the descriptor and closes it.
  if (closeParent === true) builder.add("fdsToClose", fd);
  if (!isFd(as)) {
    builder.misuse(`passFd(${fd}): as: ${displayValue(as)} is no file descriptor`);
  } else if (as < 3) {
    builder.misuse(`passFd(${fd}): ${as} is a standard stream: use stdin, stdout or stderr, or as`);
  } else if (isTaken(builder, as)) {
    builder.misuse(`passFd(${fd}): the child's descriptor ${as} is taken: choose another with as`);
  } else if (builder.error === undefined) {
    builder.add("passed", { fd, as });
  }
}

/** Adds a descriptor from which the child can read the bytes. Returns its number in the child. */
export function addBuffer(builder: Builder, bytes: unknown): number {
  let as = 3;
  while (isTaken(builder, as)) as++;
  if (typeof bytes === "string") {
    builder.add("buffers", { as, bytes: new web.TextEncoder().encode(bytes) });
  } else if (isBytes(bytes)) {
    builder.add("buffers", { as, bytes: copied(bytes) });
  } else {
    builder.misuse(`sendBuffer: expected bytes or text, not ${typeName(bytes)}`);
  }
  return as;
}

function isTaken({ fields: { passed, buffers } }: Builder, as: number): boolean {
  return passed.some((each) => each.as === as) || buffers.some((each) => each.as === as);
}
