/**
 * The program of an exec in place. The process becomes a program file that holds the steps of the
 * plan and then becomes the program: from the first exec on there is no caller to throw an error to.
 * So the messages are part of the program: a step that fails writes to standard error what the error
 * would say, and ends the process with the status that env(1) would end with.
 *
 * The calls behind the steps are unrecorded: they must not hide the failure that they explain.
 *
 * @module
 */

import { errnoName, errnoNumbers, errnoText } from "../../core/tables/errno.ts";
import type { FdMove } from "../../core/plan/descriptors.ts";
import type { Plan } from "../../core/plan/plan.ts";
import type { Arch } from "./arch.ts";
import { type Call, call, maskedDisplayOf, type Program } from "./call.ts";
import { compareWord } from "./compare.ts";
import { elfOf } from "./elf.ts";
import { encodeForFile } from "./encode_file.ts";
import { reasonOf } from "./failure.ts";
import { lower } from "./lower.ts";
import { utf8Encoder } from "../../core/utf8.ts";

const STDERR = 2;

/** The statuses of env(1), nice(1) and libvirt. */
const [NOT_STARTED, NOT_EXECUTED, NOT_FOUND] = [125, 126, 127];

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

/** The program: the steps, and behind them the messages of those that fail. */
export function execProgram(
  plan: Plan,
  { moves, restore, close, parent }: ExecParts,
): Program {
  const at = plan.steps.findIndex(({ step }) => step === "fds") + 1;
  const lowerOptions = { moves, free: () => [], parent };
  const [first, rest] = [plan.steps.slice(0, at), plan.steps.slice(at)];
  const closing = close.map((fd) => call("fds", "close", [fd]));
  const before = lower(first, lowerOptions);
  const after = lower(rest, lowerOptions);
  const steps = [...restore, ...before.calls, ...closing, ...after.calls];
  const messages: Call[] = [];
  // At most one, which writes a label: for no other is errno explained.
  const labelled = steps.find(({ reasons }) => reasons !== undefined);
  const calls = steps.map((each, index): Call => {
    // For some calls a failure is expected, and the program goes on elsewhere.
    if (each.jumps?.error !== undefined) return each;
    const label = `exec: message ${index}`;
    const chain = each.step === "exec"
      ? EXEC_FAILED
      : each === labelled
      ? LABEL_FAILED
      : STEP_FAILED;
    messages.push(writeMessage(label, messageOf(each), chain));
    return { ...each, jumps: { ...each.jumps, error: label } };
  });
  const explanations = [
    ...explainErrno(STEP_FAILED, plan, () => NOT_STARTED),
    ...(labelled === undefined
      ? []
      : explainErrno(LABEL_FAILED, plan, () => NOT_STARTED, labelled)),
    ...explainErrno(EXEC_FAILED, plan, (code) => code === "ENOENT" ? NOT_FOUND : NOT_EXECUTED),
  ];
  const cells = [...before.cells, ...after.cells];
  return { calls: [...calls, ...messages, ...explanations], cells };
}

function messageOf(failed: Call): string {
  const { step, name } = failed;
  return `cannot start: step ${step}: ${name}(${maskedDisplayOf(failed).join(", ")}): `;
}

/** The labels at which the errno of a failed step, or of the exec of the program, is explained. */
const STEP_FAILED = "exec: a step failed";
const LABEL_FAILED = "exec: a label was refused";
const EXEC_FAILED = "exec: the exec failed";

/** Writes a text to standard error and goes on, whether it could be written or not. */
function writeMessage(label: string, text: string, next: string): Call {
  const bytes = utf8Encoder().encode(text);
  return {
    ...call("fds", "write", [STDERR, { bytes }, bytes.length]),
    unrecorded: true,
    label,
    jumps: { zero: next, positive: next, error: next },
  };
}

/**
 * Finds the errno of the failure by comparing, writes its name, and exits with its status. `failed`
 * is the call, if its own hint and reasons are to be written.
 */
function explainErrno(
  label: string,
  plan: Plan,
  statusOf: (code: string) => number,
  failed?: Call,
): Call[] {
  const errnos = errnoNumbers();
  const at = (index: number) => index === 0 ? label : `${label} ${index}`;
  const compares: Call[] = [];
  const texts: Call[] = [];
  errnos.forEach((errno, index) => {
    const found = `${label}: errno ${errno}`;
    const code = errnoName(errno);
    const end = `${label}: status ${statusOf(code)}`;
    compares.push({
      ...compareWord("fds", { failedResult: true }, 0x1_0000_0000 - errno),
      unrecorded: true,
      label: at(index),
      jumps: { zero: found, positive: found, error: at(index + 1) },
    });
    const reason = failed?.hint === undefined
      ? errnoText(errno)
      : `${failed.hint}${reasonOf(failed, code)}`;
    texts.push(writeMessage(found, `${code}: ${reason}`, end));
  });
  const statuses = [...new Set(errnos.map((errno) => statusOf(errnoName(errno))))];
  const unknown = `${label}: status ${statusOf("")}`;
  return [
    ...compares,
    writeMessage(at(errnos.length), "an errno without a name", unknown),
    ...texts,
    ...statuses.flatMap((status) => {
      const exit = `${label}: exit ${status}`;
      return [
        writeMessage(`${label}: status ${status}`, `; command: ${plan.command}\n`, exit),
        { ...call("fds", "exit_group", [status]), unrecorded: true, label: exit },
      ];
    }),
  ];
}
