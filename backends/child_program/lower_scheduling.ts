/**
 * Lowering of what the kernel thinks of a process: when it runs, on which processors, how its input
 * and output are served, and how readily it is ended.
 *
 * @module
 */

import { cpuMask } from "../../core/command/palette.ts";
import { IOPRIO_CLASS, IOPRIO_WHO, PRIO, SCHED } from "../../core/tables/constants.ts";
import { IO_CLASSES, type IoPriority, type Scheduler } from "../../core/tables/scheduling.ts";
import { type Call, call } from "./call.ts";
import { writeTo } from "./lower_labels.ts";

const OOM_SCORE_ADJ = "/proc/self/oom_score_adj";

/** See proc_pid_oom_score_adj(5): no system call sets it. */
export function lowerOomScoreAdj(score: number): Call[] {
  const hint = `this process may not set the score to ${score}`;
  return writeTo("oomScoreAdj", [OOM_SCORE_ADJ], String(score), hint)
    .map((each) => ({ ...each, path: OOM_SCORE_ADJ }));
}

/** Where the class of an I/O priority begins; the level is below it. */
const CLASS_SHIFT = 13;

/** sched_setaffinity(2) on the child itself. */
export function lowerCpuAffinity(cpus: readonly number[]): Call {
  const mask = cpuMask(cpus);
  return call("cpuAffinity", "sched_setaffinity", [0, mask.length, { bytes: mask }], [
    "0",
    String(mask.length),
    `[${cpus.join(" ")}]`,
  ]);
}

/** ioprio_set(2) on the child itself. */
export function lowerIoPriority({ class: ioClass, level }: IoPriority): Call {
  const name = IO_CLASSES[ioClass];
  const value = (IOPRIO_CLASS[name] << CLASS_SHIFT) | level;
  return call("ioPriority", "ioprio_set", [IOPRIO_WHO.IOPRIO_WHO_PROCESS, 0, value], [
    "IOPRIO_WHO_PROCESS",
    "0",
    `IOPRIO_PRIO_VALUE(${name}, ${level})`,
  ]);
}

/** setpriority(2) on the child itself. */
export function lowerNice(value: number): Call {
  return call("nice", "setpriority", [PRIO.PRIO_PROCESS, 0, value], [
    "PRIO_PROCESS",
    "0",
    String(value),
  ]);
}

/** sched_setscheduler(2) on the child itself; struct sched_param is the priority. */
export function lowerScheduler({ policy, priority }: Scheduler): Call {
  const param = new Uint8Array(new Int32Array([priority]).buffer);
  return call("scheduler", "sched_setscheduler", [0, SCHED[policy], { bytes: param }], [
    "0",
    policy,
    `[${priority}]`,
  ]);
}
