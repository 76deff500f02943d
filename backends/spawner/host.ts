/**
 * What the drivers for Linux need from a runtime besides libc: an event loop that reads and writes
 * pipes, reports of children that ended, and a way to keep running. Each runtime folder implements
 * it.
 *
 * @module
 */

import type { Sink, Source } from "../../core/backend.ts";
import type { HookCommand, HookRequest } from "../child_program/hook_start.ts";

/** The runtime, as the drivers use it. */
export interface Host {
  /** `deno`, `bun` or `node`. */
  readonly runtime: string;
  /** The runtime's own version. */
  readonly version: string;
  /** All variables of this process. */
  environment(): Record<string, string>;
  /**
   * All variables; undefined if the runtime's permissions do not allow this process to read them.
   */
  environmentIfAllowed?(): Record<string, string> | undefined;
  /** One variable of this process. */
  variable(name: string): string | undefined;
  /** The current folder, absolute. */
  currentFolder(): string;
  /**
   * Throws the runtime's own error for a program that its permissions do not allow: FFI is not
   * subject to them. `environment` returns the variables of the program, as NAME=VALUE.
   */
  checkRun?(path: string, environment: () => Iterable<string>): void;
  /** Throws the same error for a file. */
  checkFile?(path: string, access: "read" | "write"): void;
  /**
   * Closes a descriptor that the runtime has a record of; false if it has none. If the descriptor
   * was closed by close(2), the record would apply to the next file with the same number.
   */
  closeRecorded?(fd: number): boolean;
  /**
   * Whether this thread lives as long as its process. A worker may be terminated at any time: then
   * no more JavaScript runs, and only what the runtime owns is closed.
   */
  readonly lasting: boolean;
  /** Whether the runtime closes the files of a thread that is terminated. */
  readonly closesFiles: boolean;
  /** Opens one end of a pipe, non-blocking, for `source` and `sink`. Default: node:fs does. */
  openPipe?(path: string, flags: number): Promise<number>;
  /**
   * Takes ownership of a pipe, so that it is closed when this thread ends. Returns another
   * descriptor of it, which only `closeRecorded` closes; undefined if this is not allowed.
   */
  adopt?(fd: number, flags: number): number | undefined;
  /** Returns how a runtime is executed that runs a hook; throws an UnsupportedError if none can. */
  hook(request: HookRequest): HookCommand;
  /** Returns a source over a non-blocking pipe, which the source owns. */
  source(fd: number): Source;
  /** Returns a sink over a non-blocking pipe, which the sink owns. */
  sink(fd: number): Sink;
  /** Calls `action` when this thread ends before its process does, if the runtime can. */
  onThreadEnd?(action: () => void): void;
  /**
   * Calls `listener` after each SIGCHLD that the runtime reports; returns what removes it. Must not
   * keep the event loop alive.
   */
  onSigchld(listener: () => void): () => void;
  /**
   * Whether the listener is removed when no child is left: for a test runner that reports it, or a
   * realm that ends before its process.
   */
  readonly stopsListening: boolean;
}
