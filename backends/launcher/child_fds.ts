/**
 * The descriptors of a child, as the runtime's spawner passes them to the launcher. Files are
 * opened here, descriptors are passed by their numbers, and pipes are made by the child: a
 * runtime's own are sockets, which cannot be opened as /dev/stdin.
 *
 * @module
 */

import { constants } from "node:fs";
import type { Mapping } from "../../core/plan/descriptors.ts";
import { own } from "../../core/own.ts";
import { findStep, type Plan, stepOf } from "../../core/plan/plan.ts";
import type { ChildFd, PipeName } from "../../core/plan/steps.ts";
import { arg, type Call, call, octal } from "../child_program/call.ts";
import { F } from "../../core/tables/kernel.ts";
import { READABLE } from "../spawner/pipe_modes.ts";
import { openAboveStandard, OpenFiles } from "../posix/files.ts";
import { type StandardStream, standardStream } from "../posix/standard_stream.ts";
import type { Stdio } from "../spawner/spawner.ts";
import { openFile, requireDescriptors } from "../spawner/descriptors.ts";

/** A pipe that the child makes. */
export interface Pipe {
  readonly carries: PipeName;
  /** The numbers of its ends in the child, until its descriptors are in their places. */
  readonly read: number;
  readonly write: number;
}

/** Everything that a child is given. */
export interface ChildFds {
  readonly stdio: readonly Stdio[];
  /** From the numbers in the launcher to those in the program. */
  readonly mappings: readonly Mapping[];
  readonly pipes: readonly Pipe[];
  /** A number above all others that the child has. */
  readonly above: number;
  /** With a hook: the number for the file that holds what comes after it. */
  readonly image: number | undefined;
  /** Calls of the child that set what opening the files here could not set. */
  readonly corrections: readonly Call[];
  /** Closes the files that were opened here. */
  close(): void;
}

/** What a child is given whatever its command is. */
export interface LauncherStdio {
  /** The launcher's own descriptors, from 0 on. */
  readonly stdio: readonly Stdio[];
  /** Whether the runtime makes the pipes of the standard streams. Default: the child does. */
  readonly runtimePipes?: boolean;
  /**
   * Returns a descriptor of this process that serves as a pipe; undefined if the child makes it.
   */
  readonly pipeFd?: (carries: PipeName) => number | undefined;
}

/** How many numbers a launcher uses above those of the program: for its channel, and for a hook. */
const LAUNCHER_FDS = 4;

/** Opens the files of a child. Throws a SpawnError of step `fds`; then nothing stays open. */
export function setupStdio(plan: Plan, launcherStdio: LauncherStdio): ChildFds {
  const base = own(launcherStdio);
  requireDescriptors(plan, LAUNCHER_FDS);
  const { childFds } = stepOf(plan, "fds");
  const passed = new PassedFds(base.stdio);
  // The number is reserved now; the file is written once everything else is known.
  const image = findStep(plan, "preExec") === undefined ? undefined : passed.add("null");
  try {
    for (const childFd of childFds) passChildFd(plan, passed, childFd, { base, childFds });
  } catch (error) {
    passed.opened.close();
    throw error;
  }
  const { stdio, numbers, corrections, opened } = passed;
  const pipes = numberPipes(childFds, passed);
  const mappings = childFds.map(({ to }): Mapping => ({ from: numbers.get(to) ?? to, to }));
  const above = Math.max(stdio.length + 2 * pipes.length, ...mappings.map(({ to }) => to + 1));
  return { stdio, mappings, pipes, above, image, corrections, close: () => opened.close() };
}

/** The descriptors that the spawner passes to the launcher, while they are collected. */
class PassedFds {
  readonly stdio: Stdio[];
  /** The number in the launcher for each number in the program. */
  readonly numbers = new Map<number, number>();
  readonly corrections: Call[] = [];
  readonly opened = new OpenFiles();

  constructor(stdio: readonly Stdio[]) {
    this.stdio = [...stdio];
  }

  /** Adds a descriptor. Returns its number in the launcher. */
  add(stdio: Stdio): number {
    return this.stdio.push(stdio) - 1;
  }

  /** Adds a descriptor of this process, for the number `to` in the program. */
  addFd(to: number, fd: number, childFds: readonly ChildFd[]): number {
    const number = fd === 0 ? this.#addStandardInput(childFds) : this.add(fd);
    this.numbers.set(to, number);
    return number;
  }

