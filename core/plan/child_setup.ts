/**
 * The frame of a plan: every step before exec. Most children of a program differ only in what they
 * execute, and have one frame; it is kept, so that what is made of it is made once.
 *
 * @module
 */

import type { System } from "../system.ts";
import { setFields } from "../command/builder.ts";
import { SpawnError, SystemCallError } from "../errors.ts";
import { resolveCaps, resolveIds } from "./identity.ts";
import { limits } from "../tables/limits.ts";
import { absolute, fileUrl } from "../text/path.ts";
import { guarded } from "../own.ts";
import { inOrder, type StepName } from "./order.ts";
import type { Spec } from "../command/spec.ts";
import type { OutputForm, StdinForm } from "../command/stdio.ts";
import type { ChildFd, FdSource, SetupStep } from "./steps.ts";

/** Where the standard streams go. */
export type Streams = Pick<Spec, "stdin" | "stdout" | "stderr">;

/** The steps before exec. */
export class ChildSetup {
  readonly steps: readonly SetupStep[];
  /** Whether other plans may have it as well. */
  readonly cached: boolean;
  readonly #first = new Map<SetupStep["step"], SetupStep>();

  constructor(steps: readonly SetupStep[], isKept: boolean) {
    this.steps = inOrder(steps);
    this.cached = isKept;
    for (const each of this.steps) {
      if (!this.#first.has(each.step)) this.#first.set(each.step, each);
    }
  }

  /** The first step of a kind, if there is one. */
  find<K extends SetupStep["step"]>(kind: K): Extract<SetupStep, { step: K }> | undefined {
    return this.#first.get(kind) as Extract<SetupStep, { step: K }> | undefined;
  }
}

/** Where the three standard streams come from. */
type StdioSources = readonly [FdSource, FdSource, FdSource];

/** A frame, and what commands have it. */
interface CacheEntry {
  readonly setup: ChildSetup;
  readonly system: System;
  readonly sources: StdioSources;
  readonly attributes: string;
}

/** The last ones first. */
const CACHE: CacheEntry[] = [];

/** More ways of starting children than this are seldom used in turns. */
const MAX_CACHED = 8;

/**
 * The frame for a spec. Streams come from the spec unless they are given; `command` is how to speak
 * of it.
 *
 * @throws {SpawnError} The system refuses what a step has to look up.
 */
export function childSetup(
  spec: Spec,
  system: System,
  streams: Partial<Streams>,
  command?: () => string,
): ChildSetup {
  const { stdin = spec.stdin, stdout = spec.stdout, stderr = spec.stderr } = guarded(streams);
  const sources: StdioSources = [
    inputSource(stdin),
    outputSource(stdout, 1),
    outputSource(stderr, 2),
  ];
  const attributes = attributesOf(spec);
  for (const kept of CACHE) {
    if (
      kept.attributes === attributes && kept.system === system && areSame(kept.sources, sources)
    ) {
      return kept.setup;
    }
  }
  const steps = stepsOf(spec, system, sources, command);
  if (attributes === undefined || !sources.every((each) => SHARED.has(each))) {
    return new ChildSetup(steps, false);
  }
  const setup = new ChildSetup(steps, true);
  CACHE.unshift({ setup, system, sources, attributes });
  if (CACHE.length > MAX_CACHED) CACHE.pop();
  return setup;
}

function areSame(some: StdioSources, others: StdioSources): boolean {
  return some[0] === others[0] && some[1] === others[1] && some[2] === others[2];
}

/** What makes no difference to the frame, or is looked at otherwise. */
const IGNORED_FIELDS: ReadonlySet<keyof Spec> = new Set<keyof Spec>([
  "binary",
  "arg0",
  "args",
  "envOps",
  "secretEnv",
  "secrets",
  "stdin",
  "stdout",
  "stderr",
]);

/** What has to be looked up anew each time: users, capabilities and the current folder change. */
const LOOKED_UP: ReadonlySet<keyof Spec> = new Set<keyof Spec>([
  "pidFile",
  "user",
  "uid",
  "gid",
  "clearCaps",
]);

/**
 * All that a command says of its frame, as text to compare; undefined if no text can say it, or if
 * two commands that say the same may mean different things.
 */
function attributesOf(spec: Spec): string | undefined {
  let text = "";
  for (const name of setFields(spec)) {
    if (IGNORED_FIELDS.has(name)) continue;
    const value = spec[name];
    if (typeof value === "object" || LOOKED_UP.has(name)) return undefined;
    text += `${name} ${JSON.stringify(value)}\n`;
  }
  return text;
}

const SIGNALS: SetupStep = { step: "signals" };
const UNBLOCK: SetupStep = { step: "unblock" };

function stepsOf(
  spec: Spec,
  system: System,
  sources: StdioSources,
  command: (() => string) | undefined,
): SetupStep[] {
  const steps: SetupStep[] = [SIGNALS, { step: "fds", childFds: childFds(spec, sources) }];
  if (spec.umask !== undefined) steps.push({ step: "umask", mask: spec.umask });
  if (spec.grouping !== undefined) steps.push({ step: "session", grouping: spec.grouping });
  if (spec.pidFile !== undefined) {
    const folder = lookingUp("pidFile", () => system.currentFolder(), command);
    steps.push({ step: "pidFile", path: absolute(spec.pidFile, folder) });
  }
  addLimits(steps, spec, system);
  if (spec.preExec !== undefined) {
    const { module, data } = spec.preExec;
    const url = lookingUp("preExec", () => moduleUrl(module, system), command);
    steps.push({ step: "preExec", hook: { module: url, data } });
  }
  if (spec.oomScoreAdj !== undefined) steps.push({ step: "oomScoreAdj", score: spec.oomScoreAdj });
  if (spec.cpuAffinity !== undefined) steps.push({ step: "cpuAffinity", cpus: spec.cpuAffinity });
  if (spec.ioPriority !== undefined) steps.push({ step: "ioPriority", priority: spec.ioPriority });
  if (spec.nice !== undefined) steps.push({ step: "nice", value: spec.nice });
  if (spec.scheduler !== undefined) steps.push({ step: "scheduler", scheduler: spec.scheduler });
  if (spec.selinuxLabel !== undefined) steps.push({ step: "selinux", label: spec.selinuxLabel });
  if (spec.apparmorProfile !== undefined) {
    steps.push({ step: "apparmor", profile: spec.apparmorProfile });
  }
  if (spec.coreScheduling !== undefined) {
    steps.push({ step: "coreSched", scheduling: spec.coreScheduling });
  }
  const ids = lookingUp("identity", () => resolveIds(spec, system), command);
  const caps = lookingUp("capabilities", () => resolveCaps(spec, system), command);
  if (ids !== undefined || caps !== undefined) steps.push({ step: "identity", ids, caps });
  if (spec.cwd !== undefined) steps.push({ step: "chdir", path: spec.cwd });
  // A daemon must not keep the folder busy that it happened to be started from.
  else if (spec.grouping?.kind === "daemon") steps.push({ step: "chdir", path: "/" });
  if (spec.noNewPrivs) steps.push({ step: "noNewPrivs" });
  if (spec.dieWithParent !== undefined) {
    steps.push({ step: "dieWithParent", signal: spec.dieWithParent });
  }
  for (const call of spec.steps) steps.push({ step: "step", call });
  steps.push(UNBLOCK);
  if (spec.handshake) steps.push({ step: "handshake" });
  return steps;
}

/** The URL of a module. A path is relative to the current folder. */
function moduleUrl(module: string, system: System): string {
  return /^[a-z][a-z0-9+.-]+:/i.test(module)
    ? module
    : fileUrl(absolute(module, system.currentFolder()));
}

/**
 * Looks something up for a step: what the system refuses there keeps the program from running, as
 * the step itself would.
 */
export function lookingUp<T>(
  step: StepName,
  look: () => T,
  command: (() => string) | undefined,
): T {
  try {
    return look();
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    const { syscall, errno, path } = error;
    throw new SpawnError({
      step,
      syscall,
      args: [],
      errno,
      path,
      command: command?.(),
      cause: error,
    });
  }
}

function childFds(spec: Spec, sources: StdioSources): ChildFd[] {
  const all: ChildFd[] = sources.map((source, to) => ({ to, source }));
  for (const { fd, as } of spec.passed) all.push({ to: as, source: { from: "fd", fd } });
  for (const { as } of spec.buffers) {
    all.push({ to: as, source: { from: "pipe", carries: "buffer" } });
  }
  return all;
}

/** The sources that say nothing but what they are, each one object. */
const NULL: FdSource = { from: "null" };
const AS_STDOUT: FdSource = { from: "same", as: 1 };
const INHERITED: Readonly<Record<0 | 1 | 2, FdSource>> = {
  0: { from: "fd", fd: 0 },
  1: { from: "fd", fd: 1 },
  2: { from: "fd", fd: 2 },
};
const PIPES: Readonly<Record<0 | 1 | 2, FdSource>> = {
  0: { from: "pipe", carries: "stdin" },
  1: { from: "pipe", carries: "stdout" },
  2: { from: "pipe", carries: "stderr" },
};
const SHARED: ReadonlySet<FdSource> = new Set([
  NULL,
  AS_STDOUT,
  ...Object.values(INHERITED),
  ...Object.values(PIPES),
]);

/** What nothing is said about goes to /dev/null. */
function inputSource(form: StdinForm | undefined): FdSource {
  switch (form?.kind) {
    case undefined:
    case "null":
      return NULL;
    case "inherit":
      return INHERITED[0];
    case "fd":
      return { from: "fd", fd: form.fd };
    case "file":
      return { from: "file", path: form.path, access: "read", mode: 0 };
    case "pipe":
    case "bytes":
    case "stream":
      return PIPES[0];
    default:
      return form satisfies never;
  }
}

function outputSource(form: OutputForm | undefined, fd: 1 | 2): FdSource {
  switch (form?.kind) {
    case undefined:
    case "null":
      return NULL;
    case "inherit":
      return INHERITED[fd];
    case "fd":
      return { from: "fd", fd: form.fd };
    case "stdout":
      return AS_STDOUT;
    case "file": {
      const access = form.append ? "append" : "write";
      return { from: "file", path: form.path, access, mode: form.mode };
    }
    case "pipe":
    case "capture":
    case "stream":
      return PIPES[fd];
    default:
      return form satisfies never;
  }
}

function addLimits(steps: SetupStep[], spec: Spec, system: System): void {
  for (const limit of spec.limits) steps.push({ step: "limits", ...limit });
  if (spec.limits.some((limit) => limit.name === "nofile")) return;
  const original = system.startingNofile();
  if (original === undefined) return;
  steps.push({ step: "limits", name: "nofile", resource: limits.nofile, ...original });
}
