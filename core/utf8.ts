/**
 * Text as UTF-8 and back.
 *
 * @module
 */

import { web } from "./web.ts";

let encoder: TextEncoder | undefined;
let decoder: TextDecoder | undefined;

/** Returns the encoder, for those that encode into memory of their own. */
export function utf8Encoder(): TextEncoder {
  return encoder ??= new web.TextEncoder();
}

/** Encodes text. */
export function encodeUtf8(text: string): Uint8Array<ArrayBuffer> {
  return utf8Encoder().encode(text) as Uint8Array<ArrayBuffer>;
}

/** Decodes bytes; what is not UTF-8 becomes U+FFFD. */
export function decodeUtf8(bytes: Uint8Array): string {
  return (decoder ??= new web.TextDecoder()).decode(bytes);
}
