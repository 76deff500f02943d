/**
 * Lowering: each step of a plan becomes system calls. The order is the plan's; nothing here knows
 * which step comes before which. Steps that take more than a call or two have files of their own.
 *
 * @module
 */

import type { FdMove } from "../../core/plan/descriptors.ts";
import { isPolluted, own } from "../../core/own.ts";
import { LIMIT_INFINITY } from "../../core/tables/limits.ts";
import type { PaletteArgument, PaletteCall } from "../../core/command/palette.ts";
import type { ChildSetup } from "../../core/plan/child_setup.ts";
import type { Plan } from "../../core/plan/plan.ts";
import type { ExecStep, Step } from "../../core/plan/steps.ts";
import { MASK } from "../../core/text/secret.ts";
import { SIGKILL } from "../../core/timing.ts";
import type { SyscallName } from "./arch.ts";
import {
  type Arg,
  type Call,
  call,
  type Cell,
  octal,
  type Program,
  SharedPrefix,
  text,
} from "./call.ts";
import { EXECUTING, READY } from "./protocol.ts";
import { RESET_ALL } from "./dispositions.ts";
import { DAEMON_CELLS, lowerDaemon } from "./lower_daemon.ts";
import { lowerIdentity } from "./lower_identity.ts";
import { lowerApparmor, lowerCore, lowerSelinux } from "./lower_labels.ts";
import { lowerPidFile, PIDFILE_CELLS } from "./lower_pid_file.ts";
import {
  lowerDieWithParent,
  type Parent,
  PARENT_CELLS,
  PR_SET_PDEATHSIG,
  STORE_PARENT_PID,
} from "./lower_parent.ts";
import { closeRange } from "./close_range.ts";
import {
  lowerCpuAffinity,
  lowerIoPriority,
  lowerNice,
  lowerOomScoreAdj,
  lowerScheduler,
} from "./lower_scheduling.ts";
import { F, O } from "../../core/tables/kernel.ts";
import type { Word } from "./word.ts";

/** An empty sigset_t of the kernel: one bit a signal, 64 of them. */
const NO_SIGNALS = { zeros: true } as const;

const SIG_SETMASK = 2;

const PR_SET_NO_NEW_PRIVS = 38;

/** The cell into which the parent's byte is read. */
const GO_BYTE = "go byte";

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

/**
 * The program of a plan in whose frame nothing is talked over. If the frame is kept, what becomes of
 * it in a layout is lowered only once, and the program says that it begins like others.
 */
export function lowerPlan(plan: Plan, lowerOptions: LowerOptions): Program {
  const { setup, exec } = plan;
  // What is closed one by one depends on what is open now.
  const isShared = setup.cached && lowerOptions.openBelow === undefined && !isPolluted();
  const prefix = isShared ? prefixOf(setup, lowerOptions) : undefined;
  if (prefix === undefined) return lower(plan.steps, lowerOptions);
  const last = lowerStep(exec, lowerOptions, []);
  return { calls: [...prefix.calls, ...last], cells: NO_CELLS, prefix };
}

const NO_CELLS: readonly Cell[] = [];

/** One child tends to have the layout of the one before it. */
const PREFIXES = new WeakMap<readonly FdMove[], WeakMap<ChildSetup, SharedPrefix>>();

/** What programs begin with that have a frame, if it can be the head of one. */
function prefixOf(setup: ChildSetup, system: LowerOptions): SharedPrefix | undefined {
  let heads = PREFIXES.get(system.moves);
  if (heads === undefined) PREFIXES.set(system.moves, heads = new WeakMap());
  const kept = heads.get(setup);
  if (kept !== undefined) return kept;
  const cells: Cell[] = [];
  const calls = lowerSteps(setup.steps, system, cells);
  if (cells.length > 0 || !calls.every(isPlain)) return undefined;
  const prefix = new SharedPrefix(calls);
  heads.set(setup, prefix);
  return prefix;
}

/** Whether a call goes on with the next one, and has to do with no other. */
function isPlain({ label, jumps, into }: Call): boolean {
  return label === undefined && jumps === undefined && into === undefined;
}

function lowerSteps(steps: readonly Step[], system: LowerOptions, cells: Cell[]): Call[] {
  const calls = steps.flatMap((step) => lowerStep(step, system, cells));
  const asks = system.parent === undefined && steps.some(({ step }) => step === "dieWithParent");
  return asks ? [STORE_PARENT_PID, ...calls] : calls;
}

function lowerStep(step: Step, system: LowerOptions, cells: Cell[]): readonly Call[] {
  switch (step.step) {
    case "signals":
      return system.resets ?? RESET_ALL;
    case "umask":
      return [call("umask", "umask", [step.mask], [octal(step.mask)])];
    case "fds":
      return system.moves.flatMap((move) => moveFd(move, system.fdName, system.openBelow));
    case "session":
      if (step.grouping.kind === "daemon") cells.push(...DAEMON_CELLS);
      return lowerGrouping(step.grouping, system.report);
    case "pidFile":
      cells.push(...PIDFILE_CELLS);
      return lowerPidFile(step.path, system.free());
    case "limits":
      return [setLimit(step)];
    case "preExec":
      throw new Error("preExec splits a plan in two; neither half has it");
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
      return [...lowerIdentity(step.ids, step.caps), ...(system.bound === true ? BIND : [])];
    case "chdir": {
      const { path } = step;
      return [{ ...call("chdir", "chdir", [{ text: path }], [text(path)]), path }];
    }
    case "noNewPrivs":
      return [call("noNewPrivs", "prctl", [PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0], [
        "PR_SET_NO_NEW_PRIVS",
        "1",
      ])];
    case "dieWithParent":
      cells.push(...PARENT_CELLS);
      return lowerDieWithParent(step.signal, system);
    case "step":
      return [paletteCall(step.call)];
    case "unblock":
      return UNBLOCK;
    case "handshake":
      cells.push({ name: GO_BYTE, size: 8 });
      return waitAtHandshake(system);
    case "exec":
      return [...announce(system.report), new Execute(step, system)];
    default:
      return step satisfies never;
  }
}

