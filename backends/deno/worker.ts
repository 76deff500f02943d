/**
 * Detection of workers. There are two kinds: those of the web, for which `node:worker_threads`
 * reports the main thread, and those of Node, which lack the global `WorkerGlobalScope`.
 *
 * @module
 */

import { isMainThread } from "node:worker_threads";

/** Whether this thread may end before its process does. */
export const isWorker: boolean = !isMainThread || "WorkerGlobalScope" in globalThis;
