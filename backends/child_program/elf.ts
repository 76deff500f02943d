/**
 * A program file around a child program: what continues a start after the process has become
 * something else in between. It is written from scratch, a few hundred bytes and the program:
 *
 * ```text
 *     0  ELF header                       see elf(5)
 *    64  program headers: code, program, stack
 *   232  entry: load the program's address, fall into …
 *        … the interpreter                mapped read + execute
 *   512  the child program                mapped read + write
 *        anything else                    not mapped
 * ```
 *
 * @module
 */

import { ET_EXEC, PF, PT } from "../../core/tables/kernel.ts";
import type { Arch } from "./arch.ts";

const CODE_AT = 0x40_0000;
const PROGRAM_SEGMENT = 0x1000_0000;

const HEADER = 64;
const PROGRAM_HEADER = 56;
const ENTRY = HEADER + 3 * PROGRAM_HEADER;
const PROGRAM = 512;

/** Where the child program stands in memory; file offset and address agree modulo any page size. */
export const PROGRAM_AT: number = PROGRAM_SEGMENT + PROGRAM;

/** The largest page size of the architectures, which segments are aligned to. */
const PAGE = 0x1_0000;

/**
 * The file. `program` was encoded for {@linkcode PROGRAM_AT}; in memory it is followed by zeros, up
 * to `room` bytes in all.
 */
export function elfOf(
  arch: Arch,
  program: Uint8Array,
  room: number = program.length,
): Uint8Array<ArrayBuffer> {
  const code = codeOf(arch);
  if (ENTRY + code.length > PROGRAM) throw new Error("the interpreter has grown out of its place");
  const file = new Uint8Array(PROGRAM + program.length);
  const view = new DataView(file.buffer);
  // e_ident: magic, 64 bit, little endian, version 1
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, ET_EXEC, true);
  view.setUint16(18, arch.elfMachine, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, BigInt(CODE_AT + ENTRY), true);
  view.setBigUint64(32, BigInt(HEADER), true);
  view.setUint16(52, HEADER, true);
  view.setUint16(54, PROGRAM_HEADER, true);
  view.setUint16(56, 3, true);
  const segment = (
    index: number,
    type: number,
    flags: number,
    offset: number,
    address: number,
    length: number,
    memory: number = length,
  ) => {
    const at = HEADER + index * PROGRAM_HEADER;
    view.setUint32(at, type, true);
    view.setUint32(at + 4, flags, true);
    view.setBigUint64(at + 8, BigInt(offset), true);
    view.setBigUint64(at + 16, BigInt(address), true);
    view.setBigUint64(at + 24, BigInt(address), true);
    view.setBigUint64(at + 32, BigInt(length), true);
    view.setBigUint64(at + 40, BigInt(memory), true);
    view.setBigUint64(at + 48, BigInt(PAGE), true);
  };
  segment(0, PT.LOAD, PF.R | PF.X, 0, CODE_AT, ENTRY + code.length);
  segment(1, PT.LOAD, PF.R | PF.W, PROGRAM, PROGRAM_AT, program.length, room);
  segment(2, PT.GNU_STACK, PF.R | PF.W, 0, 0, 0);
  file.set(code, ENTRY);
  file.set(program, PROGRAM);
  return file;
}

const CODE = new WeakMap<Arch, Uint8Array>();

/** The entry and the interpreter, which are the same in every file. */
function codeOf(arch: Arch): Uint8Array {
  const known = CODE.get(arch);
  if (known !== undefined) return known;
  const [before, after] = arch.entry;
  const address = new Uint8Array(new BigUint64Array([BigInt(PROGRAM_AT)]).buffer);
  const rest = hexBytes(after + arch.interpreter);
  const code = Uint8Array.from([...hexBytes(before), ...address, ...rest]);
  CODE.set(arch, code);
  return code;
}

/** Bytes from hexadecimal text. */
export function hexBytes(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}
