/**
 * How the environment of a child is made from that of the parent.
 *
 * @module
 */

import { own } from "../own.ts";
import type { EnvOp } from "../command/env_ops.ts";

/**
 * Returns the environment that the operations make; undefined if there are none, since then the child
 * inherits everything. Any operation ends inheritance, even one that adds nothing. Otherwise, to pass
 * a variable that is not set would pass all others.
 *
 * A name that is set again keeps its place and gets the new value.
 */
export function buildEnv(
  ops: readonly EnvOp[],
  parent: Readonly<Record<string, string>>,
  options: { readonly setuid?: boolean; readonly otherUser?: boolean } = {},
): [name: string, value: string][] | undefined {
  if (ops.length === 0) return undefined;
  // A Map keeps the place of a key that is set again.
  const env = new Map<string, string>();
  for (const each of ops) {
    switch (each.op) {
      case "set":
        env.set(each.name, each.value);
        break;
      case "clear":
        env.clear();
        break;
      case "pass": {
        const pass = own(each);
        if (options.otherUser === true && pass.otherUser === "block") break;
        const value = passed(pass, parent, { elevated: options.setuid === true });
        if (value !== undefined) env.set(pass.name, value);
        break;
      }
      default:
        each satisfies never;
    }
  }
  return [...env];
}

function passed(
  { name, default: fallback, setuid = "pass" }: Extract<EnvOp, { op: "pass" }>,
  parent: Readonly<Record<string, string>>,
  { elevated }: { readonly elevated: boolean },
): string | undefined {
  if (elevated && setuid === "block") return fallback;
  return (Object.hasOwn(parent, name) ? parent[name] : undefined) ?? fallback;
}
