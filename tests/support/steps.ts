/**
 * For every step between clone and exec, what a command has to be asked for to have it.
 *
 * @module
 */

import type { StepName } from "../../core/plan/order.ts";
import type { Command } from "../../core/command.ts";
import * as syscalls from "../../core/command/syscalls.ts";
import type { Setup } from "./world.ts";

const asIs: Setup = (cmd: Command) => cmd;

/** They go together, all of them in one command. */
export const STEPS: Readonly<Record<StepName, Setup>> = {
  signals: asIs,
  umask: (cmd) => cmd.umask(0o77),
  fds: asIs,
  session: (cmd) => cmd.daemonize(),
  pidFile: (cmd) => cmd.pidFile("/run/pid"),
  limits: (cmd) => cmd.limit("core", 0),
  preExec: (cmd) => cmd.preExec("file:///hook.ts"),
  oomScoreAdj: (cmd) => cmd.oomScoreAdj(1000),
  cpuAffinity: (cmd) => cmd.cpuAffinity([0]),
  ioPriority: (cmd) => cmd.ioPriority("idle"),
  nice: (cmd) => cmd.nice(19),
  scheduler: (cmd) => cmd.scheduler("SCHED_BATCH"),
  selinux: (cmd) => cmd.selinuxLabel("a:b:c:d"),
  apparmor: (cmd) => cmd.apparmorProfile("profile"),
  coreSched: (cmd) => cmd.runAlone(),
  identity: (cmd) => cmd.uid(1).gid(2).groups([3]),
  capabilities: (cmd) => cmd.clearCaps(),
  chdir: (cmd) => cmd.cwd("/"),
  noNewPrivs: (cmd) => cmd.noNewPrivs(),
  step: (cmd) => cmd.step(syscalls.sethostname("box")),
  dieWithParent: (cmd) => cmd.dieWithParent(),
  unblock: asIs,
  handshake: (cmd) => cmd.handshake(),
  exec: asIs,
};

/** Those that every command has, or every driver: no feature is asked for. */
export const EVERYWHERE: ReadonlySet<StepName> = new Set<StepName>([
  "signals",
  "fds",
  "chdir",
  "unblock",
  "exec",
]);
