// A worker that sets and deletes variables without a pause, until it is told to stop.
import process from "node:process";
import { parentPort, workerData } from "node:worker_threads";

const stop = new Int32Array(workerData as SharedArrayBuffer);
parentPort?.postMessage("begun");
for (let n = 0; Atomics.load(stop, 0) === 0; n++) {
  for (let i = 0; i < 400; i++) process.env[`RACE_${i}_${n % 7}`] = "v".repeat(20 + i % 50);
  for (let i = 0; i < 400; i++) delete process.env[`RACE_${i}_${n % 7}`];
}
