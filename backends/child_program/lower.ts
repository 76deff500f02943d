/**
 * Lowering: each step of a plan becomes system calls. The order is the plan's; nothing here knows
 * which step comes before which. Steps that take more than a call or two have files of their own.
 *
 * @module
 */

import { isBytes } from "../../core/bytes.ts";
import type { FdMove } from "../../core/plan/descriptors.ts";
import { defined, isPolluted, own } from "../../core/own.ts";
import { PR } from "../../core/tables/constants.ts";
import { F, O, SIG } from "../../core/tables/kernel.ts";
import { LIMIT_INFINITY } from "../../core/tables/limits.ts";
import type { PaletteArgument, PaletteCall } from "../../core/command/palette.ts";
import type { Step } from "../../core/plan/steps.ts";
import { SIGKILL } from "../../core/timing.ts";
import type { SyscallName } from "./arch.ts";
import { type Arg, arg, type Call, call, type Cell, NULL, octal, type Program } from "./call.ts";
import { closeRange } from "./close_range.ts";
import { RESET_ALL } from "./dispositions.ts";
import { DAEMON_CELLS, lowerDaemon } from "./lower_daemon.ts";
import { GO_BYTE, lowerExec, lowerHandshake } from "./lower_exec.ts";
import { lowerIdentity } from "./lower_identity.ts";
import { lowerApparmor, lowerCore, lowerSelinux } from "./lower_labels.ts";
import { lowerPidFile } from "./lower_pid_file.ts";
import { PIDFILE_CELLS } from "./pid_file_cells.ts";
import {
  lowerDieWithParent,
  type Parent,
  PARENT_CELLS,
  PDEATHSIG,
  STORE_PARENT_PID,
} from "./lower_parent.ts";
import {
  lowerCpuAffinity,
  lowerIoPriority,
  lowerNice,
  lowerOomScoreAdj,
  lowerScheduler,
} from "./lower_scheduling.ts";
import type { Word } from "./word.ts";

/** An empty sigset_t of the kernel: one bit a signal, 64 of them. */
const NO_SIGNALS: Arg = { zeros: true, display: "[]" };

/** What the lowering needs to know besides the plan. */
export interface LowerOptions extends Parent {
  /** What resets the dispositions of signals. Default: {@linkcode RESET_ALL}. */
  readonly resets?: readonly Call[];
  /** What becomes of the `fds` step. */
  readonly moves: readonly FdMove[];
  /** Without close_range(2): a number that no open descriptor reaches. */
  readonly openBelow?: number | undefined;
  /** Numbers that are free in the child once `fds` is done, lowest first. */
  readonly free: () => readonly number[];
  /** How a descriptor of the parent is shown. Default: by its number. */
  readonly fdName?: (fd: number) => string;
  /**
   * Where the environment stands, for a child that inherits it: the parent's own, in shared memory,
   * or `own` for what the program file was executed with. Else it is copied.
   */
  readonly environ?: Word | "own";
  /** The child's end of the control channel, if it does not share its parent's memory. */
  readonly report?: number;
  /** Where a child reports that it is ready, and where it waits for the parent's byte. */
  readonly handshake?: { readonly status: number; readonly go: number };
  /** The flags of the child's descriptors, which a hook's runtime may have changed. */
  readonly blocking?: readonly { readonly fd: number; readonly flags: number }[];
}

/** The child program of some steps. */
export function lower(steps: readonly Step[], given: LowerOptions): Program {
  const cells: Cell[] = [];
  const lowerOptions = isPolluted() ? own(given) : given;
  return { calls: lowerSteps(steps, lowerOptions, cells), cells, prefix: undefined };
}

function lowerSteps(steps: readonly Step[], lowerOptions: LowerOptions, cells: Cell[]): Call[] {
  const calls = steps.flatMap((step) => lowerStep(step, lowerOptions, cells));
  const asks = lowerOptions.parent === undefined &&
    steps.some(({ step }) => step === "dieWithParent");
  return asks ? [STORE_PARENT_PID, ...calls] : calls;
}

