/**
 * The launcher: a program file of less than two kilobytes that receives a child program on
 * descriptor 3 and runs it. It holds the interpreter and a boot program of four calls:
 *
 * ```text
 *   fcntl(3, F_SETFL, O_RDWR)                    block, whatever the runtime has set
 *   recvfrom(3, &length, 8, MSG_WAITALL)         stored as an argument of the next call
 *   recvfrom(3, PROGRAM, length, MSG_WAITALL)    over the boot program itself
 *   exit_group(125)                              at end of file: the parent has ended
 * ```
 *
 * The program that arrives begins with a copy of the boot program, so that the interpreter can
 * continue with the call that received it. Only the jump after that call differs: it leads to the
 * first call of the new program.
 *
 * @module
 */

import type { Arch } from "../child_program/arch.ts";
import { type Call, call, type Cell, type Program } from "../child_program/call.ts";
import { elfOf, PROGRAM_AT } from "../child_program/elf.ts";
import { CELLS, type Encoded, EPILOGUE, OPERATION } from "../child_program/encoded.ts";
import { F, O } from "../../core/tables/kernel.ts";
import { encodeForFile } from "../child_program/encode_file.ts";
import { ABANDONED_STATUS } from "../child_program/lower_exec.ts";

/** The descriptor that the launcher listens on. */
export const CONTROL = 3;

/** The most memory that a program can take, in bytes. Pages that are not used cost nothing. */
export const ROOM: number = 16 * 1024 * 1024;

/** The step that the calls belong to: the first one. */
const STEP = "signals";

const MSG_WAITALL = 0x100;
const RECEIVE = "receive the program";
const PARENT_ENDED = "parent ended";

/** The offset in an operation of the jump after a positive result. */
const POSITIVE_JUMP = 80;

const BOOT: readonly Call[] = [
  call(STEP, "fcntl", [CONTROL, F.SETFL, O.RDWR]),
  {
    ...call(STEP, "recvfrom", [CONTROL, { call: RECEIVE, argument: 2 }, 8, MSG_WAITALL]),
    jumps: { zero: PARENT_ENDED, error: PARENT_ENDED },
  },
  {
    ...call(STEP, "recvfrom", [CONTROL, PROGRAM_AT, 0, MSG_WAITALL]),
    label: RECEIVE,
    jumps: { zero: PARENT_ENDED, error: PARENT_ENDED },
  },
  { ...call(STEP, "exit_group", [ABANDONED_STATUS]), label: PARENT_ENDED },
];

/** How many bytes the boot program takes, from {@linkcode CELLS} on: epilogue and calls. */
const BOOT_LENGTH = (EPILOGUE + BOOT.length) * OPERATION;

/** Reserves the bytes of the boot program in another one. It must be the first cell. */
const BOOT_CELL: Cell = { name: "boot", size: BOOT_LENGTH };

/** Returns the launcher as an ELF file. */
export function launcherFile(arch: Arch): Uint8Array<ArrayBuffer> {
  return elfOf(arch, bootProgram(arch), ROOM);
}

/** A program as the launcher receives it. */
export interface Image {
  /** The length of the program in eight bytes, and the program. */
  readonly message: Uint8Array;
  /** Explains the notes that the program reports. */
  readonly encoded: Encoded;
}

/**
 * Encodes a program for the launcher. If it fails, it writes its notes to the descriptor `report`.
 */
export function imageOf(arch: Arch, program: Program, report: number): Image {
  const { encoded, bytes } = encodeForFile(
    arch,
    { ...program, cells: [BOOT_CELL, ...program.cells] },
    report,
  );
  const boot = bootProgram(arch).subarray(CELLS, CELLS + BOOT_LENGTH);
  bytes.set(boot, CELLS);
  const receive = CELLS + (EPILOGUE + BOOT.findIndex(({ label }) => label === RECEIVE)) * OPERATION;
  // The header begins with the address of the first call.
  bytes.copyWithin(receive + POSITIVE_JUMP, 0, 8);
  const message = new Uint8Array(8 + bytes.length);
  new DataView(message.buffer).setBigUint64(0, BigInt(bytes.length), true);
  message.set(bytes, 8);
  return { message, encoded };
}

function bootProgram(arch: Arch): Uint8Array {
  return encodeForFile(arch, { calls: BOOT, cells: [] }, -1).bytes;
}
