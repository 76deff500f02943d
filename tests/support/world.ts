/**
 * The world as a child sees it: small programs that every system has read it from /proc/self, and
 * this module takes their reports apart.
 *
 * @module
 */

import { assert } from "@std/assert";
import { Command } from "../../mod.ts";

/** What a test adds to a reporting command. */
export type Setup = (cmd: Command) => Command;

const asIs: Setup = (cmd) => cmd;

/** /proc/self/status of a child, by field. */
export async function statusSeen(setup: Setup = asIs): Promise<Record<string, string>> {
  return parseStatus(await setup(new Command("cat", "/proc/self/status")).text());
}

/** The fields of a /proc/<pid>/status. */
export function parseStatus(text: string): Record<string, string> {
  const fields = text.trimEnd().split("\n").map((line): [string, string] => {
    const at = line.indexOf(":");
    return [line.slice(0, at), line.slice(at + 1).trim()];
  });
  return Object.fromEntries(fields);
}

/** The fields of /proc/self/stat of a child, by their numbers in proc_pid_stat(5), from 3 on. */
export async function statSeen(setup: Setup = asIs): Promise<Record<number, string>> {
  return parseStat(await setup(new Command("cat", "/proc/self/stat")).text());
}

/** Those of a /proc/<pid>/stat. The name before them may contain anything. */
export function parseStat(text: string): Record<number, string> {
  const fields = text.slice(text.lastIndexOf(")") + 2).trimEnd().split(" ");
  return Object.fromEntries(fields.map((field, i) => [i + 3, field]));
}

/** A limit as the kernel prints it. */
export interface SeenLimit {
  readonly soft: string;
  readonly hard: string;
}

/** /proc/self/limits of a child, by the kernel's name. */
export async function limitsSeen(setup: Setup = asIs): Promise<Record<string, SeenLimit>> {
  return parseLimits(await setup(new Command("cat", "/proc/self/limits")).text());
}

/** The lines of a /proc/<pid>/limits. */
export function parseLimits(text: string): Record<string, SeenLimit> {
  const limits: Record<string, SeenLimit> = {};
  for (const line of text.split("\n").slice(1)) {
    const [, name, soft, hard] = /^(.{26})(\S+)\s+(\S+)/.exec(line) ?? [];
    if (name !== undefined && soft !== undefined && hard !== undefined) {
      limits[name.trim()] = { soft, hard };
    }
  }
  return limits;
}

/** Process group and session of a child, and its pid. */
export async function groupsSeen(
  setup: Setup = asIs,
): Promise<{ pid: number; ppid: number; group: number; session: number }> {
  const text = await setup(new Command("cat", "/proc/self/stat")).text();
  const [, ppid, group, session] = text.slice(text.lastIndexOf(")") + 2).split(" ").map(Number);
  assert(ppid !== undefined && group !== undefined && session !== undefined);
  return { pid: parseInt(text), ppid, group, session };
}

/** The open descriptors of a child: what each number leads to. */
export async function fdsSeen(setup: Setup = asIs): Promise<Map<number, string>> {
  return parseFds(await setup(new Command("ls", "-l", "/proc/self/fd")).text());
}

/** What `ls -l /proc/self/fd` prints, less the descriptor through which it reads the folder. */
export function parseFds(text: string): Map<number, string> {
  const fds = new Map<number, string>();
  for (const line of text.split("\n")) {
    const [, number, target] = / (\d+) -> (.*)$/.exec(line) ?? [];
    if (number === undefined || target === undefined) continue;
    if (!/^\/proc\/\d+\/fd$/.test(target)) fds.set(Number(number), target);
  }
  return fds;
}
