/**
 * The setup of a child: every step before exec. Most children of a program differ only in what they
 * execute, so setups are cached, and so is what drivers make of them.
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
  /** Whether later plans get the same object. */
  readonly cached: boolean;
  readonly #first = new Map<SetupStep["step"], SetupStep>();

  constructor(steps: readonly SetupStep[], { cached }: { readonly cached: boolean }) {
    this.steps = inOrder(steps);
    this.cached = cached;
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

/** A cached setup, and everything that it depends on. */
interface CacheEntry {
  readonly setup: ChildSetup;
  readonly system: System;
  readonly sources: StdioSources;
  readonly key: string;
}

/** The newest first. */
const CACHE: CacheEntry[] = [];

/** How many setups are cached. Few programs use more of them in turns. */
const MAX_CACHED = 8;

/**
 * Returns the setup for a spec. Streams come from the spec unless they are given; `command` formats
 * the command for errors.
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
  const key = cacheKey(spec);
  for (const entry of CACHE) {
    if (entry.key === key && entry.system === system && areSame(entry.sources, sources)) {
      return entry.setup;
    }
  }
  const steps = stepsOf(spec, system, sources, command);
  if (key === undefined || !sources.every((each) => SHARED.has(each))) {
    return new ChildSetup(steps, { cached: false });
  }
  const setup = new ChildSetup(steps, { cached: true });
  CACHE.unshift({ setup, system, sources, key });
  if (CACHE.length > MAX_CACHED) CACHE.pop();
  return setup;
}

function areSame(some: StdioSources, others: StdioSources): boolean {
  return some[0] === others[0] && some[1] === others[1] && some[2] === others[2];
}

/**
 * The fields that no step before exec depends on, and the streams, which are compared by their
 * sources.
 */
const NOT_IN_SETUP: ReadonlySet<keyof Spec> = new Set<keyof Spec>([
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

/** The fields that a text can hold. */
type ScalarField = {
  [K in keyof Spec]: Spec[K] extends string | number | boolean | undefined ? K : never;
}[keyof Spec];

/**
 * The fields whose value alone determines their steps. Not among them: what is looked up at each
 * start, since users, capabilities and the current folder change; and what is no scalar, since
 * comparing costs more than it saves.
 */
const CACHED_BY_VALUE: ReadonlySet<keyof Spec> = new Set<ScalarField>([
  "cwd",
  "umask",
  "nonblocking",
  "selinuxLabel",
  "apparmorProfile",
  "oomScoreAdj",
  "nice",
  "noNewPrivs",
  "dieWithParent",
  "handshake",
]);

/**
 * The fields on which the setup depends, as text to compare; undefined if it must not be cached.
 * That is so as soon as a field is set that is in neither list: one that was forgotten makes a start
 * slower, and never gives a child the setup of another command.
 */
function cacheKey(spec: Spec): string | undefined {
  let key = "";
  for (const name of setFields(spec)) {
    if (NOT_IN_SETUP.has(name)) continue;
    if (!CACHED_BY_VALUE.has(name)) return undefined;
    key += `${name} ${JSON.stringify(spec[name])}\n`;
  }
  return key;
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
    const folder = lookUp("pidFile", () => system.currentFolder(), command);
    steps.push({ step: "pidFile", path: absolute(spec.pidFile, folder) });
  }
  addLimits(steps, spec, system);
  if (spec.preExec !== undefined) {
    const { module, data, runtime: path } = spec.preExec;
    const url = lookUp("preExec", () => moduleUrl(module, system), command);
    const runtime = path === undefined || path.startsWith("/")
      ? path
      : lookUp("preExec", () => absolute(path, system.currentFolder()), command);
    steps.push({ step: "preExec", hook: { module: url, data, runtime } });
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
  const ids = lookUp("identity", () => resolveIds(spec, system), command);
  const caps = lookUp("capabilities", () => resolveCaps(spec, system), command);
  if (ids !== undefined || caps !== undefined) steps.push({ step: "identity", ids, caps });
  if (spec.cwd !== undefined) steps.push({ step: "chdir", path: spec.cwd });
  // A daemon must not keep the file system busy that it was started from.
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
 * Looks something up for a step. If the system refuses that, the program does not run, and the error
 * is that of the step.
 */
export function lookUp<T>(
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

/** The sources without parameters. Each is one object, so that setups can be compared quickly. */
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

/** A stream that is not set is /dev/null. */
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
