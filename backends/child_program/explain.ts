/**
 * The text of `explain()`: the calls of a child program, one a line, as strace(1) would print
 * them, without running anything.
 *
 * @module
 */

import { layout, type Mapping } from "../../core/plan/descriptors.ts";
import { ORDER } from "../../core/plan/order.ts";
import { defined } from "../../core/own.ts";
import { findStep, type Plan, stepOf } from "../../core/plan/plan.ts";
import type { ChildFd, Step } from "../../core/plan/steps.ts";
import { type Call, displayOf } from "./call.ts";
import { lower, type LowerOptions } from "./lower.ts";
import { executeFile } from "./execute_file.ts";
import { cutInStages, needsStageTwo } from "./stages.ts";

/** Descriptors that are opened at run time get numbers from here on, which no one passes. */
const UNOPENED = 0x4000_0000;

/** How wide the names of steps are, the longest included. */
const WIDTH = Math.max(...ORDER.map((name) => name.length));

/** What is particular to a driver. */
export interface ExplainOptions {
  /** As in {@linkcode LowerOptions}. */
  readonly resets?: readonly Call[];
  /** How the child goes on with its second stage, if the driver has any. */
  readonly stage?: "memfd" | "copy";
}

/** The lines for a plan. */
export function explainPlan(plan: Plan, { resets, stage }: ExplainOptions = {}): string[] {
  const names = new Map<number, string>();
  const numbers = new Map<number, number>();
  const mappings = stepOf(plan, "fds").childFds.map((childFd, index): Mapping => {
    const { source, to } = childFd;
    if (source.from === "fd") numbers.set(to, source.fd);
    else if (source.from === "same") numbers.set(to, numbers.get(source.as) ?? source.as);
    else {
      numbers.set(to, UNOPENED + index);
      names.set(UNOPENED + index, nameOf(childFd));
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
  const lowerOptions: LowerOptions = {
    moves,
    free,
    handshake: { status: statusFd, go: goFd },
    // It is not shown.
    parent: () => 0,
    fdName: (fd) => names.get(fd) ?? String(fd),
    ...defined({ resets }),
  };
  const linesOf = (steps: readonly Step[]) => {
    const { calls } = lower(steps, lowerOptions);
    return calls.filter((each) => each.repeats !== true).map(lineOf);
  };
  const { one, two } = cutInStages(plan);
  const staged = stage !== undefined && needsStageTwo(plan);
  const beginning = staged ? [...linesOf(one), stageLine(stage)] : linesOf(one);
  const rest: Step[] = [...two, plan.exec];
  const at = rest.findIndex((each) => each.step === "preExec");
  if (at < 0) return [...beginning, ...linesOf(rest)];
  const { hook } = stepOf(plan, "preExec");
  return [
    ...beginning,
    ...linesOf(rest.slice(0, at)),
    `${"preExec".padEnd(WIDTH)} ${JSON.stringify(hook.module)} /* in ${
      hook.runtime ?? "this runtime, executed again"
    } */`,
    ...linesOf(rest.slice(at + 1)),
  ];
}

/** Where the child leaves the memory of its parent. */
function stageLine(stage: "memfd" | "copy"): string {
  return stage === "memfd"
    ? lineOf(executeFile("<memfd>"))
    : `${"clone".padEnd(WIDTH)} /* from the start in a copy of this process's memory */`;
}

function nameOf({ source, to }: ChildFd): string {
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

function lineOf(call: Call): string {
  const { step, name, note } = call;
  const comment = note === undefined ? "" : ` /* ${note} */`;
  return `${step.padEnd(WIDTH)} ${name}(${displayOf(call).join(", ")})${comment}`;
}
