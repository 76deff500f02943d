/**
 * What the runtime that runs a hook is started with.
 *
 * @module
 */

import type { PreExec } from "../../core/command/spec.ts";
import type { DriverName } from "../../core/drivers.ts";

/** The system calls that the program of a hook makes, and their numbers. */
export interface HookCalls {
  readonly close: number;
  readonly execve: number;
  readonly execveat: number;
  readonly fchdir: number;
  readonly fcntl: number;
  readonly mmap: number;
  readonly pread64: number;
  readonly readlinkat: number;
  readonly write: number;
}

/** Where the runtime finds what the hook is given. */
export interface HookNumbers {
  readonly image: number;
  /** Where the hook reports. */
  readonly status: number;
  readonly at: number;
  readonly length: number;
  /** The folder that the process was in, if it is in the root of the file system now. */
  readonly folder: number;
  readonly calls: HookCalls;
}

/** What a runtime that runs a hook is started with. */
export interface HookStart extends HookNumbers {
  /** The URL of the hook's module. */
  readonly module: string;
}

/** The hook of a plan. */
export interface HookRequest {
  readonly hook: PreExec;
  /** The driver that starts the program, and the command as people read it. */
  readonly driver: DriverName;
  readonly command: string;
}

/** The runtime that runs a hook. */
export interface HookCommand {
  /** Its executable. */
  readonly path: string;
  /** Whether it is the runtime of this process. Then it has FFI if this process has it. */
  readonly isOwn: boolean;
  /** Returns the argument list that has it run the hook. */
  argv(start: HookStart): readonly string[];
}
