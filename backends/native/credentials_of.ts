/**
 * The credentials of the calling thread, which is the one that children inherit from.
 *
 * @module
 */

import { PR } from "../../core/tables/constants.ts";
import { CAP_AMBIENT, PR_GET_SECUREBITS } from "../../core/tables/kernel.ts";
import { type Credentials, parseCredentials, type Triple } from "../child_program/credentials.ts";
import { textOf } from "./files.ts";
import type { Kernel } from "./kernel.ts";
import { capabilitiesOf, setsOf } from "./system.ts";

/** The credentials that were read last. */
let latest: Credentials | undefined;

/**
 * The credentials. Those that were read last are returned while everything that can be asked for by
 * a call or two is the same: all but the bounding and the ambient set, which take reading /proc, 50 µs
 * instead of 8. Without inheritable capabilities the ambient set is empty. And if other code has
 * reduced the bounding set meanwhile, the child has less than it was to have, and one of its steps
 * fails.
 */
export function credentialsOf(kernel: Kernel): Credentials {
  const now = {
    ...setsOf(kernel),
    securebits: kernel.call("prctl", PR_GET_SECUREBITS, 0, 0, 0, 0),
    uids: idsOf(kernel, "getresuid"),
    gids: idsOf(kernel, "getresgid"),
  };
  if (latest !== undefined && now.inheritable === 0n && areSame(now, latest)) return latest;
  return latest = withSets(kernel, now);
}

/** Credentials that a call each returns. */
type Cheap = Omit<Credentials, "bounding" | "ambient">;

function areSame(some: Cheap, others: Credentials): boolean {
  return some.permitted === others.permitted && some.effective === others.effective &&
    some.inheritable === others.inheritable && some.securebits === others.securebits &&
    [0, 1, 2].every((i) => some.uids[i] === others.uids[i] && some.gids[i] === others.gids[i]);
}

/** With the other sets: from /proc, in one read; where that is not mounted, by a call for each bit. */
function withSets(kernel: Kernel, now: Cheap): Credentials {
  const status = textOf(kernel, "/proc/thread-self/status");
  if (status !== undefined) return parseCredentials(status, now.securebits);
  const { last } = capabilitiesOf(kernel);
  const setOf = (isSet: (cap: number) => boolean) => {
    let set = 0n;
    for (let cap = 0; cap <= last; cap++) if (isSet(cap)) set |= 1n << BigInt(cap);
    return set;
  };
  return {
    ...now,
    bounding: setOf((cap) => kernel.call("prctl", PR.PR_CAPBSET_READ, cap, 0, 0, 0) === 1),
    ambient: setOf((cap) =>
      kernel.call("prctl", PR.PR_CAP_AMBIENT, CAP_AMBIENT.IS_SET, cap, 0, 0) === 1
    ),
  };
}

function idsOf(kernel: Kernel, name: "getresuid" | "getresgid"): Triple {
  const { scratch, view } = kernel;
  kernel.call(name, scratch, scratch + 4, scratch + 8);
  return [view.getUint32(0, true), view.getUint32(4, true), view.getUint32(8, true)];
}
