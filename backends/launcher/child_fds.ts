/**
 * What a child's descriptors come from, as the runtime's spawner hands it over: files are opened
 * here, descriptors are passed on by their numbers, and pipes are made by the child, because a
 * runtime's own are sockets, which cannot be opened as /dev/stdin.
 *
 * @module
 */

import { constants } from "node:fs";
import type { Mapping } from "../../core/plan/descriptors.ts";
import { own } from "../../core/own.ts";
import { findStep, type Plan, stepOf } from "../../core/plan/plan.ts";
import type { PipeName } from "../../core/plan/steps.ts";
import { type Call, call, octal } from "../child_program/call.ts";
import { F } from "../../core/tables/kernel.ts";
import { READABLE } from "../spawner/pipe_modes.ts";
import { closeFd, openAboveStandard } from "../posix/files.ts";
import { type StandardStream, standardStream } from "../posix/standard_stream.ts";
import type { Stdio } from "../spawner/spawner.ts";
import { openFile, requireDescriptors } from "../spawner/descriptors.ts";

/** A pipe that the child makes. */
export interface Pipe {
  readonly carries: PipeName;
  /** The numbers of its ends in the child, until its descriptors are laid out. */
  readonly read: number;
  readonly write: number;
}

/** Everything that a child is given. */
export interface ChildFds {
  readonly stdio: readonly Stdio[];
  /** From the numbers in the launcher to those in the program. */
  readonly mappings: readonly Mapping[];
  readonly pipes: readonly Pipe[];
  /** A number that nothing else in the child has, above all of them. */
  readonly above: number;
  /** With a hook: the number for the file with what comes after it. */
  readonly image: number | undefined;
  /** Calls that set right what opening the files here has left. */
  readonly corrections: readonly Call[];
  /** Closes the files that were opened here. */
  close(): void;
}

/** What there is before a command says anything. */
export interface Base {
  readonly stdio: readonly Stdio[];
  /** Whether the runtime makes the pipes of the standard streams. */
  readonly own?: boolean;
  /**
   * Which descriptor of the parent serves as a pipe. Default: none, the child makes the pipe.
   */
  readonly pipe?: (carries: PipeName) => { readonly handed: number } | undefined;
}

/** Opens what is to be opened. Throws a SpawnError of step `fds`; then nothing is open. */
export function setupStdio(plan: Plan, given: Base): ChildFds {
  const base = own(given);
  requireDescriptors(plan, ABOVE_ALL);
  const { childFds } = stepOf(plan, "fds");
  const stdio: Stdio[] = [...base.stdio];
  // A place is kept; what comes there is known only when everything else is.
  const image = findStep(plan, "preExec") === undefined ? undefined : stdio.push("null") - 1;
  const opened: number[] = [];
  const corrections: Call[] = [];
  const close = () => {
    for (const fd of opened.splice(0)) closeFd(fd);
  };
  const numbers = new Map<number, number>();
  const isNull = (to: number) =>
    childFds.some((each) => each.to === to && each.source.from === "null");
  const hand = (fd: number): number => {
    // Bun hands 0 on in its own place only; what was to be there comes by another number then.
    if (fd !== 0 || (stdio[0] !== "null" && stdio[0] !== 0)) return stdio.push(fd) - 1;
    stdio[0] = 0;
    if (isNull(0) && numbers.get(0) === 0) {
      const nothing = openAboveStandard("/dev/null", constants.O_RDWR);
      opened.push(nothing);
      numbers.set(0, stdio.push(nothing) - 1);
    }
    return 0;
  };
  try {
    for (const { to, source } of childFds) {
      // Only standard streams can be null; a runtime opens each as it is used.
      if (source.from === "null") numbers.set(to, to);
      if (source.from === "fd") {
        // Programs expect to wait at their standard streams; what else is passed stays as it is.
        const { fd, isNew, flags } = to > 2 ? passed(source.fd) : standardStream(source.fd);
        if (isNew) opened.push(fd);
        const at = hand(fd);
        numbers.set(to, at);
        if (flags !== undefined) corrections.push(setFlags(at, flags));
      }
      if (source.from === "file") {
        const { fd, flags } = openFile(plan, source);
        opened.push(fd);
        const at = stdio.push(fd) - 1;
        numbers.set(to, at);
        corrections.push(setFlags(at, flags));
      }
      if (source.from === "pipe" && base.own === true && source.carries !== "buffer") {
        stdio[to] = "pipe";
        numbers.set(to, to);
      }
      const handed = source.from === "pipe" ? base.pipe?.(source.carries) : undefined;
      if (handed !== undefined) {
        const at = stdio.push(handed.handed) - 1;
        numbers.set(to, at);
        // Else a child of another user could not open it by its name.
        if (findStep(plan, "identity")?.ids !== undefined) {
          corrections.push(call("fds", "fchmod", [at, READABLE], [String(at), octal(READABLE)]));
        }
      }
    }
  } catch (error) {
    close();
    throw error;
  }
  const pipes: Pipe[] = [];
  for (const { to, source } of childFds) {
    if (source.from === "pipe" && !numbers.has(to)) {
      const read = stdio.length + 2 * pipes.length;
      const pipe = { carries: source.carries, read, write: read + 1 };
      pipes.push(pipe);
      numbers.set(to, intoChild(pipe) ? pipe.read : pipe.write);
    }
    if (source.from === "same") numbers.set(to, numbers.get(source.as) ?? source.as);
  }
  const mappings = childFds.map(({ to }): Mapping => ({ from: numbers.get(to) ?? to, to }));
  const above = Math.max(stdio.length + 2 * pipes.length, ...mappings.map(({ to }) => to + 1));
  return { stdio, mappings, pipes, above, image, corrections, close };
}

function passed(fd: number): StandardStream {
  return { fd, isNew: false, flags: undefined };
}

function setFlags(fd: number, flags: number): Call {
  return call("fds", "fcntl", [fd, F.SETFL, flags], [String(fd), "F_SETFL", "…"]);
}

/** The descriptors of a child, with the file of a hook in its place. */
export function stdioWith({ stdio, image }: ChildFds, file: number | undefined): readonly Stdio[] {
  return file === undefined ? stdio : stdio.map((each, i) => i === image ? file : each);
}

/** Whether the parent writes to a pipe. */
export function intoChild({ carries }: Pick<Pipe, "carries">): boolean {
  return carries === "stdin" || carries === "buffer";
}

/** How many numbers a launcher uses above those of the program: for its channel, and for a hook. */
const ABOVE_ALL = 4;
