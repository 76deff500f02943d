/**
 * What a child program has noted about its pid file.
 *
 * @module
 */

import { E } from "../../core/tables/kernel.ts";
import type { Call } from "./call.ts";
import type { Encoded } from "./encoded.ts";
import {
  CREATED,
  FOREIGN,
  HOLDER,
  HOLDER_AT,
  IRREGULAR,
  LINKED,
  OPEN,
  OPENED,
  SET_LOCK,
} from "./pid_file_cells.ts";

/** Why a file could not be a pid file, in words, if that is what a call has failed for. */
export function pidFileProblem(
  program: Encoded,
  notes: Uint8Array,
  { call, errno }: { readonly call: Call; readonly errno: number },
): string | undefined {
  const { label = "" } = call;
  if (label.startsWith(SET_LOCK)) {
    const pid = program.cell(notes, HOLDER).getInt32(HOLDER_AT, true);
    return pid > 0 ? `locked by process ${pid}` : undefined;
  }
  if (label.startsWith(OPEN)) {
    if (errno === E.ELOOP) return "is a symbolic link, which is not followed";
    // A socket; or a device that has no driver.
    return errno === E.ENXIO ? "is not a regular file" : undefined;
  }
  const field = (name: "nlink" | "uid") =>
    program.cell(notes, OPENED).getUint32(program.arch.stat[name], true);
  switch (label) {
    case IRREGULAR:
      return "is not a regular file";
    case LINKED:
      return `has ${field("nlink")} links`;
    case FOREIGN:
      return `belongs to uid ${field("uid")}`;
    default:
      return undefined;
  }
}

/** Whether a program has made its pid file, which was not there before. */
export function hasCreated(program: Encoded, notes: Uint8Array): boolean {
  return program.cell(notes, CREATED).getInt32(0, true) > 0;
}
