/**
 * The control channel: what a child and its parent send each other before the program runs. The
 * child reports its progress as single bytes, some with data behind them; end of file means that it
 * has exec'ed, since the channel is closed on exec, or that it is gone. The parent sends one byte
 * for each wait of the child; end of file means to the child that its parent has died.
 *
 * A native child has a pipe for each direction, a child of the launcher one socket for both. Nothing
 * is imported here: the runtime that runs a hook loads this file.
 *
 * @module
 */

import { decodeUtf8 } from "../../core/utf8.ts";

/** The child waits at its handshake: everything but the exec is done. */
export const READY = 1;

/** A child program gave up; its notes follow, to the end. */
export const FAILED = 2;

/** A hook failed; a {@linkcode HookFailure} as JSON follows, to the end. */
export const HOOK_FAILED = 3;

/** The hook is done, and the program behind it has begun. */
export const HOOK_DONE = 4;

/** Launcher: the child's pipes are there, to be opened by way of /proc. */
export const PIPES = 5;

/** The next call is the execve(2) of the program. */
export const EXECUTING = 6;

/** The child is a daemon; its pid follows in eight bytes. */
export const DAEMON = 7;

/** What the parent sends: go on. */
export const GO: Uint8Array<ArrayBuffer> = new Uint8Array([1]);

/** What a child has reported so far. */
export interface Status {
  readonly pipes: boolean;
  readonly ready: boolean;
  readonly hookDone: boolean;
  /** Without this, end of file means that the child has ended before its program. */
  readonly executing: boolean;
  readonly daemonPid: number | undefined;
  /** The notes of a program that gave up. */
  readonly notes: Uint8Array | undefined;
  /** The failure of a hook, as JSON. */
  readonly hookFailure: string | undefined;
}

/** What a hook reports when it fails. */
export interface HookFailure {
  readonly message: string;
  readonly stack?: string;
  readonly errno?: number;
}

/** Parses what was read from a control channel. */
export function parseStatus(bytes: Uint8Array): Status {
  const status: { -readonly [K in keyof Status]: Status[K] } = {
    pipes: false,
    ready: false,
    hookDone: false,
    executing: false,
    daemonPid: undefined,
    notes: undefined,
    hookFailure: undefined,
  };
  for (let at = 0; at < bytes.length; at++) {
    const rest = bytes.subarray(at + 1);
    switch (bytes[at]) {
      case PIPES:
        status.pipes = true;
        break;
      case READY:
        status.ready = true;
        break;
      case HOOK_DONE:
        status.hookDone = true;
        break;
      case EXECUTING:
        status.executing = true;
        break;
      case DAEMON:
        if (rest.length < 8) return status;
        status.daemonPid = new DataView(rest.buffer, rest.byteOffset).getInt32(0, true);
        at += 8;
        break;
      case FAILED:
        return { ...status, notes: rest };
      case HOOK_FAILED:
        return { ...status, hookFailure: decodeUtf8(rest) };
    }
  }
  return status;
}

/** The parent's end of a control channel. */
export interface ControlChannel {
  /** Sends bytes; a child that is gone does not read them. */
  write(bytes: Uint8Array): void;
  /** Sets what is called with all that arrives, and at the end of file. Called once. */
  listen(received: (bytes: Uint8Array) => void, ended: () => void): void;
  close(): void;
  /** Lets waiting for the child keep the event loop alive. It does at first. */
  ref(): void;
  unref(): void;
}
