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
 * @module
 */

import { capabilityName } from "../../core/capabilities.ts";
import type { Caps, CapSets, Ids } from "../../core/identity.ts";
import { type Call, call } from "./call.ts";

const PR_SET_KEEPCAPS = 8;
const PR_CAPBSET_DROP = 24;
const PR_CAP_AMBIENT = 47;
const PR_CAP_AMBIENT_RAISE = 2;
const PR_CAP_AMBIENT_CLEAR_ALL = 4;

/** _LINUX_CAPABILITY_VERSION_3: sets of 64 bits. */
const VERSION_3 = 0x2008_0522;

/** The calls. */
export function lowerIdentity(ids: Ids | undefined, caps: Caps | undefined): Call[] {
  const changesUser = ids?.uid !== undefined;
  const survives = caps !== undefined && caps.allowed.length > 0;
  const keep = changesUser && survives && ids.uid !== 0;
  return [
    ...(caps?.clear ? dropBounding(caps) : []),
    ...(keep ? [prctl(PR_SET_KEEPCAPS, "PR_SET_KEEPCAPS", 1)] : []),
    ...(ids === undefined ? [] : becomeUser(ids)),
    ...(caps === undefined ? [] : setCaps(caps, changesUser && ids.uid !== 0)),
    ...(keep ? [prctl(PR_SET_KEEPCAPS, "PR_SET_KEEPCAPS", 0)] : []),
  ];
}

function becomeUser({ uid, gid, groups }: Ids): Call[] {
  const calls: Call[] = [];
  if (groups !== undefined) {
    const list = new Uint8Array(new Uint32Array(groups).buffer);
    const shown = [String(groups.length), `[${groups.join(", ")}]`];
    calls.push(call("identity", "setgroups", [groups.length, { bytes: list }], shown));
  }
  if (gid !== undefined) {
    calls.push(call("identity", "setresgid", [gid, gid, gid], Array(3).fill(String(gid))));
  }
  if (uid !== undefined) {
    calls.push(call("identity", "setresuid", [uid, uid, uid], Array(3).fill(String(uid))));
  }
  return calls;
}

function dropBounding({ allowed, last }: Caps): Call[] {
  const calls: Call[] = [];
  for (let cap = 0; cap <= last; cap++) {
    if (allowed.includes(cap)) continue;
    const shown = ["PR_CAPBSET_DROP", capName(cap)];
    calls.push(call("capabilities", "prctl", [PR_CAPBSET_DROP, cap, 0, 0, 0], shown));
  }
  return calls;
}

/**
 * Without `clear`, and with the same user, the sets that the process has stay, and the allowed
 * ones come on top.
 */
function setCaps({ clear, allowed, current }: Caps, changesUser: boolean): Call[] {
  const wanted = allowed.reduce((set, cap) => set | (1n << BigInt(cap)), 0n);
  const sets = clear || changesUser
    ? { effective: wanted, permitted: wanted, inheritable: wanted }
    : {
      effective: current.effective | wanted,
      permitted: current.permitted | wanted,
      inheritable: current.inheritable | wanted,
    };
  return [
    capset(sets),
    call("capabilities", "prctl", [PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0], [
      "PR_CAP_AMBIENT",
      "PR_CAP_AMBIENT_CLEAR_ALL",
    ]),
    ...allowed.map((cap) =>
      call("capabilities", "prctl", [PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0], [
        "PR_CAP_AMBIENT",
        "PR_CAP_AMBIENT_RAISE",
        capName(cap),
      ])
    ),
  ];
}

/** struct __user_cap_data_struct[2]: the low halves of the three sets, then the high ones. */
function capset({ effective, permitted, inheritable }: CapSets): Call {
  const header = new Uint8Array(new Uint32Array([VERSION_3, 0]).buffer);
  const low = (set: bigint) => Number(set & 0xffff_ffffn);
  const high = (set: bigint) => Number(set >> 32n);
  const sets = [effective, permitted, inheritable];
  const data = new Uint32Array([...sets.map(low), ...sets.map(high)]);
  return call("capabilities", "capset", [{ bytes: header }, {
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

function prctl(option: number, name: string, value: number): Call {
  return call("capabilities", "prctl", [option, value, 0, 0, 0], [name, String(value)]);
}

function capName(cap: number): string {
  return `CAP_${capabilityName(cap).toUpperCase()}`;
}
