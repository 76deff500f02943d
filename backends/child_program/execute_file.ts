/**
 * The call by which a child goes on in a program file.
 *
 * @module
 */

import { AT_EMPTY_PATH } from "../../core/tables/kernel.ts";
import { type Arg, type Call, call } from "./call.ts";

/** An environment without variables. */
export const NO_ENVIRONMENT: Arg = { texts: [] };

/** execveat(2) of a program file by its descriptor; by the name of one, only to be shown. */
export function executeFile(file: number | string, environment: Arg = NO_ENVIRONMENT): Call {
  const fd = typeof file === "number" ? file : -1;
  const args = [fd, { text: "" }, { texts: ["vircommand"] }, environment, AT_EMPTY_PATH];
  return {
    ...call("clone", "execveat", args, [`${file}`, '""', '["vircommand"]', "…", "AT_EMPTY_PATH"]),
    note: "stage two, with an address space of its own",
  };
}
