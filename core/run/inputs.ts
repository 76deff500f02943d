/**
 * Everything that a child reads from its parent: standard input and the buffers.
 *
 * @module
 */

import type { Process } from "../backend.ts";
import type { Spec } from "../command/spec.ts";
import type { Chunk } from "../command/stdio.ts";
import type { Claims } from "./claims.ts";
import { type InputPump, pumpBytes, pumpStream } from "./input_pump.ts";
import { writableTo } from "./web_streams.ts";

/** The inputs of one child. */
export class Inputs {
  /** What the caller writes to, with `stdin("pipe")`. */
  readonly stdin: WritableStream<Chunk> | undefined;
  readonly #child: Process;
  readonly #pumps: InputPump[] = [];

  /** Starts to write. `failed` is called if a stream of the caller fails. */
  constructor(
    child: Process,
    { spec, claims }: { readonly spec: Spec; readonly claims: Claims },
    failed: () => void,
  ) {
    this.#child = child;
    const { stdin } = child;
    if (stdin !== undefined) {
      if (spec.stdin?.kind === "pipe") this.stdin = writableTo(stdin);
      if (spec.stdin?.kind === "bytes") this.#pumps.push(pumpBytes(stdin, spec.stdin.bytes));
      if (claims.input !== undefined) this.#pumps.push(pumpStream(stdin, claims.input, failed));
    }
    spec.buffers.forEach(({ bytes }, index) => {
      const sink = child.buffers[index];
      if (sink !== undefined) this.#pumps.push(pumpBytes(sink, bytes));
    });
  }

  /** What a stream of the caller threw, if one did. */
  get error(): unknown {
    return this.#pumps.find(({ error }) => error !== undefined)?.error;
  }

  /** Resolves when everything is written, or the pipes have no reader. */
  async done(): Promise<void> {
    for (const { done } of this.#pumps) await done;
  }

  /** Writes no more, and closes the pipes. */
  stop(): void {
    for (const each of this.#pumps) each.stop();
    if (this.stdin !== undefined) this.#child.stdin?.close();
  }
}
