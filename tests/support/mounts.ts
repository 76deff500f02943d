/**
 * Whether tests can mount file systems of their own. Nothing is started to find out: Bun would close
 * the sockets of that at some later time, in the middle of a test.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { parseStatus } from "./world.ts";

const CAP_SYS_ADMIN = 21n;

/** Why a mount namespace cannot be made, if it cannot. */
export function noMounts(): string | undefined {
  const { CapEff = "0" } = parseStatus(readFileSync("/proc/self/status", "utf8"));
  return (BigInt(`0x${CapEff}`) >> CAP_SYS_ADMIN & 1n) === 1n
    ? undefined
    : "needs CAP_SYS_ADMIN, for a mount namespace";
}
