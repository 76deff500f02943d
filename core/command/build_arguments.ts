/**
 * The argument list of a command: checks arguments and adds them to a {@linkcode Builder}.
 *
 * @module
 */

import { type Builder, displayValue, type Fields, word } from "./builder.ts";
import { typeName } from "./type_name.ts";
import { prefixed, reveal } from "../text/secret.ts";

/** Sets the binary and adds the first arguments. */
export function setProgram(builder: Builder, binary: unknown, args: readonly unknown[]): void {
  builder.set("binary", checkedBinary(builder, binary) ?? "");
  addArguments(builder, args);
}

function checkedBinary(builder: Builder, binary: unknown): string | undefined {
  if (typeof binary !== "string" || binary === "") {
    const given = binary === "" ? "empty text" : typeName(binary);
    builder.misuse(`Command: the binary must be a path or a name, not ${given}`);
    return undefined;
  }
  return word(builder, "Command: the binary", binary) === undefined ? undefined : binary;
}

/** Sets binary and arguments from one list. A string is no list: to split it takes a shell. */
export function setArgv(builder: Builder, argv: unknown): void {
  if (!Array.isArray(argv)) {
    const given = typeName(argv);
    builder.misuse(`Command.from: expected an array such as ["ls", "-l"], not ${given}`);
    return;
  }
  setProgram(builder, argv[0], argv.slice(1));
}

/** Adds arguments in order. */
export function addArguments(builder: Builder, values: readonly unknown[]): void {
  for (const value of values) addArgument(builder, value, "args");
}

/** Adds one argument; `call` names the method in messages. */
export function addArgument(builder: Builder, value: unknown, call: "arg" | "args"): void {
  const where = `${call}: argument ${builder.fields.args.length + 1}`;
  const checked = word(builder, where, value);
  if (checked !== undefined && builder.error === undefined) builder.add("args", checked);
}

/** Adds `name=value` as one argument. */
export function addPair(builder: Builder, name: unknown, value: unknown): void {
  if (typeof name !== "string") {
    builder.misuse(`argPair(${displayValue(name)}): the name must be text`);
    return;
  }
  const checkedName = word(builder, "argPair(name)", name);
  const checked = word(builder, `argPair(${displayValue(name)})`, value);
  if (checkedName !== undefined && checked !== undefined && builder.error === undefined) {
    builder.add("args", prefixed(`${name}=`, checked));
  }
}

/** Sets argv[0]. */
export function setArg0(builder: Builder, name: unknown): void {
  const checked = word(builder, "arg0", name);
  if (checked !== undefined && builder.error === undefined) builder.set("arg0", checked);
}

/** Returns the argument list, secrets in clear. */
export function argvOf({ arg0, binary, args }: Pick<Fields, "arg0" | "binary" | "args">): string[] {
  return [arg0 ?? binary, ...args].map(reveal);
}
