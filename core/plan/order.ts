/**
 * The order of the steps between clone and exec. It is a security property, so it is defined here
 * only, as data. {@linkcode inOrder} is the only function that puts steps together.
 *
 * @module
 */

/**
 * Every step, first to last, and the reason for its place:
 *
 * - `signals`: all have been blocked since before the clone. Dispositions are reset first, since the
 *   child shares memory with its parent: no handler of the parent may ever run in it.
 * - `umask`: before anything creates a file.
 * - `fds`: early, so that a child that communicates with its parent later has no copy of the pipes
 *   it waits for.
 * - `session`: after the descriptors, and before any right is given up.
 * - `pidFile`: by the final process of a daemon, since the lock on the file reports its pid, and as
 *   the user who may write there.
 * - `limits`: while there is the right to raise a hard limit; after `fds`, because the layout may
 *   need numbers above a lowered `nofile`.
 * - `preExec`: with the final descriptors and limits, and before any privilege is given up.
 * - `oomScoreAdj`: after the hook, whose runtime should not be killed first either; while there is
 *   the right to lower it.
 * - `cpuAffinity`, `ioPriority`, `nice`, `scheduler`: after the hook, whose runtime must not run
 *   niced; while there is the right to raise a priority. The policy is the last of them, since a
 *   child of SCHED_IDLE may have to wait for a processor.
 * - `selinux`, `apparmor`: labels for the exec that follows; a new user might not be allowed to set
 *   them.
 * - `coreSched`: the core scheduling cookie, while capabilities are there.
 * - `identity`: groups before gid before uid, since each takes away the right to do the next.
 * - `capabilities`: those that survive the change of user; see lowering for how the two depend on
 *   each other.
 * - `chdir`: as the user of the program, so that a folder that it may not enter is refused.
 * - `noNewPrivs`: after the ids, so that no security module treats their change as a gain; before
 *   further steps, since without privileges a filter of system calls needs it.
 * - `step`: the extra calls of the command in their order, with the final rights.
 * - `dieWithParent`: after everything that may change ids or capabilities, which undoes it.
 * - `unblock`: as late as possible. Pending signals are delivered to default dispositions.
 * - `handshake`: after everything but the exec; a signal must be able to end the wait.
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
    // Most steps are in order already, so this is faster than a general sort.
    const rank = RANK[step.step];
    let at = ordered.length;
    while (at > 0 && RANK[ordered[at - 1]?.step ?? step.step] > rank) at--;
    if (at === ordered.length) ordered.push(step);
    else ordered.splice(at, 0, step);
  }
  return ordered;
}
