/**
 * Lowering of the last steps: the handshake, at which a child waits for its parent, and the exec of
 * the program.
 *
 * @module
 */

import type { ExecStep } from "../../core/plan/steps.ts";
import { MASK } from "../../core/text/secret.ts";
import { type Arg, arg, type Call, call, text } from "./call.ts";
import type { LowerOptions } from "./lower.ts";
import { EXECUTING, READY } from "./protocol.ts";

/** The cell into which the parent's byte is read. */
export const GO_BYTE = "go byte";

const RELEASED = "released";
const ABANDONED = "abandoned";

/** The exit status of a child that was never released. */
export const ABANDONED_STATUS = 125;

/**
 * The child reports that it is ready, and waits for the parent's byte. End of file instead of it
 * means that the parent has died, or does not want the program: then it never runs.
 */
export function lowerHandshake({ handshake, fdName = String }: LowerOptions): Call[] {
  if (handshake === undefined) throw new Error("a handshake without a control channel");
  const { status, go } = handshake;
  const ready: Arg = { bytes: new Uint8Array([READY]), display: '"\\1"' };
  return [
    {
      ...call("handshake", "write", [arg(status, fdName(status)), ready, 1]),
      note: "report to the parent: ready",
    },
    {
      ...call("handshake", "read", [arg(go, fdName(go)), { cell: GO_BYTE }, 1]),
      note: "wait for its byte",
      jumps: { zero: ABANDONED, positive: RELEASED },
    },
    {
      ...call("handshake", "exit_group", [ABANDONED_STATUS]),
      label: ABANDONED,
      note: "if the parent is gone",
    },
  ];
}

/** The exec of the program; a child with a control channel announces it there. */
export function lowerExec(exec: ExecStep, lowerOptions: LowerOptions): Call[] {
  const { report, handshake } = lowerOptions;
  if (report === undefined) {
    return [execute(exec, lowerOptions, handshake === undefined ? undefined : RELEASED)];
  }
  const executing: Arg = { bytes: new Uint8Array([EXECUTING]), display: '"\\6"' };
  // Without it, end of file could as well mean that the child has died.
  const announce = { ...call("exec", "write", [report, executing, 1]), label: RELEASED };
  return [announce, execute(exec, lowerOptions, undefined)];
}

function execute(exec: ExecStep, lowerOptions: LowerOptions, label: string | undefined): Call {
  const { path, argv } = exec;
  const program: Arg = { text: path };
  const args: Arg = { texts: argv, display: () => list(exec.displayArgv) };
  const environment = environmentOf(exec, lowerOptions);
  return { step: "exec", name: "execve", args: [program, args, environment], path, label };
}

/**
 * The third argument of execve(2): copied, or the one that the child has inherited. The variables of
 * a plan are read from the runtime when they are first asked for: here only if they are copied.
 */
function environmentOf(exec: ExecStep, { environ }: LowerOptions): Arg {
  if (exec.inherits && typeof environ === "number") {
    return arg(environ, "/* all variables of the parent */");
  }
  if (exec.inherits && environ === "own") {
    return { environ: true, display: "/* all variables of the parent */" };
  }
  if (exec.inherits) {
    const { env } = exec;
    return { texts: env, display: `/* all ${env.length} variables of the parent */` };
  }
  return {
    texts: exec.env,
    display: () => list(exec.displayEnv),
    masked: () => list(exec.displayEnv.map((each) => each.replace(/=.*/s, `=${MASK}`))),
  };
}

function list(texts: readonly string[]): string {
  return `[${texts.map(text).join(", ")}]`;
}
