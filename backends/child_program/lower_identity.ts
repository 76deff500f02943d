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

import { PR } from "../../core/tables/constants.ts";
import { CAP_AMBIENT, LINUX_CAPABILITY_VERSION_3 } from "../../core/tables/kernel.ts";
import { capabilityName } from "../../core/tables/capabilities.ts";
import type { Caps } from "../../core/plan/identity.ts";
import type { Ids } from "../../core/command/spec.ts";
import type { CapSets } from "../../core/system.ts";
import { type Arg, arg, type Call, call, type CallStep } from "./call.ts";

const AMBIENT = arg(PR.PR_CAP_AMBIENT, "PR_CAP_AMBIENT");

/** The header of capset(2), for the calling thread. */
const CAP_HEADER: Arg = {
  bytes: new Uint8Array(new Uint32Array([LINUX_CAPABILITY_VERSION_3, 0]).buffer),
  display: "{version=_LINUX_CAPABILITY_VERSION_3, pid=0}",
};

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
      : setCaps(raised(caps.current, allowed), allowed)),
  ];
}

/**
 * Refused with SECBIT_KEEP_CAPS_LOCKED, which does not matter if the bit is set; if it is not,
 * capset(2) fails later.
 */
function keepCaps(value: 0 | 1, next: string): Call {
  return {
    ...call("capabilities", "prctl", [arg(PR.PR_SET_KEEPCAPS, "PR_SET_KEEPCAPS"), value]),
    jumps: { error: next },
  };
}

function becomeUser({ uid, gid, groups }: Ids): Call[] {
  const calls: Call[] = [];
  if (groups !== undefined) {
    const bytes = new Uint8Array(new Uint32Array(groups).buffer);
    const list: Arg = { bytes, display: `[${groups.join(", ")}]` };
    calls.push(call("identity", "setgroups", [groups.length, list]));
  }
  if (gid !== undefined) calls.push(call("identity", "setresgid", [gid, gid, gid]));
  if (uid !== undefined) calls.push(call("identity", "setresuid", [uid, uid, uid]));
  const [first, ...others] = calls;
  return first === undefined ? [] : [{ ...first, label: BECOME_USER }, ...others];
}

function dropBounding({ allowed, last }: Caps): Call[] {
  const drop = arg(PR.PR_CAPBSET_DROP, "PR_CAPBSET_DROP");
  const calls: Call[] = [];
  for (let cap = 0; cap <= last; cap++) {
    if (allowed.includes(cap)) continue;
    calls.push(call("capabilities", "prctl", [drop, arg(cap, capName(cap))]));
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
function raised(current: CapSets, allowed: readonly number[]): CapSets {
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
    call("capabilities", "prctl", [
      AMBIENT,
      arg(CAP_AMBIENT.CLEAR_ALL, "PR_CAP_AMBIENT_CLEAR_ALL"),
    ]),
    ...ambient.map((cap) => changeAmbient("capabilities", "RAISE", cap)),
  ];
}

/** prctl(2) PR_CAP_AMBIENT: raises or lowers a capability in the ambient set. */
export function changeAmbient(step: CallStep, how: "RAISE" | "LOWER", cap: number): Call {
  const change = arg(CAP_AMBIENT[how], `PR_CAP_AMBIENT_${how}`);
  return call(step, "prctl", [AMBIENT, change, arg(cap, capName(cap))]);
}

/**
 * capset(2). struct __user_cap_data_struct[2]: the low halves of the three sets, then the high ones.
 */
export function capset(
  step: CallStep,
  { effective, permitted, inheritable }: CapSets,
): Call {
  const low = (set: bigint) => Number(set & 0xffff_ffffn);
  const high = (set: bigint) => Number(set >> 32n);
  const sets = [effective, permitted, inheritable];
  const data = new Uint32Array([...sets.map(low), ...sets.map(high)]);
  const display = () =>
    `{effective=${names(effective)}, permitted=${names(permitted)}, ` +
    `inheritable=${names(inheritable)}}`;
  return call(step, "capset", [CAP_HEADER, { bytes: new Uint8Array(data.buffer), display }]);
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
