/**
 * What the runtime that runs a hook is started with.
 *
 * @module
 */

/** Where the runtime finds what the hook is to know. */
export interface HookNumbers {
  readonly image: number;
  readonly tell: number;
  readonly at: number;
  readonly length: number;
  /** The folder that the process was in, if it is in the root of the file system now. */
  readonly folder: number;
}

/** What a runtime is told that is to run a hook. */
export interface HookStart extends HookNumbers {
  /** The URL of the hook's module. */
  readonly module: string;
}
