/**
 * The programs of one plan after the other. Most start with the same calls, and differ only in their
 * exec: what the set-up of a command lowers to is kept, and then laid out in an arena only once, see
 * encode.ts.
 *
 * @module
 */

import { isPolluted } from "../../core/own.ts";
import type { ChildSetup } from "../../core/plan/child_setup.ts";
import type { FdMove } from "../../core/plan/descriptors.ts";
import type { Plan } from "../../core/plan/plan.ts";
import type { SetupStep } from "../../core/plan/steps.ts";
import { type Call, type Program, SharedPrefix } from "./call.ts";
import { lower, type LowerOptions } from "./lower.ts";
import { lowerExec } from "./lower_exec.ts";

/**
 * The steps that may be kept: their calls depend only on the step, on the moves of `fds`, and on how
 * signals are reset.
 */
const KEPT: ReadonlySet<SetupStep["step"]> = new Set<SetupStep["step"]>([
  "signals",
  "umask",
  "fds",
  "session",
  "limits",
  "chdir",
  "noNewPrivs",
  "step",
  "unblock",
]);

const NO_CELLS: Program["cells"] = [];

/** Lowers plans, for children that reset signals in one and the same way. */
export class PlanLowering {
  readonly #resets: readonly Call[];
  /** One child tends to have the layout of the one before it. */
  readonly #prefixes = new WeakMap<readonly FdMove[], WeakMap<ChildSetup, SharedPrefix>>();

  constructor(resets: readonly Call[]) {
    this.#resets = resets;
  }

  /**
   * The program of a plan that needs no control channel. If its set-up is kept, it is lowered only
   * once, and the program names it as its prefix.
   */
  lower(plan: Plan, given: Omit<LowerOptions, "resets">): Program {
    const { setup, exec } = plan;
    // Descriptors that are closed one by one depend on which are open now.
    const isCached = setup.cached && given.openBelow === undefined && !isPolluted();
    const prefix = isCached ? this.#prefixOf(setup, given) : undefined;
    if (prefix === undefined) return lower(plan.steps, { ...given, resets: this.#resets });
    const last = lowerExec(exec, given);
    return { calls: [...prefix.calls, ...last], cells: NO_CELLS, prefix };
  }

  /** What the programs of a set-up begin with, if it can be kept. */
  #prefixOf(setup: ChildSetup, given: Omit<LowerOptions, "resets">): SharedPrefix | undefined {
    let ofMoves = this.#prefixes.get(given.moves);
    if (ofMoves === undefined) this.#prefixes.set(given.moves, ofMoves = new WeakMap());
    const known = ofMoves.get(setup);
    if (known !== undefined) return known;
    if (!setup.steps.every(({ step }) => KEPT.has(step))) return undefined;
    const { calls, cells } = lower(setup.steps, { ...given, resets: this.#resets });
    if (cells.length > 0 || !calls.every(isPlain)) return undefined;
    const prefix = new SharedPrefix(calls);
    ofMoves.set(setup, prefix);
    return prefix;
  }
}

/** Whether a call goes on with the next one, and has to do with no other. */
function isPlain({ label, jumps, into }: Call): boolean {
  return label === undefined && jumps === undefined && into === undefined;
}
