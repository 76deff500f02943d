/**
 * A program as it stands in a program file: laid out in ordinary memory, for the address that the
 * file is mapped at.
 *
 * @module
 */

import type { Arch } from "./arch.ts";
import type { Program } from "./call.ts";
import { PROGRAM_AT } from "./elf.ts";
import { encode, sizeOf } from "./encode.ts";
import type { Encoded } from "./encoded.ts";

/** A program for a file, and what its notes mean. */
export interface EncodedFile {
  readonly bytes: Uint8Array;
  readonly encoded: Encoded;
}

/** Lays a program out; its notes go to the descriptor `report` if it gives up. */
export function encodeForFile(
  arch: Arch,
  program: Program,
  report: number | undefined,
): EncodedFile {
  const size = sizeOf(program);
  const buffer = new ArrayBuffer(Math.ceil(size / 8) * 8);
  const room = {
    address: PROGRAM_AT,
    size,
    bytes: new Uint8Array(buffer),
    words: new Uint32Array(buffer),
  };
  const encoded = encode(program, arch, room, { base: PROGRAM_AT, report });
  return { bytes: room.bytes.subarray(0, encoded.length), encoded };
}
