/**
 * The plan: the steps between clone and exec, as an ordered list of plain data. A spec describes
 * what the caller asks for. A plan describes how this machine does it; everything has been looked
 * up. Backends turn a plan into a process, and `explain()` turns it into text.
 *
 * @module
 */

import type { System } from "../system.ts";
import { buildEnv } from "./environment.ts";
import { SpawnError } from "../errors.ts";
import { displayCommand, quoted } from "../text/escape.ts";
import { type ChildSetup, childSetup, lookUp, type Streams } from "./child_setup.ts";
import { findProgram } from "./lookup.ts";
import { formatCommand, type FormatOptions } from "../text/quote.ts";
import { display, MASK, maskSecrets, reveal } from "../text/secret.ts";
import type { Spec } from "../command/spec.ts";
import type { ExecStep, SetupStep, Step } from "./steps.ts";
import { E } from "../tables/kernel.ts";

/** The steps of a child in order, and the command for messages. */
export interface Plan {
  /** The steps before exec. */
  readonly setup: ChildSetup;
  readonly exec: ExecStep;
  /** All of them. */
  readonly steps: readonly Step[];
  /**
   * The command for messages: secrets and environment values masked, control characters shown by
   * their code.
   */
  readonly command: string;
  /** Masks the command's secrets in a text of unknown origin. */
  mask(text: string): string;
}

/** A command for messages. */
export type MaskedCommand = Pick<Plan, "command">;

/** Returns the first step of a kind; undefined if the plan has none. */
export function findStep<K extends SetupStep["step"]>(
  { setup }: Plan,
  kind: K,
): Extract<SetupStep, { step: K }> | undefined {
  return setup.find(kind);
}

/** Returns the first step of a kind. Throws if the plan has none. */
export function stepOf<K extends SetupStep["step"]>(
  { setup }: Plan,
  kind: K,
): Extract<SetupStep, { step: K }> {
  const found = setup.find(kind);
  if (found === undefined) throw new Error(`a plan without ${kind}`);
  return found;
}

/**
 * Makes the plan. Streams come from the spec unless they are given. A stream that is not set is
 * /dev/null.
 *
 * @throws {SpawnError} The program cannot be found.
 */
export function makePlan(spec: Spec, system: System, streams: Partial<Streams> = {}): Plan {
  const environment = chosenEnv(spec, system);
  const setup = childSetup(spec, system, streams, () => maskedCommand(spec, environment));
  return new CommandPlan(spec, environment, setup, new LazyExecStep(spec, system, environment));
}

/** Returns a command for messages, without a plan: a dry run has none. */
export function maskedCommandOf(spec: Spec, system: System): MaskedCommand {
  return new LazyMaskedCommand(spec, chosenEnv(spec, system));
}

/** Formats the command only if it is read. Most commands never fail. */
class LazyMaskedCommand implements MaskedCommand {
  readonly #spec: Spec;
  readonly #environment: [string, string][] | undefined;
  #command: string | undefined;

  constructor(spec: Spec, environment: [string, string][] | undefined) {
    this.#spec = spec;
    this.#environment = environment;
  }

  get command(): string {
    return this.#command ??= maskedCommand(this.#spec, this.#environment);
  }

  mask(text: string): string {
    return maskSecrets(text, this.#spec.secrets);
  }
}

/** The plan of one command. */
class CommandPlan extends LazyMaskedCommand implements Plan {
  readonly setup: ChildSetup;
  readonly exec: ExecStep;

  constructor(
    spec: Spec,
    environment: [string, string][] | undefined,
    setup: ChildSetup,
    exec: ExecStep,
  ) {
    super(spec, environment);
    this.setup = setup;
    this.exec = exec;
  }

