/**
 * The order of steps between clone and exec. It is a security property, so it stands here and
 * nowhere else, as data; {@linkcode inOrder} is the only way in which steps are put together.
 *
 * @module
 */

/**
 * Every step, first to last, and why it comes where it comes:
 *
 * - `signals`: all are blocked since before the clone. Dispositions go back to default before
 *   anything else, since the child shares memory with its parent: none of the parent's handlers
 *   may ever run in it.
 * - `umask`: before anything creates a file.
 * - `fds`: early, so that a child that goes on to talk to its parent holds no copy of the pipes it
 *   waits on.
 * - `session`: descriptors are in place, and nothing was given up yet.
 * - `pidFile`: by the final process of a daemon, since others ask the lock for its pid, and still
 *   as the user who may write there.
 * - `limits`: while still privileged enough to raise a hard limit; after `fds`, because the layout
 *   may need numbers above a lowered `nofile`.
 * - `preExec`: with the final descriptors and limits, and before any privilege is given up.
 * - `oomScoreAdj`: after the hook, whose runtime is no better victim than this one; while the right
 *   to lower it is there.
 * - `cpuAffinity`, `ioPriority`, `nice`, `scheduler`: after the hook, whose runtime must not run
 *   niced; while there is the right to be more than ordinary. The policy is the last of them, since
 *   a child of SCHED_IDLE gets on only when nobody else wants to.
 * - `selinux`, `apparmor`: labels for the exec to come; a new user might not be allowed to ask.
 * - `coreSched`: the core scheduling cookie, while capabilities are there.
 * - `identity`: groups before gid before uid, for each takes away the right to do the next.
 * - `capabilities`: those that survive the change of user; see lowering for how the two interlock.
 * - `chdir`: as the user that the program will have, so that a folder it may not enter is refused.
 * - `noNewPrivs`: after the ids, so that no security module takes their change for a gain; before
 *   further steps, since without privileges a filter of system calls cannot be installed else.
 * - `step`: the extra calls of the command, in its own order, as the process will be.
 * - `dieWithParent`: after everything that may change ids or capabilities, which undoes it.
 * - `unblock`: as late as possible. What was sent meanwhile is delivered to default dispositions.
 * - `handshake`: with everything done but the exec; a signal must be able to end the wait.
 * - `exec`: the last.
 */
export const ORDER = [
  "signals",
  "umask",
  "fds",
  "session",
  "pidFile",
  "limits",
  "preExec",
  "oomScoreAdj",
  "cpuAffinity",
  "ioPriority",
  "nice",
  "scheduler",
  "selinux",
  "apparmor",
  "coreSched",
  "identity",
  "capabilities",
  "chdir",
  "noNewPrivs",
  "step",
  "dieWithParent",
  "unblock",
  "handshake",
  "exec",
] as const;

/** The name of a step. */
export type StepName = typeof ORDER[number];

const RANK = Object.fromEntries(ORDER.map((name, i) => [name, i])) as Record<StepName, number>;

/** Sorts steps into {@linkcode ORDER}; those of one kind keep their order. */
export function inOrder<S extends { readonly step: StepName }>(steps: readonly S[]): S[] {
  const ordered: S[] = [];
  for (const step of steps) {
    // Most steps come in order already: then this is faster than what sorts anything.
    const rank = RANK[step.step];
    let at = ordered.length;
    while (at > 0 && RANK[ordered[at - 1]?.step ?? step.step] > rank) at--;
    if (at === ordered.length) ordered.push(step);
    else ordered.splice(at, 0, step);
  }
  return ordered;
}
