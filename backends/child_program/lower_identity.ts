/**
 * Lowering of ids and capabilities. The two interlock, and the order is what makes them safe:
 *
 * 1. the bounding set is reduced, which needs CAP_SETPCAP, which the change of user takes away;
 * 2. KEEPCAPS, so that the change of user leaves the permitted set, if something is to survive it;
 * 3. groups, gid, uid: each would be refused after the next;
 * 4. the permitted, effective and inheritable sets become what was asked for;
 * 5. the ambient set, which needs its members permitted and inheritable, hands them to a program
 *    that is no capability-aware file itself.
 *
 * With another user than root, nothing survives but what was allowed. The kernel clears the sets
 * only when the last of the three user ids leaves 0, and with SECBIT_NO_SETUID_FIXUP not even then;
 * and it never clears the inheritable set. So they are set in any case.
 *
 * @module
 */

import { PR_CAP_AMBIENT } from "../../core/tables/kernel.ts";
import { capabilityName } from "../../core/tables/capabilities.ts";
import type { Caps } from "../../core/plan/identity.ts";
import type { Ids } from "../../core/command/spec.ts";
import type { CapSets } from "../../core/system.ts";
import { type Call, call, type CallStep } from "./call.ts";

const PR_SET_KEEPCAPS = 8;
const PR_CAPBSET_DROP = 24;
const PR_CAP_AMBIENT_CLEAR_ALL = 4;

/** _LINUX_CAPABILITY_VERSION_3: sets of 64 bits. */
const VERSION_3 = 0x2008_0522;

/** Where the calls go on if KEEPCAPS is refused. */
const BECOME_USER = "identity: become user";
const SET_CAPS = "identity: set capabilities";

/** The calls. */
export function lowerIdentity(ids: Ids | undefined, caps: Caps | undefined): Call[] {
  const otherUser = ids?.uid !== undefined && ids.uid !== 0;
  const allowed = caps?.allowed ?? [];
  const keep = otherUser && allowed.length > 0;
  return [
    ...(caps?.clear ? dropBounding(caps) : []),
    ...(keep ? [keepCaps(1, BECOME_USER)] : []),
    ...(ids === undefined ? [] : becomeUser(ids)),
    ...(keep ? [keepCaps(0, SET_CAPS)] : []),
    ...(otherUser || caps?.clear
      ? setCaps(exactly(allowed), allowed)
      : caps === undefined
      ? []
      : setCaps(withMore(caps.current, allowed), allowed)),
  ];
}

/**
 * Refused with SECBIT_KEEP_CAPS_LOCKED, which does not matter if the bit is set; if it is not,
 * capset(2) fails later.
 */
function keepCaps(value: 0 | 1, next: string): Call {
  return {
    ...call("capabilities", "prctl", [PR_SET_KEEPCAPS, value, 0, 0, 0], [
      "PR_SET_KEEPCAPS",
      String(value),
    ]),
    jumps: { error: next },
  };
}

function becomeUser({ uid, gid, groups }: Ids): Call[] {
  const calls: Call[] = [];
  if (groups !== undefined) {
    const list = new Uint8Array(new Uint32Array(groups).buffer);
    const display = [String(groups.length), `[${groups.join(", ")}]`];
    calls.push(call("identity", "setgroups", [groups.length, { bytes: list }], display));
  }
  if (gid !== undefined) {
    calls.push(call("identity", "setresgid", [gid, gid, gid], Array(3).fill(String(gid))));
  }
  if (uid !== undefined) {
    calls.push(call("identity", "setresuid", [uid, uid, uid], Array(3).fill(String(uid))));
  }
  const [first, ...others] = calls;
  return first === undefined ? [] : [{ ...first, label: BECOME_USER }, ...others];
}

function dropBounding({ allowed, last }: Caps): Call[] {
  const calls: Call[] = [];
  for (let cap = 0; cap <= last; cap++) {
    if (allowed.includes(cap)) continue;
    const display = ["PR_CAPBSET_DROP", capName(cap)];
    calls.push(call("capabilities", "prctl", [PR_CAPBSET_DROP, cap, 0, 0, 0], display));
  }
  return calls;
}

function setOf(caps: readonly number[]): bigint {
  return caps.reduce((set, cap) => set | (1n << BigInt(cap)), 0n);
}

function exactly(allowed: readonly number[]): CapSets {
  const set = setOf(allowed);
  return { effective: set, permitted: set, inheritable: set };
}

/** Without `clear`, and with the same user, the sets that the process has stay. */
function withMore(current: CapSets, allowed: readonly number[]): CapSets {
  const more = setOf(allowed);
  return {
    effective: current.effective | more,
    permitted: current.permitted | more,
    inheritable: current.inheritable | more,
  };
}

function setCaps(sets: CapSets, ambient: readonly number[]): Call[] {
  return [
    { ...capset("capabilities", sets), label: SET_CAPS },
    call("capabilities", "prctl", [PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0], [
      "PR_CAP_AMBIENT",
      "PR_CAP_AMBIENT_CLEAR_ALL",
    ]),
    ...ambient.map((cap) => changeAmbient("capabilities", "RAISE", cap)),
  ];
}

const AMBIENT = { RAISE: 2, LOWER: 3 } as const;

/** prctl(2) PR_CAP_AMBIENT: raises or lowers a capability in the ambient set. */
export function changeAmbient(step: CallStep, how: keyof typeof AMBIENT, cap: number): Call {
  return call(step, "prctl", [PR_CAP_AMBIENT, AMBIENT[how], cap, 0, 0], [
    "PR_CAP_AMBIENT",
    `PR_CAP_AMBIENT_${how}`,
    capName(cap),
  ]);
}

/**
 * capset(2). struct __user_cap_data_struct[2]: the low halves of the three sets, then the high ones.
 */
export function capset(
  step: CallStep,
  { effective, permitted, inheritable }: CapSets,
): Call {
  const header = new Uint8Array(new Uint32Array([VERSION_3, 0]).buffer);
  const low = (set: bigint) => Number(set & 0xffff_ffffn);
  const high = (set: bigint) => Number(set >> 32n);
  const sets = [effective, permitted, inheritable];
  const data = new Uint32Array([...sets.map(low), ...sets.map(high)]);
  return call(step, "capset", [{ bytes: header }, {
    bytes: new Uint8Array(data.buffer),
  }], [
    "{version=_LINUX_CAPABILITY_VERSION_3, pid=0}",
    `{effective=${names(effective)}, permitted=${names(permitted)}, ` +
    `inheritable=${names(inheritable)}}`,
  ]);
}

function names(set: bigint): string {
  const all: string[] = [];
  for (let cap = 0; cap < 64; cap++) {
    if ((set >> BigInt(cap)) & 1n) all.push(capName(cap));
  }
  return all.length > 8 ? `0x${set.toString(16)}` : all.join("|") || "0";
}

function capName(cap: number): string {
  return `CAP_${capabilityName(cap).toUpperCase()}`;
}
