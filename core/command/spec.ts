/**
 * The spec: what a command asks for, as frozen data. A run works on a spec, so that changes to the
 * builder do not affect a child that is running.
 *
 * @module
 */

import type { EnvOp } from "./env_ops.ts";
import type { LimitName } from "../tables/limits.ts";
import type { PaletteCall } from "./palette.ts";
import type { IoPriority, Scheduler } from "../tables/scheduling.ts";
import type { Word } from "../text/secret.ts";
import type { OutputForm, StdinForm } from "./stdio.ts";

/** A resource limit to set. */
export interface LimitSpec {
  readonly name: LimitName;
  readonly resource: number;
  readonly soft: bigint;
  readonly hard: bigint;
}

/** A descriptor of the parent to pass on. */
export interface PassedFd {
  /** The number in the parent. */
  readonly fd: number;
  /** The number in the child. */
  readonly as: number;
}

/** Bytes that the child can read from a descriptor. */
export interface SendBuffer {
  /** The number in the child. */
  readonly as: number;
  readonly bytes: Uint8Array;
}

/** The child's session and process group. */
export type Grouping =
  | { readonly kind: "session" }
  /** A new session that it does not lead; its parent is init. */
  | { readonly kind: "daemon" }
  | { readonly kind: "group"; readonly pgid: number };

/** The processes with which the child may share a core, see core-scheduling in the kernel's docs. */
export type CoreScheduling =
  | { readonly kind: "alone" }
  | { readonly kind: "among"; readonly pid: number };

/** A JavaScript module to run in the child. */
export interface PreExec {
  /** Its URL; in a spec, a path as well. */
  readonly module: string;
  /** Its data, as JSON. */
  readonly data: string;
  /** The path of the runtime that runs it, absolute in a plan; undefined for the one of this process. */
  readonly runtime: string | undefined;
}

/** Everything that a {@linkcode Command} asks for, at one moment. */
export interface Spec {
  readonly binary: string;
  readonly arg0: Word | undefined;
  readonly args: readonly Word[];
  readonly envOps: readonly EnvOp[];
  /** The names of variables whose value is secret. */
  readonly secretEnv: ReadonlySet<string>;
  /** The secret texts themselves, for masking them in free text. */
  readonly secrets: readonly string[];
  readonly cwd: string | undefined;
  readonly umask: number | undefined;
  readonly limits: readonly LimitSpec[];
  readonly grouping: Grouping | undefined;
  readonly stdin: StdinForm | undefined;
  readonly stdout: OutputForm | undefined;
  readonly stderr: OutputForm | undefined;
  readonly passed: readonly PassedFd[];
  readonly buffers: readonly SendBuffer[];
  readonly nonblocking: boolean;
  readonly pidFile: string | undefined;
  readonly user: string | undefined;
  readonly uid: number | undefined;
  readonly gid: number | undefined;
  readonly groups: readonly number[] | undefined;
  readonly clearCaps: boolean;
  readonly allowedCaps: readonly number[];
  readonly selinuxLabel: string | undefined;
  readonly apparmorProfile: string | undefined;
  readonly coreScheduling: CoreScheduling | undefined;
  readonly steps: readonly PaletteCall[];
  readonly preExec: PreExec | undefined;
  readonly oomScoreAdj: number | undefined;
  readonly cpuAffinity: readonly number[] | undefined;
  readonly ioPriority: IoPriority | undefined;
  readonly nice: number | undefined;
  readonly scheduler: Scheduler | undefined;
  readonly noNewPrivs: boolean;
  /** The number of the signal. */
  readonly dieWithParent: number | undefined;
  readonly handshake: boolean;
}

/** The ids of a program. Those that are undefined are not changed. */
export interface Ids {
  /** The user id. */
  readonly uid: number | undefined;
  /** The primary group id. */
  readonly gid: number | undefined;
  /** The supplementary groups, all of them. */
  readonly groups: readonly number[] | undefined;
}
