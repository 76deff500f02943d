/**
 * What the core needs to know about this process, without libc: from the runtime, and on Linux from
 * /proc.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { process } from "../process.ts";
import type { System } from "../../core/system.ts";
import { elevated } from "./elevated.ts";
import { accessTo, textOfFile } from "./files.ts";
import { findUser, groupsListing } from "./users.ts";

/** The process, as its runtime reports it. */
export interface OwnProcess {
  environment(): Record<string, string>;
  variable(name: string): string | undefined;
  currentFolder(): string;
}

/** The implementation by `process`, for Node and Bun. */
export const ownProcess: OwnProcess = {
  environment() {
    const variables = { ...process.env };
    // A worker that shares them may have deleted one after its name was read.
    for (const [name, value] of Object.entries(variables)) {
      if (value === undefined) delete variables[name];
    }
    return variables as Record<string, string>;
  },
  // Not an inherited property such as `constructor`.
  variable: (name) => Object.hasOwn(process.env, name) ? process.env[name] : undefined,
  currentFolder: () => process.cwd(),
};

/** Which questions a driver needs answers to. */
export interface SystemOptions {
  /** Whether it can set the limit on open files back that the runtime has raised. */
  readonly nofile: boolean;
}

/** Returns the answers for a driver. */
export function systemOf(self: OwnProcess, { nofile }: SystemOptions): System {
  let starting: ReturnType<System["startingNofile"]> | null = nofile ? null : undefined;
  return {
    environment: () => self.environment(),
    variable: (name) => self.variable(name),
    currentFolder: () => self.currentFolder(),
    access: accessTo,
    elevated,
    userByName: (name) => findUser(name),
    userById: (uid) => findUser(uid),
    groupsOf: groupsListing,
    capabilities: capabilitiesOf,
    startingNofile: () => starting === null ? starting = startingNofile() : starting,
  };
}

function capabilitiesOf(): ReturnType<System["capabilities"]> {
  // Those of this thread, which children inherit.
  const status = readFileSync("/proc/thread-self/status", "utf8");
  const set = (name: string) =>
    BigInt(`0x${new RegExp(`^${name}:\\s*([0-9a-f]+)`, "m").exec(status)?.[1] ?? "0"}`);
  return {
    effective: set("CapEff"),
    permitted: set("CapPrm"),
    inheritable: set("CapInh"),
    last: Number(readFileSync("/proc/sys/kernel/cap_last_cap", "utf8")),
  };
}

/**
 * The limit on open files that this process was started with. If its parent has the same hard limit
 * and a lower soft one, it was started with that. The native driver assumes the same.
 */
function startingNofile(): ReturnType<System["startingNofile"]> {
  const own = nofileOf("self");
  const parent = process.ppid;
  if (own === undefined || parent <= 1 || own.soft !== own.hard) return undefined;
  const theirs = nofileOf(parent);
  if (theirs === undefined || theirs.hard !== own.hard || theirs.soft >= own.soft) return undefined;
  const name = textOfFile(`/proc/${parent}/comm`)?.trim() ?? "parent";
  return { ...theirs, note: `as this runtime was started with by ${name} (${parent})` };
}

function nofileOf(pid: number | "self"): { soft: bigint; hard: bigint } | undefined {
  const text = textOfFile(`/proc/${pid}/limits`) ?? "";
  const [, soft, hard] = /^Max open files\s+(\d+)\s+(\d+)/m.exec(text) ?? [];
  if (soft === undefined || hard === undefined) return undefined;
  return { soft: BigInt(soft), hard: BigInt(hard) };
}
