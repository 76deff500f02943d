/**
 * The plan: what must happen in the child between clone and exec, as an ordered list of plain
 * data. A spec says what is wanted; a plan says what is done about it on this machine, with every
 * look-up already made. Backends turn it into a process, `explain()` into text.
 *
 * @module
 */

import type { Surroundings } from "./backend.ts";
import { buildEnv } from "./environment.ts";
import { errnoNumber } from "./errno.ts";
import { SpawnError } from "./errors.ts";
import { limits } from "./limits.ts";
import { type Caps, type Ids, resolveCaps, resolveIds } from "./identity.ts";
import { absolute, findProgram } from "./lookup.ts";
import { inOrder } from "./order.ts";
import type { PaletteCall } from "./palette.ts";
import { formatCommand, type FormatOptions } from "./quote.ts";
import { MASK, reveal, shown } from "./secret.ts";
import type { CoreScheduling, Grouping, PreExec, Spec } from "./spec.ts";
import type { OutputForm, StdinForm } from "./stdio.ts";

/** Where a descriptor of the child comes from. */
export type WireSource =
  | { readonly from: "null" }
  | { readonly from: "fd"; readonly fd: number }
  | { readonly from: "pipe"; readonly carries: PipeName }
  | { readonly from: "same"; readonly as: number }
  | {
    readonly from: "file";
    readonly path: string;
    readonly access: "read" | "write" | "append";
    readonly mode: number;
  };

/** What a pipe between parent and child is for. */
export type PipeName = "stdin" | "stdout" | "stderr" | "buffer";

/** One descriptor of the child. */
export interface Wire {
  /** Its number in the child. */
  readonly to: number;
  readonly source: WireSource;
}

/** One step. The `step` names are those of {@linkcode StepName}. */
export type Step =
  | { readonly step: "signals" }
  | { readonly step: "umask"; readonly mask: number }
  | { readonly step: "fds"; readonly wires: readonly Wire[] }
  | { readonly step: "session"; readonly grouping: Grouping }
  | {
    readonly step: "limits";
    readonly name: string;
    readonly resource: number;
    readonly soft: bigint;
    readonly hard: bigint;
    /** Why this limit is set, if the command did not ask for it. */
    readonly note?: string;
  }
  | { readonly step: "pidFile"; readonly path: string }
  | { readonly step: "preExec"; readonly hook: PreExec }
  | { readonly step: "selinux"; readonly label: string }
  | { readonly step: "apparmor"; readonly profile: string }
  | { readonly step: "core"; readonly scheduling: CoreScheduling }
  | { readonly step: "identity"; readonly ids: Ids | undefined; readonly caps: Caps | undefined }
  | { readonly step: "chdir"; readonly path: string }
  | { readonly step: "step"; readonly call: PaletteCall }
  | { readonly step: "handshake" }
  | { readonly step: "unblock" }
  | {
    readonly step: "exec";
    readonly path: string;
    readonly argv: readonly string[];
    readonly env: readonly string[];
    /** `argv` and `env` as people may see them. */
    readonly shownArgv: readonly string[];
    readonly shownEnv: readonly string[];
    /** Whether `env` is all that the parent has, and not what was chosen. */
    readonly inherits: boolean;
  };

/** What is to be done, in order, and how to speak of it. */
export interface Plan {
  readonly steps: readonly Step[];
  /** The command for messages: secrets and environment values masked. */
  readonly command: string;
}

/** The step of a kind, if the plan has one. */
export function findStep<K extends Step["step"]>(
  plan: Plan,
  kind: K,
): Extract<Step, { step: K }> | undefined {
  for (const each of plan.steps) {
    if (each.step === kind) return each as Extract<Step, { step: K }>;
  }
  return undefined;
}

/** The step of a kind, which the plan must have. */
export function stepOf<K extends Step["step"]>(plan: Plan, kind: K): Extract<Step, { step: K }> {
  const found = findStep(plan, kind);
  if (found === undefined) throw new Error(`a plan without ${kind}`);
  return found;
}

/** Where the standard streams go. */
export type Streams = Pick<Spec, "stdin" | "stdout" | "stderr">;

const SIGNALS: Step = { step: "signals" };
const UNBLOCK: Step = { step: "unblock" };

/**
 * Makes the plan. Streams come from the spec unless they are given; those that nothing is said
 * about go to /dev/null.
 *
 * @throws {SpawnError} The program cannot be found.
 */
