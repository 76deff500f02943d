/**
 * What the runtime that runs a hook is started with.
 *
 * @module
 */

/** Where the runtime finds what the hook is given. */
export interface HookNumbers {
  readonly image: number;
  /** Where the hook reports. */
  readonly status: number;
  readonly at: number;
  readonly length: number;
  /** The folder that the process was in, if it is in the root of the file system now. */
  readonly folder: number;
}

/** What a runtime that runs a hook is started with. */
export interface HookStart extends HookNumbers {
  /** The URL of the hook's module. */
  readonly module: string;
}
