/**
 * The process attributes of a command: folder, umask, limits, session, priorities.
 *
 * @module
 */

import { type Builder, displayValue } from "./builder.ts";
import { limits, type LimitValue, limitValue } from "../tables/limits.ts";
import {
  IO_CLASSES,
  IO_LEVELS,
  type IoClass,
  LAST_CPU,
  POLICIES,
  type SchedulerPolicy,
} from "../tables/scheduling.ts";
import { pathProblem } from "./stdio.ts";
import type { Grouping } from "./spec.ts";

/** Sets the working folder. */
export function setFolder(builder: Builder, dir: unknown): void {
  const problem = pathProblem(dir);
  if (problem !== undefined) builder.misuse(`cwd: ${problem}`);
  else if (builder.fields.cwd !== undefined) builder.misuse("cwd: the folder was set before");
  else builder.set("cwd", dir as string);
}

/** Sets the file mode creation mask. */
export function setUmask(builder: Builder, mode: unknown): void {
  if (!isWithin(mode, 0, 0o777)) {
    builder.misuse(`umask(${displayValue(mode)}): expected 0 to 0o777`);
  } else {
    builder.set("umask", mode);
  }
}

/** A limit to set, before it is checked. */
export interface LimitRequest {
  readonly name: unknown;
  readonly soft: LimitValue;
  readonly hard: LimitValue;
}

/** Sets a resource limit; `call` names the method in messages. */
export function setLimit(
  builder: Builder,
  call: "limit" | "maxFiles" | "maxProcesses" | "maxMemLock" | "maxCoreSize",
  { name, soft, hard }: LimitRequest,
): void {
  const [softValue, hardValue] = [limitValue(soft), limitValue(hard)];
  if (!isKeyOf(limits, name)) {
    const names = Object.keys(limits).join(", ");
    builder.misuse(`${call}(${displayValue(name)}): expected one of ${names}`);
  } else if (softValue === undefined || hardValue === undefined) {
    const wrong = displayValue(softValue === undefined ? soft : hard);
    builder.misuse(`${call}: ${wrong} is neither a whole number from 0 nor "unlimited"`);
  } else if (softValue > hardValue) {
    builder.misuse(`${call}: the soft limit ${soft} is above the hard limit ${hard}`);
  } else if (builder.error === undefined) {
    const others = builder.fields.limits.filter((limit) => limit.name !== name);
    const limit = { name, resource: limits[name], soft: softValue, hard: hardValue };
    builder.set("limits", [...others, limit]);
  }
}

/** Sets session or process group. A command has one of `session`, `processGroup`, `daemonize`. */
export function setGrouping(
  builder: Builder,
  call: "session" | "processGroup" | "daemonize",
  grouping: Grouping,
): void {
  if (builder.fields.grouping !== undefined) {
    builder.misuse(`${call}: session or process group was set before`);
  } else {
    builder.set("grouping", grouping);
  }
}

/** Sets the process group. */
export function setProcessGroup(builder: Builder, pgid: unknown): void {
  if (!isWithin(pgid, 0, 0x7fff_ffff)) {
    const given = displayValue(pgid);
    builder.misuse(`processGroup(${given}): expected a process group, or 0 for a new one`);
  } else {
    setGrouping(builder, "processGroup", { kind: "group", pgid });
  }
}

/** Sets the OOM score adjustment. */
export function setOomScoreAdj(builder: Builder, score: unknown): void {
  if (!isWithin(score, -1000, 1000)) {
    builder.misuse(`oomScoreAdj(${displayValue(score)}): expected -1000 to 1000`);
  } else {
    builder.set("oomScoreAdj", score);
  }
}

/** Sets the nice value. */
export function setNice(builder: Builder, value: unknown): void {
  if (!isWithin(value, -20, 19)) {
    builder.misuse(`nice(${displayValue(value)}): expected -20 to 19`);
  } else {
    builder.set("nice", value);
  }
}

/** Sets class and level of input and output. */
export function setIoPriority(builder: Builder, ioClass: IoClass, level: unknown): void {
  if (!isKeyOf(IO_CLASSES, ioClass)) {
    const names = Object.keys(IO_CLASSES).join(", ");
    builder.misuse(`ioPriority(${displayValue(ioClass)}): expected one of ${names}`);
  } else if (!isWithin(level, 0, IO_LEVELS.last)) {
    const given = `${displayValue(ioClass)}, ${displayValue(level)}`;
    builder.misuse(`ioPriority(${given}): expected a level from 0 to ${IO_LEVELS.last}`);
  } else {
    builder.set("ioPriority", { class: ioClass, level });
  }
}

/** Sets the processors that the program may use. */
export function setCpuAffinity(builder: Builder, cpus: unknown): void {
  if (!Array.isArray(cpus)) {
    builder.misuse(`cpuAffinity(${displayValue(cpus)}): expected an array of processors`);
    return;
  }
  const all = [...new Set<unknown>(cpus)];
  const wrong = all.findIndex((cpu) => !isWithin(cpu, 0, LAST_CPU));
  if (all.length === 0) {
    builder.misuse("cpuAffinity([]): expected at least one processor");
  } else if (wrong >= 0) {
    builder.misuse(`cpuAffinity: ${displayValue(all[wrong])}: expected 0 to ${LAST_CPU}`);
  } else {
    builder.set("cpuAffinity", all as number[]);
  }
}

/** Sets the scheduling policy. */
export function setScheduler(builder: Builder, policy: SchedulerPolicy, priority: unknown): void {
  if (!isKeyOf(POLICIES, policy)) {
    const names = Object.keys(POLICIES).join(", ");
    builder.misuse(`scheduler(${displayValue(policy)}): expected one of ${names}`);
    return;
  }
  const { min: least, max: most } = POLICIES[policy];
  // Only where there is no choice is there a default.
  const chosen = priority === undefined && most === 0 ? 0 : priority;
  if (!isWithin(chosen, least, most)) {
    const expected = most === 0 ? "no priority, or 0" : `a priority from ${least} to ${most}`;
    const given = `${displayValue(policy)}, ${displayValue(priority)}`;
    builder.misuse(`scheduler(${given}): expected ${expected}`);
  } else {
    builder.set("scheduler", { policy, priority: chosen });
  }
}

/** Reports whether a value is the name of an entry. */
function isKeyOf<T extends object>(table: T, name: unknown): name is keyof T & string {
  return typeof name === "string" && Object.hasOwn(table, name);
}

/** Reports whether a value is a whole number in a range. */
function isWithin(value: unknown, least: number, most: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= least && value <= most;
}