export function makePlan(spec: Spec, around: Surroundings, streams: Partial<Streams> = {}): Plan {
  const environment = chosenEnv(spec, around);
  const steps: Step[] = [SIGNALS];
  if (spec.umask !== undefined) steps.push({ step: "umask", mask: spec.umask });
  steps.push({ step: "fds", wires: wires(spec, streams) });
  if (spec.grouping !== undefined) steps.push({ step: "session", grouping: spec.grouping });
  if (spec.pidFile !== undefined) {
    steps.push({ step: "pidFile", path: absolute(spec.pidFile, around.currentFolder()) });
  }
  addLimits(steps, spec, around);
  if (spec.preExec !== undefined) steps.push({ step: "preExec", hook: spec.preExec });
  if (spec.selinuxLabel !== undefined) steps.push({ step: "selinux", label: spec.selinuxLabel });
  if (spec.apparmorProfile !== undefined) {
    steps.push({ step: "apparmor", profile: spec.apparmorProfile });
  }
  if (spec.coreScheduling !== undefined) {
    steps.push({ step: "core", scheduling: spec.coreScheduling });
  }
  const [ids, caps] = [resolveIds(spec, around), resolveCaps(spec, around)];
  if (ids !== undefined || caps !== undefined) steps.push({ step: "identity", ids, caps });
  if (spec.cwd !== undefined) steps.push({ step: "chdir", path: spec.cwd });
  // A daemon must not keep the folder busy that it happened to be started from.
  else if (spec.grouping?.kind === "daemon") steps.push({ step: "chdir", path: "/" });
  for (const call of spec.steps) steps.push({ step: "step", call });
  steps.push(UNBLOCK);
  if (spec.handshake) steps.push({ step: "handshake" });
  steps.push(new ExecStep(spec, around, environment));
  return new MadePlan(inOrder(steps), spec, environment);
}

/** Most plans never fail, and then nobody reads their command. */
class MadePlan implements Plan {
  readonly steps: readonly Step[];
  readonly #spec: Spec;
  readonly #environment: [string, string][] | undefined;
  #command: string | undefined;

  constructor(steps: readonly Step[], spec: Spec, environment: [string, string][] | undefined) {
    this.steps = steps;
    this.#spec = spec;
    this.#environment = environment;
  }

  get command(): string {
    return this.#command ??= maskedCommand(this.#spec, this.#environment);
  }
}

/** The plan of a dry run: nothing is done, but there is a command to speak of. */
export function dryPlan(spec: Spec, around: Surroundings): Plan {
  return new MadePlan([], spec, chosenEnv(spec, around));
}

/** The program that the command would run. Throws a SpawnError if there is none. */
export function resolveProgram(spec: Spec, around: Surroundings): string {
  return findBinary(spec, around, chosenEnv(spec, around));
}

/** The command as text: environment first, then the arguments, quoted; secrets are masked. */
export function describe(spec: Spec, around: Surroundings, options: FormatOptions = {}): string {
  return formatCommand(shownParts(spec, around), options);
}

/** What the command says of environment and arguments, as people may see it. */
export function shownParts(
  spec: Spec,
  around: Surroundings,
): { env: [string, string][]; argv: string[] } {
  return { env: shownEnv(spec, chosenEnv(spec, around) ?? []), argv: shownArgv(spec) };
}

/** The argument list as people may see it. */
export function shownArgv(spec: Spec): string[] {
  return [spec.arg0 ?? spec.binary, ...spec.args].map(shown);
}

function shownEnv(spec: Spec, env: readonly [string, string][]): [string, string][] {
  return env.map(([name, value]) => [name, spec.secretEnv.has(name) ? MASK : value]);
}

/** For messages: they travel to places where no environment value should be read. */
function maskedCommand(spec: Spec, env: readonly [string, string][] | undefined): string {
  const masked = (env ?? []).map(([name]): [string, string] => [name, MASK]);
  return formatCommand({ env: masked, argv: shownArgv(spec) });
}

/** The environment that was chosen; undefined if the child inherits all. */
export function chosenEnv(spec: Spec, around: Surroundings): [string, string][] | undefined {
  if (spec.envOps.length === 0) return undefined;
  // Single variables are asked for by name: Deno grants --allow-env by name.
  const parent: Record<string, string> = Object.create(null);
  for (const each of spec.envOps) {
    if (each.op !== "pass") continue;
    const value = around.variable(each.name);
    if (value !== undefined) parent[each.name] = value;
  }
  const otherUser = [spec.user, spec.uid, spec.gid].some((each) => each !== undefined);
  return buildEnv(spec.envOps, parent, { setuid: around.elevated(), otherUser });
}

const NOTHING = { kind: "null" } as const;

