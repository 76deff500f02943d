/**
 * The rights of a command: ids, capabilities, security labels, core scheduling.
 *
 * @module
 */

import { capabilityNumber } from "../tables/capabilities.ts";
import { type Builder, displayValue, textProblem } from "./builder.ts";

/** The largest id; 2^32 - 1 means "unchanged" to the kernel. */
const MAX_ID = 0xffff_fffe;

/** Sets the user id. */
export function setUid(builder: Builder, id: unknown): void {
  if (isId(builder, "uid", id) && !hasUser(builder, "uid")) builder.set("uid", id);
}

/** Sets the group id. */
export function setGid(builder: Builder, id: unknown): void {
  if (isId(builder, "gid", id)) builder.set("gid", id);
}

/** Sets the supplementary groups. */
export function setGroups(builder: Builder, ids: unknown): void {
  if (!Array.isArray(ids)) {
    builder.misuse("groups: expected an array of group ids");
    return;
  }
  // Checked as they are copied: a hole of an array is no id.
  const all: unknown[] = [...ids];
  if (all.every((id) => isId(builder, "groups", id))) builder.set("groups", all as number[]);
}

/** Sets the user by name. */
export function setUser(builder: Builder, name: unknown): void {
  if (typeof name !== "string" || name === "" || textProblem(name) !== undefined) {
    builder.misuse(`user(${displayValue(name)}): expected the name of a user`);
  } else if (!hasUser(builder, "user")) {
    builder.set("user", name);
  }
}

/** Allows a capability. */
export function addCapability(builder: Builder, capability: string | number): void {
  const number = capabilityNumber(capability);
  if (number === undefined) {
    builder.misuse(`allowCap(${displayValue(capability)}): no capability`);
  } else if (builder.error === undefined) {
    builder.add("allowedCaps", number);
  }
}

/** Sets the SELinux context. */
export function setSelinuxLabel(builder: Builder, label: unknown): void {
  if (isLabel(builder, "selinuxLabel", label)) builder.set("selinuxLabel", label);
}

/** Sets the AppArmor profile. */
export function setApparmorProfile(builder: Builder, profile: unknown): void {
  if (isLabel(builder, "apparmorProfile", profile)) builder.set("apparmorProfile", profile);
}

/** Shares the core scheduling cookie of another process. */
export function setCoreCompany(builder: Builder, pid: unknown): void {
  if (typeof pid !== "number" || !Number.isInteger(pid) || pid <= 0) {
    builder.misuse(`runAmong(${displayValue(pid)}): expected a process id`);
  } else {
    builder.set("coreScheduling", { kind: "among", pid });
  }
}

function hasUser(builder: Builder, call: "uid" | "user"): boolean {
  const { user, uid } = builder.fields;
  const has = user !== undefined || (uid !== undefined && call === "user");
  if (has) builder.misuse(`${call}: the user was set before`);
  return has;
}

function isId(builder: Builder, call: string, id: unknown): id is number {
  const valid = typeof id === "number" && Number.isInteger(id) && id >= 0 && id <= MAX_ID;
  if (!valid) builder.misuse(`${call}(${displayValue(id)}): expected an id from 0 to ${MAX_ID}`);
  return valid;
}

function isLabel(builder: Builder, call: string, label: unknown): label is string {
  const problem = typeof label !== "string" || label === ""
    ? "expected a label"
    : textProblem(label);
  if (problem !== undefined) builder.misuse(`${call}: ${problem}`);
  return problem === undefined;
}
