/**
 * A machine word.
 *
 * @module
 */

/** An address or another machine word. Addresses in user space fit a double exactly. */
export type Word = number;