  /** Bun passes its descriptor 0 only as 0: what was to be there gets another number. */
  #addStandardInput(childFds: readonly ChildFd[]): number {
    const [first] = this.stdio;
    if (first !== "null" && first !== 0) return this.add(0);
    this.stdio[0] = 0;
    const isNull = childFds.some(({ to, source }) => to === 0 && source.from === "null");
    if (isNull && this.numbers.get(0) === 0) {
      const fd = this.opened.own(openAboveStandard("/dev/null", constants.O_RDWR));
      this.numbers.set(0, this.add(fd));
    }
    return 0;
  }

  /** Lets the child set the flags of a descriptor. */
  setFlags(number: number, flags: number): void {
    const args = [number, arg(F.SETFL, "F_SETFL"), arg(flags, "…")];
    this.corrections.push(call("fds", "fcntl", args));
  }
}

/** Passes one descriptor, unless it is a pipe that the child makes or the same as another one. */
function passChildFd(
  plan: Plan,
  passed: PassedFds,
  { to, source }: ChildFd,
  { base, childFds }: {
    readonly base: LauncherStdio;
    readonly childFds: readonly ChildFd[];
  },
): void {
  switch (source.from) {
    case "null":
      // Only a standard stream can be null: the runtime opens it at this number.
      passed.numbers.set(to, to);
      return;
    case "fd": {
      // Programs expect their standard streams to block. Other descriptors are passed unchanged.
      const { fd, isNew, flags } = to > 2 ? unchanged(source.fd) : standardStream(source.fd);
      if (isNew) passed.opened.own(fd);
      const number = passed.addFd(to, fd, childFds);
      if (flags !== undefined) passed.setFlags(number, flags);
      return;
    }
    case "file": {
      const { fd, flags } = openFile(plan, source);
      const number = passed.add(passed.opened.own(fd));
      passed.numbers.set(to, number);
      passed.setFlags(number, flags);
      return;
    }
    case "pipe":
      passPipe(plan, passed, { to, carries: source.carries }, base);
      return;
    case "same":
      return;
    default:
      source satisfies never;
  }
}

function passPipe(
  plan: Plan,
  passed: PassedFds,
  { to, carries }: { readonly to: number; readonly carries: PipeName },
  { runtimePipes = false, pipeFd }: LauncherStdio,
): void {
  if (runtimePipes && carries !== "buffer") {
    passed.stdio[to] = "pipe";
    passed.numbers.set(to, to);
  }
  const fd = pipeFd?.(carries);
  if (fd === undefined) return;
  const number = passed.add(fd);
  passed.numbers.set(to, number);
  // A child of another user could not open it as /dev/fd/N otherwise, see READABLE.
  if (findStep(plan, "identity")?.ids !== undefined) {
    passed.corrections.push(call("fds", "fchmod", [number, arg(READABLE, octal(READABLE))]));
  }
}

/** Numbers the pipes that the child makes, and what is the same as another descriptor. */
function numberPipes(
  childFds: readonly ChildFd[],
  { stdio, numbers }: Pick<PassedFds, "stdio" | "numbers">,
): Pipe[] {
  const pipes: Pipe[] = [];
  for (const { to, source } of childFds) {
    if (source.from === "pipe" && !numbers.has(to)) {
      const read = stdio.length + 2 * pipes.length;
      const pipe = { carries: source.carries, read, write: read + 1 };
      pipes.push(pipe);
      numbers.set(to, isWrittenByParent(pipe) ? pipe.read : pipe.write);
    }
    if (source.from === "same") numbers.set(to, numbers.get(source.as) ?? source.as);
  }
  return pipes;
}

function unchanged(fd: number): StandardStream {
  return { fd, isNew: false, flags: undefined };
}

/** Returns the descriptors of a child, with the file of a hook in its place. */
export function stdioWith({ stdio, image }: ChildFds, file: number | undefined): readonly Stdio[] {
  return file === undefined ? stdio : stdio.map((each, i) => i === image ? file : each);
}

/** Whether the parent writes to a pipe. */
export function isWrittenByParent({ carries }: Pick<Pipe, "carries">): boolean {
  return carries === "stdin" || carries === "buffer";
}
