/**
 * The text of `explain()`: the calls of a child program, one a line, as strace(1) would print
 * them, without running anything.
 *
 * @module
 */

import { layout, type Mapping } from "../../core/descriptors.ts";
import { findStep, type Plan, stepOf } from "../../core/plan.ts";
import type { Step, Wire } from "../../core/steps.ts";
import type { Call } from "./call.ts";
import { type Circumstances, lower } from "./lower.ts";

/** Descriptors that are opened at run time get numbers from here on, which no one passes. */
const UNOPENED = 0x4000_0000;

/** How wide the names of steps are, the longest included. */
const WIDTH = 12;

/** The lines for a plan; `resets` as in {@linkcode Circumstances}. */
export function explainPlan(plan: Plan, resets?: readonly Call[]): string[] {
  const names = new Map<number, string>();
  const numbers = new Map<number, number>();
  const mappings = stepOf(plan, "fds").wires.map((wire, index): Mapping => {
    const { source, to } = wire;
    if (source.from === "fd") numbers.set(to, source.fd);
    else if (source.from === "same") numbers.set(to, numbers.get(source.as) ?? source.as);
    else {
      numbers.set(to, UNOPENED + index);
      names.set(UNOPENED + index, nameOf(wire));
    }
    return { from: numbers.get(to) ?? to, to };
  });
  const used = new Set(mappings.flatMap(({ from, to }) => [from, to]));
  let status = 3;
  while (used.has(status) || used.has(status + 1)) status++;
  const go = status + 1;
  names.set(status, "<status>").set(go, "<go>");
  const shakes = findStep(plan, "handshake") !== undefined;
  const { moves, free, reserved } = layout(mappings, shakes ? [status, go] : []);
  const [statusFd = status, goFd = go] = reserved;
  const circumstances: Circumstances = {
    moves,
    free,
    handshake: { status: statusFd, go: goFd },
    fdName: (fd) => names.get(fd) ?? String(fd),
    ...(resets === undefined ? {} : { resets }),
  };
  const linesOf = (steps: readonly Step[]) => {
    const { calls } = lower(steps, circumstances);
    return calls.filter((each) => each.repeats !== true).map(lineOf);
  };
  const at = plan.steps.findIndex((each) => each.step === "preExec");
  if (at < 0) return linesOf(plan.steps);
  const { hook } = stepOf(plan, "preExec");
  return [
    ...linesOf(plan.steps.slice(0, at)),
    `${"preExec".padEnd(WIDTH)} ${
      JSON.stringify(hook.module)
    } /* in this runtime, executed again */`,
    ...linesOf(plan.steps.slice(at + 1)),
  ];
}

function nameOf({ source, to }: Wire): string {
  switch (source.from) {
    case "null":
      return "</dev/null>";
    case "file":
      return `<${source.path}>`;
    case "pipe":
      return source.carries === "buffer" ? `<pipe: buffer ${to}>` : `<pipe: ${source.carries}>`;
    default:
      return `<${to}>`;
  }
}

function lineOf({ step, name, shown, note }: Call): string {
  const comment = note === undefined ? "" : ` /* ${note} */`;
  return `${step.padEnd(WIDTH)} ${name}(${shown.join(", ")})${comment}`;
}
