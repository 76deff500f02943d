/**
 * What plans need to know about this machine and this process.
 *
 * @module
 */

/** Whether a path can be executed: `ok`, or the name of the errno. */
export type Access =
  | "ok"
  /** The runtime does not report it: the driver must look for the program. */
  | "unknown"
  | "ENOENT"
  | "EACCES"
  | "ENOTDIR"
  | (string & Record<never, never>);

/** Capability sets, a bit for each capability. */
export interface CapSets {
  readonly effective: bigint;
  readonly permitted: bigint;
  readonly inheritable: bigint;
}

/** An entry of the user database. */
export interface User {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** This machine and this process. Everything here is synchronous. */
export interface System {
  /** All variables of this process. */
  environment(): Record<string, string>;
  /** One variable of this process. */
  variable(name: string): string | undefined;
  /** The current folder, absolute. */
  currentFolder(): string;
  /** Whether a path is a file that this process may execute. */
  access(path: string): Access;
  /** Whether this process runs setuid, setgid or with file capabilities. */
  elevated(): boolean;
  /** The entry of the user database, by name or by number. */
  userByName(name: string): User | undefined;
  userById(uid: number): User | undefined;
  /** The groups that the database lists a user in, the given primary one included. */
  groupsOf(name: string, gid: number): number[];
  /** The capabilities of this process, and the highest one that the kernel knows. */
  capabilities(): CapSets & { readonly last: number };
  /**
   * The limit on open files that this process was started with, if it is known and the runtime has
   * changed it since. All three runtimes raise the soft limit to the hard one.
   */
  startingNofile(): { soft: bigint; hard: bigint; note: string } | undefined;
}
