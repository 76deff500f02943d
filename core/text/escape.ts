/**
 * Text of unknown origin where people read it. An argument, a path or what a program wrote may
 * hold anything: a line feed that begins a forged log line, a sequence that drives a terminal, a
 * mark that turns the direction of what follows. In messages and logs such characters are shown by
 * their code. What shells or programs get is never escaped: see quote.ts and the exact fields of
 * errors.
 *
 * @module
 */

/**
 * C0 and DEL; C1, which terminals take for ESC sequences in one byte; the line and paragraph
 * separators, which end a line in many viewers; and the marks of the bidirectional algorithm
 * (UAX #9), which let text read as something else than it is.
 */
// deno-lint-ignore no-control-regex -- control characters are what it looks for
const UNSAFE = /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** The same but for the line feed and the tab, which the output of a program consists of. */
const UNSAFE_IN_OUTPUT =
  // deno-lint-ignore no-control-regex -- control characters are what it looks for
  /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

const NAMED: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** Text on one line, with nothing in it that does more than show. */
export function escaped(text: string): string {
  return text.replaceAll(UNSAFE, byCode);
}

/** Text of several lines, such as what a program wrote: line feeds and tabs stay. */
export function escapedLines(text: string): string {
  return text.replaceAll(UNSAFE_IN_OUTPUT, byCode);
}

function byCode(character: string): string {
  const named = NAMED[character];
  if (named !== undefined) return named;
  const code = character.charCodeAt(0);
  const hex = code.toString(16);
  return code < 0x100 ? `\\x${hex.padStart(2, "0")}` : `\\u${hex.padStart(4, "0")}`;
}

/** The most characters of a command that a message shows; a kernel takes megabytes. */
const MAX_COMMAND = 4000;

/** The most characters of one rendered argument of a system call. */
const MAX_ARGUMENT = 1000;

/** A command in a message. */
export function displayCommand(command: string): string {
  return escaped(cut(command, MAX_COMMAND));
}

/** A path or another name in a message, in double quotes. */
export function quoted(text: string): string {
  return escaped(JSON.stringify(cut(text, MAX_COMMAND)));
}

/** An argument of a system call in a message. */
export function displayArgument(argument: string): string {
  return escaped(cut(argument, MAX_ARGUMENT));
}

/** The beginning of a long text, and how much is missing. */
function cut(text: string, most: number): string {
  if (text.length <= most) return text;
  // Not between the halves of a surrogate pair.
  const end = /[\ud800-\udbff]/.test(text.charAt(most - 1)) ? most - 1 : most;
  return `${text.slice(0, end)}… (${text.length - end} more characters)`;
}