  get steps(): Step[] {
    return [...this.setup.steps, this.exec];
  }
}

/** Returns the path of the program. Throws a SpawnError if there is none. */
export function resolveProgram(spec: Spec, system: System): string {
  return findBinary(spec, system, chosenEnv(spec, system));
}

/** Formats the command: environment first, then the arguments, quoted. Secrets are masked. */
export function describe(spec: Spec, system: System, options: FormatOptions = {}): string {
  return formatCommand(displayParts(spec, system), options);
}

/** Returns environment and arguments with secrets masked. */
export function displayParts(
  spec: Spec,
  system: System,
): { env: [string, string][]; argv: string[] } {
  return { env: displayEnv(spec, chosenEnv(spec, system) ?? []), argv: displayArgv(spec) };
}

/** Returns the argument list with secrets masked. */
export function displayArgv(spec: Spec): string[] {
  return [spec.arg0 ?? spec.binary, ...spec.args].map(display);
}

function displayEnv(spec: Spec, env: readonly [string, string][]): [string, string][] {
  return env.map(([name, value]) => [name, spec.secretEnv.has(name) ? MASK : value]);
}

/** Formats the command for messages, in which all environment values are masked. */
function maskedCommand(spec: Spec, env: readonly [string, string][] | undefined): string {
  const masked = (env ?? []).map(([name]): [string, string] => [name, MASK]);
  return displayCommand(formatCommand({ env: masked, argv: displayArgv(spec) }));
}

/** Returns the environment of the child; undefined if it inherits the whole one. */
export function chosenEnv(spec: Spec, system: System): [string, string][] | undefined {
  if (spec.envOps.length === 0) return undefined;
  // Variables are read one by one, because Deno grants --allow-env by name.
  const parent: Record<string, string> = Object.create(null);
  for (const each of spec.envOps) {
    if (each.op !== "pass") continue;
    const value = system.variable(each.name);
    if (value !== undefined) parent[each.name] = value;
  }
  const otherUser = [spec.user, spec.uid, spec.gid].some((each) => each !== undefined);
  // elevated() takes several system calls, and few commands need it.
  const needsElevated = spec.envOps.some((each) => each.op === "pass" && each.setuid === "block");
  return buildEnv(spec.envOps, parent, { setuid: needsElevated && system.elevated(), otherUser });
}

/** The last step. What only some drivers or only messages need is made when it is read. */
class LazyExecStep implements ExecStep {
  readonly step = "exec";
  readonly path: string;
  readonly argv: readonly string[];
  readonly inherits: boolean;
  readonly #spec: Spec;
  readonly #system: System;
  #environment: [string, string][] | undefined;

  constructor(spec: Spec, system: System, chosen: [string, string][] | undefined) {
    this.path = findBinary(spec, system, chosen);
    this.argv = [spec.arg0 ?? spec.binary, ...spec.args].map(reveal);
    this.inherits = chosen === undefined;
    this.#spec = spec;
    this.#system = system;
    this.#environment = chosen;
  }

  get env(): string[] {
    return this.#variables().map(([name, value]) => `${name}=${value}`);
  }

  get displayArgv(): string[] {
    return displayArgv(this.#spec);
  }

  get displayEnv(): string[] {
    return displayEnv(this.#spec, this.#variables()).map(([name, value]) => `${name}=${value}`);
  }

  #variables(): [string, string][] {
    return this.#environment ??= Object.entries(this.#system.environment());
  }
}

/**
 * Finds the program. Unlike in libvirt, a missing bare name fails as a missing path does: with a
 * SpawnError of step `exec`.
 */
function findBinary(
  spec: Spec,
  system: System,
  chosen: [string, string][] | undefined,
): string {
  const childPath = chosen?.find(([name]) => name === "PATH")?.[1];
  const found = findProgram(
    spec.binary,
    spec.binary.includes("/") ? undefined : childPath ?? system.variable("PATH"),
    () => lookUp("exec", () => system.currentFolder(), () => maskedCommand(spec, chosen)),
    (path) => system.access(path),
  );
  if (!("code" in found)) return found.path;
  const where = childPath === undefined ? "PATH" : "the command's PATH";
  throw new SpawnError({
    step: "exec",
    syscall: "execve",
    args: [quoted(found.path)],
    errno: found.code === "ENOENT" ? E.ENOENT : E.EACCES,
    path: found.path,
    detail: found.code === "ENOENT"
      ? `ENOENT: no such program in ${where}`
      : `EACCES: found in ${where}, but this process may not execute it`,
    command: maskedCommand(spec, chosen),
  });
}