function wires(spec: Spec, streams: Partial<Streams>): Wire[] {
  const { stdin = spec.stdin, stdout = spec.stdout, stderr = spec.stderr } = streams;
  const all: Wire[] = [
    { to: 0, source: inputSource(stdin ?? NOTHING) },
    { to: 1, source: outputSource(stdout ?? NOTHING, 1) },
    { to: 2, source: outputSource(stderr ?? NOTHING, 2) },
  ];
  for (const { fd, as } of spec.passed) all.push({ to: as, source: { from: "fd", fd } });
  for (const { as } of spec.buffers) {
    all.push({ to: as, source: { from: "pipe", carries: "buffer" } });
  }
  return all;
}

const NULL_SOURCE: WireSource = { from: "null" };

function inputSource(form: StdinForm): WireSource {
  switch (form.kind) {
    case "null":
      return NULL_SOURCE;
    case "inherit":
      return { from: "fd", fd: 0 };
    case "fd":
      return { from: "fd", fd: form.fd };
    case "file":
      return { from: "file", path: form.path, access: "read", mode: 0 };
    case "pipe":
    case "bytes":
    case "stream":
      return { from: "pipe", carries: "stdin" };
    default:
      return form satisfies never;
  }
}

function outputSource(form: OutputForm, fd: 1 | 2): WireSource {
  switch (form.kind) {
    case "null":
      return NULL_SOURCE;
    case "inherit":
      return { from: "fd", fd };
    case "fd":
      return { from: "fd", fd: form.fd };
    case "stdout":
      return { from: "same", as: 1 };
    case "file": {
      const access = form.append ? "append" : "write";
      return { from: "file", path: form.path, access, mode: form.mode };
    }
    case "pipe":
    case "capture":
    case "stream":
      return { from: "pipe", carries: fd === 1 ? "stdout" : "stderr" };
    default:
      return form satisfies never;
  }
}

function addLimits(steps: Step[], spec: Spec, around: Surroundings): void {
  for (const limit of spec.limits) steps.push({ step: "limits", ...limit });
  if (spec.limits.some((limit) => limit.name === "nofile")) return;
  const original = around.startingNofile();
  if (original !== undefined) steps.push(restoringNofile(original));
}

type Nofile = NonNullable<ReturnType<Surroundings["startingNofile"]>>;

let restoring: { readonly original: Nofile; readonly step: Step } | undefined;

/** It is the same for every plan, and so is the step. */
function restoringNofile(original: Nofile): Step {
  if (restoring?.original !== original) {
    const step = { step: "limits", name: "nofile", resource: limits.nofile, ...original } as const;
    restoring = { original, step };
  }
  return restoring.step;
}

/** The last step. What is only shown, and what not every driver needs, is made when it is read. */
class ExecStep {
  readonly step = "exec" as const;
  readonly path: string;
  readonly argv: readonly string[];
  readonly inherits: boolean;
  readonly #spec: Spec;
  readonly #around: Surroundings;
  #environment: [string, string][] | undefined;

  constructor(spec: Spec, around: Surroundings, chosen: [string, string][] | undefined) {
    this.path = findBinary(spec, around, chosen);
    this.argv = [spec.arg0 ?? spec.binary, ...spec.args].map(reveal);
    this.inherits = chosen === undefined;
    this.#spec = spec;
    this.#around = around;
    this.#environment = chosen;
  }

  get env(): string[] {
    return this.#variables().map(([name, value]) => `${name}=${value}`);
  }

  get shownArgv(): string[] {
    return shownArgv(this.#spec);
  }

  get shownEnv(): string[] {
    return shownEnv(this.#spec, this.#variables()).map(([name, value]) => `${name}=${value}`);
  }

  #variables(): [string, string][] {
    return this.#environment ??= Object.entries(this.#around.environment());
  }
}

/**
 * A missing bare name and a missing path fail alike (libvirt tells them apart): with a SpawnError
 * of step `exec`.
 */
function findBinary(
  spec: Spec,
  around: Surroundings,
  chosen: [string, string][] | undefined,
): string {
  const childPath = chosen?.find(([name]) => name === "PATH")?.[1];
  const found = findProgram(
    spec.binary,
    spec.binary.includes("/") ? undefined : childPath ?? around.variable("PATH"),
    () => around.currentFolder(),
    (path) => around.access(path),
  );
  if (!("code" in found)) return found.path;
  const where = childPath === undefined ? "PATH" : "the command's PATH";
  throw new SpawnError({
    step: "exec",
    syscall: "execve",
    args: [JSON.stringify(found.path)],
    errno: errnoNumber(found.code) ?? 0,
    path: found.path,
    detail: found.code === "ENOENT"
      ? `ENOENT: no such program in ${where}`
      : `EACCES: found in ${where}, but this process may not execute it`,
    command: maskedCommand(spec, chosen),
  });
}
