/**
 * A machine that does not exist: what the core is told when it plans without a backend.
 *
 * @module
 */

import type { System } from "../../core/system.ts";

/** Surroundings in which every program is in /usr/bin, with some answers replaced. */
export function imagined(answers: Partial<System> = {}): System {
  return {
    environment: () => ({ PATH: "/usr/bin", HOME: "/root" }),
    variable: (name) => ({ PATH: "/usr/bin", HOME: "/root" } as Record<string, string>)[name],
    currentFolder: () => "/work",
    access: (path) => path.startsWith("/usr/bin/") ? "ok" : "ENOENT",
    elevated: () => false,
    userByName: () => undefined,
    userById: () => undefined,
    groupsOf: (_name, gid) => [gid],
    capabilities: () => ({ effective: 0n, permitted: 0n, inheritable: 0n, last: 40 }),
    startingNofile: () => undefined,
    ...answers,
  };
}
