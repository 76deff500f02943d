/**
 * The streams of the caller that a run reads from and writes to. All are locked before anything is
 * started, and unlocked if nothing could be started.
 *
 * @module
 */

import { StateError } from "../errors.ts";
import type { Spec } from "../command/spec.ts";
import type { OutputForm } from "../command/stdio.ts";
import { InputChunks } from "./input_pump.ts";

/** A stream of the caller for one or two outputs. It is closed when the last of them has ended. */
export interface SharedWriter {
  readonly writer: WritableStreamDefaultWriter<Uint8Array>;
  users: number;
}

/** Shared by the runs without a stream of the caller, which are most. */
const NO_WRITERS: ReadonlyMap<WritableStream<Uint8Array>, SharedWriter> = new Map();

/** Locks the streams. Throws a StateError, and locks none, if one is locked already. */
export function writersOf(
  sinks: readonly WritableStream<Uint8Array>[],
): ReadonlyMap<WritableStream<Uint8Array>, SharedWriter> {
  if (sinks.length === 0) return NO_WRITERS;
  requireUnlocked(sinks);
  const writers = new Map<WritableStream<Uint8Array>, SharedWriter>();
  for (const sink of sinks) {
    const shared = writers.get(sink) ?? { writer: sink.getWriter(), users: 0 };
    shared.users++;
    writers.set(sink, shared);
  }
  return writers;
}

/** The streams of the caller that a run has locked. */
export interface Claims {
  /** Standard input, if it comes from a stream or an iterable. */
  readonly input: InputChunks | undefined;
  /** The writers of the outputs, by stream. */
  readonly writers: ReadonlyMap<WritableStream<Uint8Array>, SharedWriter>;
  /** Unlocks the streams. For a failed start: nothing was read or written. */
  release(): void;
}

const NO_CLAIMS: Claims = { input: undefined, writers: NO_WRITERS, release() {} };

/**
 * Locks the streams of the caller that a command reads from and writes to. If one is locked already,
 * throws a StateError; if an iterable throws, throws the same. Then none is locked.
 */
export function claim(
  { stdin }: Pick<Spec, "stdin">,
  { stdout, stderr }: { readonly stdout: OutputForm; readonly stderr: OutputForm },
): Claims {
  if (stdin?.kind !== "stream" && stdout.kind !== "stream" && stderr.kind !== "stream") {
    return NO_CLAIMS;
  }
  const sinks = [stdout, stderr].flatMap((form) => form.kind === "stream" ? [form.sink] : []);
  const writers = writersOf(sinks);
  const unlock = () => {
    for (const { writer } of writers.values()) writer.releaseLock();
  };
  try {
    const input = stdin?.kind === "stream" ? new InputChunks(stdin.source) : undefined;
    return {
      input,
      writers,
      release() {
        input?.release();
        unlock();
      },
    };
  } catch (error) {
    unlock();
    throw error;
  }
}

/** Throws a StateError if one of the streams has a writer. */
function requireUnlocked(sinks: readonly WritableStream<Uint8Array>[]): void {
  if (!sinks.some((each) => each.locked)) return;
  throw new StateError("stdout, stderr: the WritableStream is locked: it has a writer already");
}
