/**
 * Where a child leaves the memory that it shares with its parent. CLONE_VM shares more than bytes:
 * whether the process can be dumped and traced, memory-deny-write-execute, huge pages, locked memory
 * and the OOM score belong to the memory, and a change of credentials makes it undumpable. So only
 * children whose steps touch none of that run all of their plan in shared memory, while the parent
 * is suspended. All others do the first steps there, and the rest in *stage two*: a program file of
 * a few kilobytes that they execute, with an address space of its own.
 *
 * @module
 */

import type { PaletteCall } from "../../core/command/palette.ts";
import { findStep, type Plan } from "../../core/plan/plan.ts";
import { PR } from "../../core/tables/constants.ts";
import type { SetupStep } from "../../core/plan/steps.ts";

/** The steps that stage one makes of a plan with two stages, which are the first in any plan. */
const STAGE_ONE: ReadonlySet<SetupStep["step"]> = new Set<SetupStep["step"]>([
  "signals",
  "umask",
  "fds",
  "session",
]);

/** What changes neither memory nor credentials, and does not wait. */
const HARMLESS: ReadonlySet<SetupStep["step"]> = new Set<SetupStep["step"]>([
  ...STAGE_ONE,
  "limits",
  "chdir",
  "noNewPrivs",
  "dieWithParent",
  "unblock",
]);

/** Options of prctl(2) that change nothing but the calling task or process. */
const HARMLESS_PRCTL: ReadonlySet<number> = new Set([
  PR.PR_SET_PDEATHSIG,
  PR.PR_SET_NAME,
  PR.PR_SET_TIMERSLACK,
  PR.PR_SET_CHILD_SUBREAPER,
  PR.PR_SET_NO_NEW_PRIVS,
]);

/** Whether a plan needs an address space of its own. */
export function needsStageTwo(plan: Plan): boolean {
  return plan.setup.steps.some((each) => {
    if (each.step === "step") return !isHarmless(each.call);
    if (each.step === "session") return each.grouping.kind === "daemon";
    return !HARMLESS.has(each.step);
  });
}

/** What is not known to be harmless is not. */
function isHarmless({ name, args }: PaletteCall): boolean {
  const [first] = args;
  if (typeof first !== "number" && typeof first !== "bigint") return false;
  if (name === "prctl") return HARMLESS_PRCTL.has(Number(first));
  if (name === "prlimit64") return Number(first) === 0;
  return name === "personality";
}

/** The steps before exec, cut in two. */
export function cutInStages(
  plan: Plan,
): { readonly one: readonly SetupStep[]; readonly two: readonly SetupStep[] } {
  const { steps } = plan.setup;
  const cut = steps.findIndex((each) => !STAGE_ONE.has(each.step));
  return cut < 0 ? { one: steps, two: [] } : { one: steps.slice(0, cut), two: steps.slice(cut) };
}

/** Whether the child is a daemon from stage one on. */
export function isDaemon(plan: Plan): boolean {
  return findStep(plan, "session")?.grouping.kind === "daemon";
}
