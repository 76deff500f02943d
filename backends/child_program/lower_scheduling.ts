/**
 * Lowering of scheduling: when a process runs, on which processors, how its input and output are
 * served, and how readily the kernel ends it when memory runs out.
 *
 * @module
 */

import { cpuMask } from "../../core/command/palette.ts";
import { IOPRIO_CLASS, IOPRIO_WHO, PRIO, SCHED } from "../../core/tables/constants.ts";
import { IOPRIO_CLASS_SHIFT } from "../../core/tables/kernel.ts";
import { IO_CLASSES, type IoPriority, type Scheduler } from "../../core/tables/scheduling.ts";
import { arg, type Call, call } from "./call.ts";
import { writeTo } from "./lower_labels.ts";

const OOM_SCORE_ADJ = "/proc/self/oom_score_adj";

/** See proc_pid_oom_score_adj(5): no system call sets it. */
export function lowerOomScoreAdj(score: number): Call[] {
  const hint = `this process may not set the score to ${score}`;
  return writeTo("oomScoreAdj", [OOM_SCORE_ADJ], String(score), hint)
    .map((each) => ({ ...each, path: OOM_SCORE_ADJ }));
}

/** sched_setaffinity(2) on the child itself. */
export function lowerCpuAffinity(cpus: readonly number[]): Call {
  const bytes = cpuMask(cpus);
  const mask = { bytes, display: `[${cpus.join(" ")}]` };
  return call("cpuAffinity", "sched_setaffinity", [0, bytes.length, mask]);
}

/** ioprio_set(2) on the child itself. */
export function lowerIoPriority({ class: ioClass, level }: IoPriority): Call {
  const name = IO_CLASSES[ioClass];
  const value = (IOPRIO_CLASS[name] << IOPRIO_CLASS_SHIFT) | level;
  return call("ioPriority", "ioprio_set", [
    arg(IOPRIO_WHO.IOPRIO_WHO_PROCESS, "IOPRIO_WHO_PROCESS"),
    0,
    arg(value, `IOPRIO_PRIO_VALUE(${name}, ${level})`),
  ]);
}

/** setpriority(2) on the child itself. */
export function lowerNice(value: number): Call {
  return call("nice", "setpriority", [arg(PRIO.PRIO_PROCESS, "PRIO_PROCESS"), 0, value]);
}

/** sched_setscheduler(2) on the child itself; struct sched_param is the priority. */
export function lowerScheduler({ policy, priority }: Scheduler): Call {
  const bytes = new Uint8Array(new Int32Array([priority]).buffer);
  const param = { bytes, display: `[${priority}]` };
  return call("scheduler", "sched_setscheduler", [0, arg(SCHED[policy], policy), param]);
}
