/**
 * The call by which a child goes on in a program file.
 *
 * @module
 */

import { AT_EMPTY_PATH } from "../../core/tables/kernel.ts";
import { type Arg, arg, type Call, call } from "./call.ts";

/** An environment without variables. */
export const NO_ENVIRONMENT: Arg = { texts: [], display: "…" };

const ARGV: Arg = { texts: ["vircommand"], display: '["vircommand"]' };

/** execveat(2) of a program file by its descriptor; by the name of one, only to be shown. */
export function executeFile(file: number | string, environment: Arg = NO_ENVIRONMENT): Call {
  const fd = typeof file === "number" ? file : arg(-1, file);
  const flags = arg(AT_EMPTY_PATH, "AT_EMPTY_PATH");
  return {
    ...call("clone", "execveat", [fd, { text: "" }, ARGV, environment, flags]),
    note: "stage two, with an address space of its own",
  };
}
