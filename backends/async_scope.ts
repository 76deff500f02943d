/**
 * Values of an asynchronous context. All three runtimes have Node's module for them.
 *
 * @module
 */

import { AsyncLocalStorage } from "node:async_hooks";
import type { AsyncScope } from "../core/backend.ts";

/** Returns a new scope. */
export function asyncScope<T>(): AsyncScope<T> {
  const storage = new AsyncLocalStorage<T | undefined>();
  return {
    current: () => storage.getStore(),
    run: (value, fn) => storage.run(value, fn),
    enter: (value) => storage.enterWith(value),
  };
}
