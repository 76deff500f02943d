/**
 * What a plan needs that a runtime's own spawner cannot do. It is refused before anything is
 * started, and never omitted or imitated.
 *
 * @module
 */

import { UnsupportedError } from "../../core/errors.ts";
import { type Feature, FEATURES } from "../../core/tables/features.ts";
import { findStep, type Plan } from "../../core/plan/plan.ts";
import type { Step } from "../../core/plan/steps.ts";
import { textOfFile } from "../posix/files.ts";

/** Returns which features the portable driver has: those of every runtime, and `extra` of one. */
export function portableFeatures(extra: readonly Feature[]): Record<Feature, boolean> {
  const has = new Set<Feature>(["runSync", ...extra]);
  const all = FEATURES.map((name): [Feature, boolean] => [name, has.has(name)]);
  return Object.fromEntries(all) as Record<Feature, boolean>;
}

/** Throws an UnsupportedError for the first thing in a plan that is not among the features. */
export function requireFeatures(
  plan: Plan,
  features: Readonly<Record<Feature, boolean>>,
  remedy: string,
): void {
  for (const step of plan.steps) {
    for (const feature of featuresOf(step)) {
      if (features[feature]) continue;
      throw new UnsupportedError({ feature, driver: "portable", remedy, command: plan.command });
    }
  }
}

/** Returns the features that a step needs; none if every driver has them. */
export function featuresOf(step: Step): Feature[] {
  switch (step.step) {
    case "signals":
    case "unblock":
    case "chdir":
    case "exec":
      return [];
    case "umask":
    case "pidFile":
    case "preExec":
    case "oomScoreAdj":
    case "cpuAffinity":
    case "ioPriority":
    case "nice":
    case "scheduler":
    case "noNewPrivs":
    case "step":
    case "dieWithParent":
    case "handshake":
      return [step.step];
    case "limits":
      return ["limit"];
    case "selinux":
      return ["selinuxLabel"];
    case "apparmor":
      return ["apparmorProfile"];
    case "fds":
      return step.childFds.flatMap(({ to, source }): Feature[] =>
        source.from === "pipe" && source.carries === "buffer"
          ? ["sendBuffer"]
          : to > 2
          ? ["passFd"]
          : []
      );
    case "session":
      return [{ session: "session", group: "processGroup", daemon: "daemonize" } as const]
        .map((names) => names[step.grouping.kind]);
    case "coreSched":
      return [step.scheduling.kind === "alone" ? "runAlone" : "runAmong"];
    case "identity":
      return [
        ...(step.caps === undefined ? [] : ["clearCaps", "allowCap"] as const),
        ...(step.ids === undefined ? [] : ["uid", "gid"] as const),
        ...(needsGroups(step) ? ["groups"] as const : []),
      ];
    default:
      return step satisfies never;
  }
}

/** Whether groups would be lost: a spawner that changes the user drops all supplementary groups. */
function needsGroups({ ids }: Extract<Step, { step: "identity" }>): boolean {
  return ids?.groups?.some((each) => each !== ids.gid) === true;
}

/**
 * Throws an UnsupportedError if a program that runs as another user would keep capabilities. An
 * exec drops those that are neither inheritable nor ambient, see capabilities(7); a spawner cannot
 * clear the others.
 */
export function requireCapsGone(plan: Plan): void {
  const uid = findStep(plan, "identity")?.ids?.uid;
  if (uid === undefined || uid === 0) return;
  const status = textOfFile("/proc/thread-self/status") ?? "";
  const kept = /^Cap(?:Inh|Amb):\s*0*[1-9a-f]/m.test(status);
  if (!kept) return;
  throw new UnsupportedError({
    feature: "uid",
    driver: "portable",
    reason: "inheritable or ambient capabilities of this process would survive it",
    remedy: "use the native or the launcher driver",
    command: plan.command,
  });
}
