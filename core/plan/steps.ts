/**
 * The steps between clone and exec, as plain data.
 *
 * @module
 */

import type { Caps } from "./identity.ts";
import type { Ids } from "../command/spec.ts";
import type { PaletteCall } from "../command/palette.ts";
import type { IoPriority, Scheduler } from "../tables/scheduling.ts";
import type { CoreScheduling, Grouping, PreExec } from "../command/spec.ts";

/** Where a descriptor of the child comes from. */
export type FdSource =
  | { readonly from: "null" }
  | { readonly from: "fd"; readonly fd: number }
  | { readonly from: "pipe"; readonly carries: PipeName }
  | { readonly from: "same"; readonly as: number }
  | {
    readonly from: "file";
    readonly path: string;
    readonly access: "read" | "write" | "append";
    readonly mode: number;
  };

/** What a pipe between parent and child is for. */
export type PipeName = "stdin" | "stdout" | "stderr" | "buffer";

/** One descriptor of the child. */
export interface ChildFd {
  /** Its number in the child. */
  readonly to: number;
  readonly source: FdSource;
}

/** A step before the last. The `step` names are those of {@linkcode StepName}. */
export type SetupStep =
  | { readonly step: "signals" }
  | { readonly step: "umask"; readonly mask: number }
  | { readonly step: "fds"; readonly childFds: readonly ChildFd[] }
  | { readonly step: "session"; readonly grouping: Grouping }
  | {
    readonly step: "limits";
    readonly name: string;
    readonly resource: number;
    readonly soft: bigint;
    readonly hard: bigint;
    /** Why this limit is set, if the command did not ask for it. */
    readonly note?: string;
  }
  | { readonly step: "pidFile"; readonly path: string }
  | { readonly step: "preExec"; readonly hook: PreExec }
  | { readonly step: "oomScoreAdj"; readonly score: number }
  | { readonly step: "cpuAffinity"; readonly cpus: readonly number[] }
  | { readonly step: "ioPriority"; readonly priority: IoPriority }
  | { readonly step: "nice"; readonly value: number }
  | { readonly step: "scheduler"; readonly scheduler: Scheduler }
  | { readonly step: "selinux"; readonly label: string }
  | { readonly step: "apparmor"; readonly profile: string }
  | { readonly step: "coreSched"; readonly scheduling: CoreScheduling }
  | { readonly step: "identity"; readonly ids: Ids | undefined; readonly caps: Caps | undefined }
  | { readonly step: "chdir"; readonly path: string }
  | { readonly step: "noNewPrivs" }
  | { readonly step: "step"; readonly call: PaletteCall }
  | { readonly step: "dieWithParent"; readonly signal: number }
  | { readonly step: "handshake" }
  | { readonly step: "unblock" };

/** The last step. */
export interface ExecStep {
  readonly step: "exec";
  readonly path: string;
  readonly argv: readonly string[];
  readonly env: readonly string[];
  /** `argv` and `env` with secrets masked. */
  readonly displayArgv: readonly string[];
  readonly displayEnv: readonly string[];
  /** Whether `env` is the whole environment of the parent. */
  readonly inherits: boolean;
}

/** One step. */
export type Step = SetupStep | ExecStep;
