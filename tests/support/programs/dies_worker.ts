// A worker that starts a program which is to die with it, and ends when it is told to.
import { parentPort, workerData } from "node:worker_threads";
import { Command } from "../../../mod.ts";

const { script, path } = workerData as { script: string; path: string };
const child = await new Command("sh", "-c", script, path).dieWithParent().spawn();
child.unref();
parentPort?.once("message", () => parentPort?.close());
