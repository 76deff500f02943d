/**
 * The program of an exec in place. The process becomes a program file that holds the steps of the
 * plan and then becomes the program: from the first exec on there is nobody to throw to. So what a
 * failure says is part of the program: a step that fails writes to standard error what the error
 * would say, and ends the process with the status that the error would have.
 *
 * @module
 */

import { FUTEX_CMP_REQUEUE_PRIVATE } from "../../core/tables/kernel.ts";
import { errnoName, errnoNumbers, errnoText } from "../../core/tables/errno.ts";
import type { FdMove } from "../../core/plan/descriptors.ts";
import type { Plan } from "../../core/plan/plan.ts";
import type { Arch } from "./arch.ts";
import { type Call, call, type CallStep, type Program } from "./call.ts";
import { elfOf } from "./elf.ts";
import { encodeForFile } from "./encode_file.ts";
import { lower } from "./lower.ts";

const STDERR = 2;

/** The statuses of env(1), nice(1) and libvirt. */
const [NOT_STARTED, NOT_EXECUTED, NOT_FOUND] = [125, 126, 127];

const encoder = new TextEncoder();

/** What an exec in place does besides the steps of its plan. */
export interface ExecParts {
  readonly moves: readonly FdMove[];
  /** Before all steps. */
  readonly restore: readonly Call[];
  /** Descriptors to close once the others are in their places. */
  readonly close: readonly number[];
  /** The pid of this process's parent, which is that of the program too. */
  readonly parent: () => number;
}

/** The program file. */
export function execFile(arch: Arch, plan: Plan, parts: ExecParts): Uint8Array {
  return elfOf(arch, encodeForFile(arch, execProgram(plan, parts), undefined).bytes);
}

/** The program: the steps, and behind them what they say when they fail. */
export function execProgram(
  plan: Plan,
  { moves, restore, close, parent }: ExecParts,
): Program {
  const at = plan.steps.findIndex(({ step }) => step === "fds") + 1;
  const lowerOptions = { moves, free: () => [], parent };
  const [first, rest] = [plan.steps.slice(0, at), plan.steps.slice(at)];
  const closing = close.map((fd) => call("fds", "close", [fd], [String(fd)]));
  const before = lower(first, lowerOptions);
  const after = lower(rest, lowerOptions);
  const steps = [...restore, ...before.calls, ...closing, ...after.calls];
  const messages: Call[] = [];
  const calls = steps.map((each, index): Call => {
    // A failure that is expected goes on elsewhere.
    if (each.jumps?.error !== undefined) return each;
    const label = `exec: message ${index}`;
    const chain = each.step === "exec" ? EXEC_FAILED : STEP_FAILED;
    messages.push(say(label, messageOf(each), chain));
    return withJump(each, label);
  });
  const explain = [
    ...chainOf(STEP_FAILED, plan, () => NOT_STARTED),
    ...chainOf(EXEC_FAILED, plan, (code) => code === "ENOENT" ? NOT_FOUND : NOT_EXECUTED),
  ];
  const cells = [...before.cells, ...after.cells];
  return { calls: [...calls, ...messages, ...explain], cells };
}

/** A copy: what is shown of some calls is made when it is read. */
function withJump(original: Call, error: string): Call {
  return Object.create(original, {
    jumps: { value: { ...original.jumps, error }, enumerable: true },
  }) as Call;
}

function messageOf({ step, name, display, masked: masked = display }: Call): string {
  return `cannot start: step ${step}: ${name}(${masked.join(", ")}): `;
}

const STEP_FAILED = "exec: a step failed";
const EXEC_FAILED = "exec: the exec failed";

/** Writes a text to standard error and goes on, whatever comes of it. */
function say(label: string, text: string, next: string): Call {
  const bytes = encoder.encode(text);
  return {
    ...inner("fds", "write", [STDERR, { bytes }, bytes.length]),
    label,
    jumps: { zero: next, positive: next, error: next },
  };
}

/**
 * Says which errno it was. A program can only tell signs apart: futex(2) FUTEX_CMP_REQUEUE with
 * nobody to wake is zero if a word has the value in its last argument.
 */
function chainOf(label: string, plan: Plan, statusOf: (code: string) => number): Call[] {
  const errnos = errnoNumbers();
  const at = (index: number) => index === 0 ? label : `${label} ${index}`;
  const compares: Call[] = [];
  const texts: Call[] = [];
  errnos.forEach((errno, index) => {
    const found = `${label}: errno ${errno}`;
    const end = `${label}: status ${statusOf(errnoName(errno))}`;
    compares.push({
      ...inner("fds", "futex", [
        { failedResult: true },
        FUTEX_CMP_REQUEUE_PRIVATE,
        0,
        0,
        { failedResult: true },
        0x1_0000_0000 - errno,
      ]),
      label: at(index),
      jumps: { zero: found, positive: found, error: at(index + 1) },
    });
    texts.push(say(found, `${errnoName(errno)}: ${errnoText(errno)}`, end));
  });
  const statuses = [...new Set(errnos.map((errno) => statusOf(errnoName(errno))))];
  const unknown = `${label}: status ${statusOf("")}`;
  return [
    ...compares,
    say(at(errnos.length), "an errno without a name", unknown),
    ...texts,
    ...statuses.flatMap((status) => {
      const exit = `${label}: exit ${status}`;
      return [
        say(`${label}: status ${status}`, `; command: ${plan.command}\n`, exit),
        { ...inner("fds", "exit_group", [status]), label: exit },
      ];
    }),
  ];
}

/** A call that must not hide the failure which it is there to explain. */
function inner(step: CallStep, name: Call["name"], args: Call["args"]): Call {
  return { ...call(step, name, args, []), unrecorded: true };
}
