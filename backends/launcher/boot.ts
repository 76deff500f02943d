/**
 * The launcher: a program file of less than two kilobytes that receives a child program on its
 * descriptor 3 and becomes it. It holds the interpreter and a boot program of four calls:
 *
 * ```text
 *   fcntl(3, F_SETFL, O_RDWR)                    wait for data, whatever the runtime has set
 *   recvfrom(3, &length, 8, MSG_WAITALL)         stored as an argument of the next call
 *   recvfrom(3, PROGRAM, length, MSG_WAITALL)    on top of the boot program itself …
 *   exit_group(125)                              if there is no more: the parent has died
 * ```
 *
 * The program that arrives begins with the boot program, so that the call that received it goes on
 * as if nothing had happened; only the jump behind that call is another one: to the first call of
 * the new program.
 *
 * @module
 */

import type { Arch } from "../child_program/arch.ts";
import { type Call, call, type Cell, type Program } from "../child_program/call.ts";
import { elfOf, PROGRAM_AT } from "../child_program/elf.ts";
import { CELLS, type Encoded, EPILOGUE, OPERATION } from "../child_program/encoded.ts";
import { F, O } from "../../core/tables/kernel.ts";
import { encodeForFile } from "../child_program/encode_file.ts";
import { ABANDONED_STATUS } from "../child_program/lower.ts";

/** The descriptor that the launcher listens on. */
export const CONTROL = 3;

/** How large a program can be in memory, in bytes; pages that are not used cost nothing. */
export const ROOM: number = 16 * 1024 * 1024;

/** Before all others. */
const STEP = "signals";

const MSG_WAITALL = 0x100;
const RECEIVE = "receive the program";
const OVER = "over";

/** Where in an operation the jump behind a positive result is. */
const POSITIVE_JUMP = 80;

const BOOT: readonly Call[] = [
  call(STEP, "fcntl", [CONTROL, F.SETFL, O.RDWR], []),
  {
    ...call(STEP, "recvfrom", [CONTROL, { call: RECEIVE, argument: 2 }, 8, MSG_WAITALL], []),
    jumps: { zero: OVER, error: OVER },
  },
  {
    ...call(STEP, "recvfrom", [CONTROL, PROGRAM_AT, 0, MSG_WAITALL], []),
    label: RECEIVE,
    jumps: { zero: OVER, error: OVER },
  },
  { ...call(STEP, "exit_group", [ABANDONED_STATUS], []), label: OVER },
];

/** What the boot program takes of a program, from {@linkcode CELLS} on: epilogue and calls. */
const BOOT_LENGTH = (EPILOGUE + BOOT.length) * OPERATION;

/** The place in a program for the boot program. It must be the program's first cell. */
const BOOT_CELL: Cell = { name: "boot", size: BOOT_LENGTH };

/** The launcher's file. */
export function launcherFile(arch: Arch): Uint8Array<ArrayBuffer> {
  return elfOf(arch, bootProgram(arch), ROOM);
}

/** A program as the launcher receives it. */
export interface Image {
  /** Its length as eight bytes, and the program. */
  readonly message: Uint8Array;
  /** To make sense of the notes that it reports. */
  readonly encoded: Encoded;
}

/** Lays a program out for the launcher. Its notes go to the descriptor `report` if it fails. */
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