function lowerStep(step: Step, lowerOptions: LowerOptions, cells: Cell[]): readonly Call[] {
  switch (step.step) {
    case "signals":
      return lowerOptions.resets ?? RESET_ALL;
    case "umask":
      return [call("umask", "umask", [arg(step.mask, octal(step.mask))])];
    case "fds":
      return lowerOptions.moves.flatMap((move) => moveFd(move, lowerOptions));
    case "session":
      if (step.grouping.kind === "daemon") cells.push(...DAEMON_CELLS);
      return lowerGrouping(step.grouping, lowerOptions.report);
    case "pidFile":
      cells.push(...PIDFILE_CELLS);
      return lowerPidFile(step.path, lowerOptions.free());
    case "limits":
      return [setLimit(step)];
    case "preExec":
      throw new Error("a plan is split at its hook before it is lowered");
    case "oomScoreAdj":
      return lowerOomScoreAdj(step.score);
    case "cpuAffinity":
      return [lowerCpuAffinity(step.cpus)];
    case "ioPriority":
      return [lowerIoPriority(step.priority)];
    case "nice":
      return [lowerNice(step.value)];
    case "scheduler":
      return [lowerScheduler(step.scheduler)];
    case "selinux":
      return lowerSelinux(step.label);
    case "apparmor":
      return lowerApparmor(step.profile);
    case "coreSched":
      return [lowerCore(step.scheduling)];
    case "identity":
      return [
        ...lowerIdentity(step.ids, step.caps),
        ...(lowerOptions.bound === true ? BIND : []),
      ];
    case "chdir":
      return [{ ...call("chdir", "chdir", [{ text: step.path }]), path: step.path }];
    case "noNewPrivs":
      return NO_NEW_PRIVS;
    case "dieWithParent":
      cells.push(...PARENT_CELLS);
      return lowerDieWithParent(step.signal, lowerOptions);
    case "step":
      return [paletteCall(step.call)];
    case "unblock":
      return UNBLOCK;
    case "handshake":
      cells.push({ name: GO_BYTE, size: 8 });
      return lowerHandshake(lowerOptions);
    case "exec":
      return lowerExec(step, lowerOptions);
    default:
      return step satisfies never;
  }
}

const UNBLOCK: readonly Call[] = [
  call("unblock", "rt_sigprocmask", [arg(SIG.SETMASK, "SIG_SETMASK"), NO_SIGNALS, NULL, 8]),
];

const NO_NEW_PRIVS: readonly Call[] = [
  call("noNewPrivs", "prctl", [arg(PR.PR_SET_NO_NEW_PRIVS, "PR_SET_NO_NEW_PRIVS"), 1]),
];

/** A change of credentials clears the signal, see PR_SET_PDEATHSIG(2const). */
const BIND: readonly Call[] = [call("identity", "prctl", [PDEATHSIG, arg(SIGKILL, "SIGKILL")])];

function moveFd(move: FdMove, { fdName = String, openBelow }: LowerOptions): Call[] {
  switch (move.kind) {
    case "dup": {
      const flags = move.cloexec ? arg(O.CLOEXEC, "O_CLOEXEC") : 0;
      return [call("fds", "dup3", [arg(move.from, fdName(move.from)), move.to, flags])];
    }
    case "keep":
      return [call("fds", "fcntl", [arg(move.fd, fdName(move.fd)), arg(F.SETFD, "F_SETFD"), 0])];
    case "closeRange":
      return closeRange("fds", move.first, move.last, openBelow);
    default:
      return move satisfies never;
  }
}

function lowerGrouping(
  grouping: Extract<Step, { step: "session" }>["grouping"],
  report: number | undefined,
): Call[] {
  switch (grouping.kind) {
    case "session":
      return [call("session", "setsid")];
    case "group":
      return [call("session", "setpgid", [0, grouping.pgid])];
    case "daemon":
      return lowerDaemon(report);
    default:
      return grouping satisfies never;
  }
}

function setLimit({ name, resource, soft, hard, note }: Extract<Step, { step: "limits" }>): Call {
  const value = (n: bigint) => n === LIMIT_INFINITY ? "RLIM64_INFINITY" : String(n);
  const limit: Arg = {
    words: [soft, hard],
    display: `{rlim_cur=${value(soft)}, rlim_max=${value(hard)}}`,
  };
  const args = [0, arg(resource, `RLIMIT_${name.toUpperCase()}`), limit, NULL];
  return { ...call("limits", "prlimit64", args), ...defined({ note }) };
}

function paletteCall({ name, args, shown, path }: PaletteCall): Call {
  const lowered = args.map((each, i) => paletteArgument(each, shown[i] ?? "…"));
  return { ...call("step", name as SyscallName | number, lowered), ...defined({ path }) };
}

function paletteArgument(given: PaletteArgument, display: string): Arg {
  if (given === null) return arg(0, display);
  if (typeof given === "string") return { text: given, display };
  return isBytes(given) ? { bytes: given, display } : arg(given, display);
}
