/**
 * Commands as text: quoted for a shell, on several lines for people, or plain for a log.
 *
 * @module
 */

import { own } from "../own.ts";

/** What a command consists of, as text. */
export interface Parts {
  readonly env: readonly (readonly [name: string, value: string])[];
  readonly argv: readonly string[];
}

/** How a command is written. */
export interface FormatOptions {
  /** A line for each variable and each option. Default false: everything on one. */
  readonly lineBreaks?: boolean;
  /** The binary without its folder. Default false. */
  readonly stripPath?: boolean;
}

/** White space, and ! " # $ & ' ( ) * ; < > ? [ \ ] ^ { | } ~ and the backquote. */
const SPECIAL = /[\s!"#$&'()*;<>?[\\\]^{|}~`]/;

const CONTINUED = " \\\n";

/** Text as one word of a shell, see {@linkcode quote} of core/command/quote.ts. */
export function shellWord(text: string): string {
  if (text === "") return "''";
  return SPECIAL.test(text) ? `'${text.replaceAll("'", `'\\''`)}'` : text;
}

/** The command, quoted: variables first, then the binary and its arguments. */
export function formatCommand({ env, argv }: Parts, options: FormatOptions = {}): string {
  const { lineBreaks = false, stripPath = false } = own(options);
  const [binary = "", ...args] = argv;
  const display = stripPath ? binary.slice(binary.lastIndexOf("/") + 1) : binary;
  let text = "";
  for (const [name, value] of env) {
    text += `${name}=${shellWord(value)}${lineBreaks ? CONTINUED : " "}`;
  }
  text += shellWord(display);
  args.forEach((arg, index) => {
    text += `${lineBreaks && startsLine(args, index) ? CONTINUED : " "}${shellWord(arg)}`;
  });
  return text;
}

/**
 * Reports whether an argument starts a line. An option does, and its values stay on its line if
 * another option follows. After the last option, only the first value stays on its line, since the
 * others may be positional arguments.
 */
function startsLine(args: readonly string[], index: number): boolean {
  const isOption = (arg: string) => arg.startsWith("-");
  const afterOption = args.slice(0, index).some(isOption);
  const optionFollows = args.slice(Math.max(0, index - 1)).some(isOption);
  return isOption(args[index] ?? "") || !afterOption || !optionFollows;
}

/** Formats the command on one line, without quotes. */
export function plainCommand({ env, argv }: Parts): string {
  return [...env.map(([name, value]) => `${name}=${value}`), ...argv].join(" ");
}
