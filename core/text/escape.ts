/**
 * Text of unknown origin in messages and logs. An argument, a path or the output of a program may
 * contain a line feed that forges a line of a log, a sequence that controls a terminal, or a mark that
 * changes the direction of text. Such characters are shown as escape codes. Text for shells and
 * programs is never escaped: see quote.ts, and the exact fields of errors.
 *
 * @module
 */

/**
 * C0 and DEL; C1, which terminals take for ESC sequences in one byte; the line and paragraph
 * separators, which end a line in many viewers; and the marks of the bidirectional algorithm
 * (UAX #9), which can make text look like other text.
 */
// deno-lint-ignore no-control-regex -- it looks for control characters
const UNSAFE = /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** The same without line feed and tab, which are usual in the output of a program. */
const UNSAFE_IN_OUTPUT =
  // deno-lint-ignore no-control-regex -- it looks for control characters
  /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

const NAMED: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** Escapes text, which is one line then. */
export function escaped(text: string): string {
  return text.replaceAll(UNSAFE, byCode);
}

/** Escapes text of several lines: line feeds and tabs stay. */
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

/** The most characters of a command in a message. A real one may have megabytes. */
const MAX_COMMAND = 4000;

/** The most characters of one rendered argument of a system call. */
const MAX_ARGUMENT = 1000;

/** Formats a command for a message. */
export function displayCommand(command: string): string {
  return escaped(cut(command, MAX_COMMAND));
}

/** Formats a path or another name for a message, in double quotes. */
export function quoted(text: string): string {
  return escaped(JSON.stringify(cut(text, MAX_COMMAND)));
}

/** Formats an argument of a system call for a message. */
export function displayArgument(argument: string): string {
  return escaped(cut(argument, MAX_ARGUMENT));
}

/** Cuts a long text, and reports how much is missing. */
function cut(text: string, most: number): string {
  if (text.length <= most) return text;
  // Not between the halves of a surrogate pair.
  const end = /[\ud800-\udbff]/.test(text.charAt(most - 1)) ? most - 1 : most;
  return `${text.slice(0, end)}… (${text.length - end} more characters)`;
}
