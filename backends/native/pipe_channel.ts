/**
 * The control channel of a native child: a pipe for its reports and, for a handshake, another one
 * for the parent's byte.
 *
 * @module
 */

import type { Source } from "../../core/backend.ts";
import { adopted, closeAdopted } from "./adopted.ts";
import type { ControlChannel } from "../child_program/protocol.ts";
import type { Host } from "../spawner/host.ts";
import type { Kernel } from "./kernel.ts";
import { E } from "../../core/tables/kernel.ts";
import { isReadable, waitForHangUp } from "./poll.ts";

/** Our ends of the two pipes. */
export class PipeChannel implements ControlChannel {
  readonly #kernel: Kernel;
  readonly #host: Host;
  readonly #status: number;
  #go: number | undefined;
  #source: Source | undefined;
  #statusOpen = true;
  /** What was read before {@linkcode listen}. */
  readonly #early: Uint8Array[] = [];
  #ended = false;

  constructor(kernel: Kernel, host: Host, fds: { status: number; go: number | undefined }) {
    this.#kernel = kernel;
    this.#host = host;
    this.#status = fds.status;
    this.#go = fds.go === undefined ? undefined : adopted(kernel, host, fds.go);
  }

  /** Whether no process has the child's end any more. */
  get isHungUp(): boolean {
    return !this.#statusOpen || waitForHangUp(this.#kernel, this.#status, 0);
  }

  /**
   * Waits for the end of the reports for at most so many milliseconds, and blocks this thread;
   * whether it came. Most starts are over in less time than it takes to have the event loop watch a
   * pipe. Only the end of file wakes the thread: what is reported before fits into the pipe.
   */
  waitForEnd(ms: number): boolean {
    if (!waitForHangUp(this.#kernel, this.#status, ms)) return false;
    while (this.#read()) { /* until the end */ }
    return true;
  }

  /** Waits for the first report instead, of a child that then waits for its parent. */
  waitForReport(ms: number): void {
    if (isReadable(this.#kernel, this.#status, ms)) this.#read();
  }

  /** Reads what is there, or waits for it; false at the end. */
  #read(): boolean {
    if (this.#ended) return false;
    const bytes = this.#kernel.readInto(this.#status);
    if (typeof bytes === "number") throw this.#kernel.error("read", bytes);
    if (bytes.length === 0) this.#ended = true;
    else this.#early.push(bytes.slice());
    return !this.#ended;
  }

  /** What was read by waiting. */
  get early(): readonly Uint8Array[] {
    return this.#early;
  }

  write(bytes: Uint8Array): void {
    if (this.#go === undefined) return;
    const n = this.#kernel.writeFrom(this.#go, bytes);
    // EPIPE: the child is gone. The end of its reports is how that is found out.
    if (n < 0 && n !== -E.EPIPE) throw this.#kernel.error("write", n);
  }

  listen(received: (bytes: Uint8Array) => void, ended: () => void): void {
    for (const each of this.#early) received(each);
    if (this.#ended) return ended();
    this.#kernel.setNonblocking(this.#status);
    const source = this.#source = this.#host.source(this.#status);
    source.start({ chunk: received, end: () => ended() });
  }

  /** Closes both ends: a child that waits at its handshake ends. */
  close(): void {
    if (this.#go !== undefined) closeAdopted(this.#kernel, this.#host, this.#go);
    this.#go = undefined;
    if (!this.#statusOpen) return;
    this.#statusOpen = false;
    if (this.#source === undefined) this.#kernel.close(this.#status);
    else this.#source.close();
  }

  ref(): void {
    this.#source?.ref();
  }

  unref(): void {
    this.#source?.unref();
  }
}