const UNBLOCK: readonly Call[] = [
  call("unblock", "rt_sigprocmask", [SIG_SETMASK, NO_SIGNALS, 0, 8], [
    "SIG_SETMASK",
    "[]",
    "NULL",
    "8",
  ]),
];

/** A change of credentials clears it. */
const BIND: readonly Call[] = [
  call("identity", "prctl", [PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0], ["PR_SET_PDEATHSIG", "SIGKILL"]),
];

function moveFd(
  move: FdMove,
  fdName: (fd: number) => string = String,
  openBelow: number | undefined,
): Call[] {
  switch (move.kind) {
    case "dup": {
      const flags = move.cloexec ? O.CLOEXEC : 0;
      const display = [fdName(move.from), String(move.to), move.cloexec ? "O_CLOEXEC" : "0"];
      return [call("fds", "dup3", [move.from, move.to, flags], display)];
    }
    case "keep":
      return [call("fds", "fcntl", [move.fd, F.SETFD, 0], [fdName(move.fd), "F_SETFD", "0"])];
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
      return [call("session", "setsid", [], [])];
    case "group":
      return [call("session", "setpgid", [0, grouping.pgid], ["0", String(grouping.pgid)])];
    case "daemon":
      return lowerDaemon(report);
    default:
      return grouping satisfies never;
  }
}

function setLimit(step: Extract<Step, { step: "limits" }>): Call {
  const value = (n: bigint) => n === LIMIT_INFINITY ? "RLIM64_INFINITY" : String(n);
  const display = `{rlim_cur=${value(step.soft)}, rlim_max=${value(step.hard)}}`;
  return {
    ...call("limits", "prlimit64", [0, step.resource, { words: [step.soft, step.hard] }, 0], [
      "0",
      `RLIMIT_${step.name.toUpperCase()}`,
      display,
      "NULL",
    ]),
    ...(step.note === undefined ? {} : { note: step.note }),
  };
}

function paletteCall({ name, args, shown, path }: PaletteCall): Call {
  const lowered = call("step", name as SyscallName | number, args.map(paletteArgument), shown);
  return path === undefined ? lowered : { ...lowered, path };
}

function paletteArgument(arg: PaletteArgument): Arg {
  if (arg === null) return 0;
  if (typeof arg === "string") return { text: arg };
  return arg instanceof Uint8Array ? { bytes: arg } : arg;
}

/**
 * The child reports that it is ready, and waits for the parent's byte. End of file instead of it
 * means that the parent has died, or does not want the program: then it never runs.
 */
function waitAtHandshake({ handshake, fdName }: LowerOptions): Call[] {
  const name = fdName ?? String;
  if (handshake === undefined) throw new Error("a handshake without a control channel");
  const { status, go } = handshake;
  return [
    {
      ...call("handshake", "write", [status, { bytes: new Uint8Array([READY]) }, 1], [
        name(status),
        '"\\1"',
        "1",
      ]),
      note: "report to the parent: ready",
    },
    {
      ...call("handshake", "read", [go, { cell: GO_BYTE }, 1], [name(go), "…", "1"]),
      note: "wait for its byte",
      jumps: { zero: ABANDONED, positive: RELEASED },
    },
    {
      ...call("handshake", "exit_group", [ABANDONED_STATUS], [String(ABANDONED_STATUS)]),
      label: ABANDONED,
      note: "if the parent is gone",
    },
  ];
}

const RELEASED = "released";
const ABANDONED = "abandoned";

/** The status of a child that was never released. */
export const ABANDONED_STATUS = 125;

/** Else end of file could as well mean that the child has died. */
function announce(report: number | undefined): Call[] {
  if (report === undefined) return [];
  const byte = { bytes: new Uint8Array([EXECUTING]) };
  return [{
    ...call("exec", "write", [report, byte, 1], [String(report), '"\\6"', "1"]),
    label: RELEASED,
  }];
}

/** What is shown of an execve(2) is seldom looked at, and long. */
class Execute implements Call {
  readonly step = "exec";
  readonly name = "execve";
  readonly args: readonly Arg[];
  readonly path: string;
  readonly label: string | undefined;
  readonly #exec: ExecStep;
  readonly #shared: boolean;

  constructor(exec: ExecStep, { environ, report, handshake }: LowerOptions) {
    this.#exec = exec;
    this.#shared = exec.inherits && environ !== undefined;
    const env = !this.#shared
      ? { texts: exec.env }
      : environ === "own" || environ === undefined
      ? { environ: true } as const
      : environ;
    this.args = [{ text: exec.path }, { texts: exec.argv }, env];
    this.path = exec.path;
    this.label = report === undefined && handshake !== undefined ? RELEASED : undefined;
  }

  get display(): string[] {
    return this.#showing(this.#exec.displayEnv);
  }

  get masked(): string[] {
    return this.#showing(this.#exec.displayEnv.map((each) => each.replace(/=.*/s, `=${MASK}`)));
  }

  #showing(environment: readonly string[]): string[] {
    const { path, displayArgv: shownArgv, inherits, env } = this.#exec;
    const program = [text(path), list(shownArgv)];
    if (this.#shared) return [...program, "/* all variables of the parent */"];
    if (!inherits) return [...program, list(environment)];
    return [...program, `/* all ${env.length} variables of the parent */`];
  }
}

function list(texts: readonly string[]): string {
  return `[${texts.map(text).join(", ")}]`;
}
