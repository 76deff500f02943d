/**
 * How a command fails, in every way of running it.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { type Command, type RunOptions, SpawnError } from "../../mod.ts";

/** The error that something throws or rejects with; anything else is a failure of the test. */
export async function thrown(action: () => unknown): Promise<unknown> {
  try {
    await action();
  } catch (error) {
    return error;
  }
  throw new Error("expected an error, got none");
}

/** The error that something throws or rejects with, which must be of a class. */
export async function failure<E extends Error>(
  type: abstract new (...args: never[]) => E,
  action: () => unknown,
): Promise<E> {
  const error = await thrown(action);
  if (error instanceof type) return error;
  throw new Error(`expected a ${type.name}, got ${String(error)}`, { cause: error });
}

/** The ways of running a command, by name. */
export const WAYS: Readonly<Record<string, (cmd: Command, options?: RunOptions) => unknown>> = {
  run: (cmd, options) => cmd.run(options),
  runSync: (cmd, options) => cmd.runSync(options),
  spawn: (cmd, options) => cmd.spawn(options),
};

/** What a SpawnError is expected to say. */
export interface Expected {
  readonly step: string;
  readonly syscall: string;
  readonly code: string;
  readonly errno: number;
  readonly path: string | undefined;
  readonly exitCode: number;
}

/** A descriptor that is not open cannot be passed on, nor one be passed to a number there is not. */
export const BAD_DESCRIPTOR: Expected = {
  step: "fds",
  syscall: "dup3",
  code: "EBADF",
  errno: 9,
  path: undefined,
  exitCode: 125,
};

/** Checks that a command cannot be started in any way, and that the error says why. */
export async function failsToStart(make: () => Command, expected: Expected): Promise<SpawnError> {
  let last: SpawnError | undefined;
  for (const [way, start] of Object.entries(WAYS)) {
    const error = await failure(SpawnError, () => start(make()));
    const { step, syscall, code, errno, path, exitCode } = error;
    assertEquals({ step, syscall, code, errno, path, exitCode }, { ...expected }, way);
    last = error;
  }
  if (last === undefined) throw new Error("no way of running");
  return last;
}
