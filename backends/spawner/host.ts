/**
 * What the Linux engine needs of a runtime besides libc: an event loop that reads and writes
 * pipes, the news that a child has died, and a way to keep running. Each runtime folder makes one.
 *
 * @module
 */

import type { Refable, Sink, Source } from "../../core/backend.ts";
import type { HookCommand } from "../child_program/hook_split.ts";

/** The runtime, as the engine sees it. */
export interface Host {
  /** `deno`, `bun` or `node`. */
  readonly runtime: string;
  /** The runtime's own version. */
  readonly version: string;
  /** All variables of this process. */
  environment(): Record<string, string>;
  /** All variables; undefined if the runtime's permissions do not let this process see them. */
  environmentIfAllowed?(): Record<string, string> | undefined;
  /** One variable of this process. */
  variable(name: string): string | undefined;
  /** The current folder, absolute. */
  currentFolder(): string;
  /**
   * Refuses a program that the runtime's permissions do not allow, with the runtime's own error: FFI
   * would get past them. `environment` are the variables that it is to get, as NAME=VALUE.
   */
  checkRun?(path: string, environment: () => Iterable<string>): void;
  /** Refuses a file likewise. */
  checkFile?(path: string, access: "read" | "write"): void;
  /**
   * Closes a descriptor that the runtime keeps a record of; false if it knows of none. Closed
   * behind its back, the record would be taken for that of the next file with the same number.
   */
  closeRecorded?(fd: number): boolean;
  /**
   * Whether this thread is there as long as its process is. A worker may be terminated between any
   * two lines: then no code of ours runs any more, and only what the runtime owns is closed.
   */
  readonly lasting: boolean;
  /** Whether the runtime closes the files of a thread that is terminated. */
  readonly closesFiles: boolean;
  /**
   * Opens one end of a pipe, non-blocking, for `source` and `sink`. Without it, node:fs does.
   */
  openPipe?(path: string, flags: number): Promise<number>;
  /**
   * Takes a pipe over, so that it is closed when this thread ends: returns another descriptor of it,
   * which only `closeRecorded` closes, or undefined if that is not allowed.
   */
  adopt?(fd: number, flags: number): number | undefined;
  /** How this runtime is executed anew, to run a hook. */
  readonly hook: HookCommand;
  /** Reads a non-blocking pipe, which it owns from here on. */
  source(fd: number): Source;
  /** Writes to a non-blocking pipe, which it owns from here on. */
  sink(fd: number): Sink;
  /** Calls `action` when this thread ends before its process, if it can. */
  onThreadEnd?(action: () => void): void;
  /** Makes something that keeps the event loop alive after `ref()`. */
  keepAlive(): Refable;
  /** Calls `listener` after each SIGCHLD, from now on; must not keep the event loop alive. */
  onSigchld(listener: () => void): void;
}
