/**
 * Quotes text for a shell.
 *
 * @module
 */

import { UsageError } from "../errors.ts";
import { shellWord } from "../text/quote.ts";

/**
 * Returns text as one word of a shell: in single quotes if it is empty or contains white space or a
 * character that is special to shells, otherwise unchanged.
 *
 * @example
 * ```ts
 * import { quote } from "@vircommand/vircommand";
 *
 * console.log(quote("it's"), quote("plain"), quote("")); // 'it'\''s' plain ''
 * ```
 */
export function quote(text: string): string {
  if (typeof text !== "string") throw new UsageError(`quote: expected text, not ${typeof text}`);
  return shellWord(text);
}
