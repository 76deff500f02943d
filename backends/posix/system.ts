/**
 * What the core asks about this process, answered without libc: from the runtime, and on Linux
 * from /proc.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { process } from "../process.ts";
import type { System } from "../../core/system.ts";
import { elevated } from "./elevated.ts";
import { accessTo, textOfFile } from "./files.ts";
import { findUser, groupsListing } from "./users.ts";

/** What the runtime knows of its own process. */
export interface OwnProcess {
  environment(): Record<string, string>;
  variable(name: string): string | undefined;
  currentFolder(): string;
}

/** The answers. `nofile`: whether a driver can set the limit that the runtime has raised back. */
export function systemOf(self: OwnProcess, { nofile }: { nofile: boolean }): System {
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
  // Of this thread, which is the one that children inherit from.
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
 * As the native driver finds it: if the process that started us has our hard limit and a lower soft
 * one, then that is what we were started with.
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
