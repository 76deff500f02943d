/**
 * Whether this is a worker. There are two kinds: the web's, which `node:worker_threads` takes for
 * the main thread, and Node's, which has no global scope of a worker.
 *
 * @module
 */

import { isMainThread } from "node:worker_threads";

/** Whether this thread may end before its process does. */
export const isWorker: boolean = !isMainThread || "WorkerGlobalScope" in globalThis;
