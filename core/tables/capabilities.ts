/**
 * Capabilities of Linux, see capabilities(7).
 *
 * @module
 */

/** Capability numbers by name, in lower case and without `CAP_`. */
export const capabilities = {
  chown: 0,
  dac_override: 1,
  dac_read_search: 2,
  fowner: 3,
  fsetid: 4,
  kill: 5,
  setgid: 6,
  setuid: 7,
  setpcap: 8,
  linux_immutable: 9,
  net_bind_service: 10,
  net_broadcast: 11,
  net_admin: 12,
  net_raw: 13,
  ipc_lock: 14,
  ipc_owner: 15,
  sys_module: 16,
  sys_rawio: 17,
  sys_chroot: 18,
  sys_ptrace: 19,
  sys_pacct: 20,
  sys_admin: 21,
  sys_boot: 22,
  sys_nice: 23,
  sys_resource: 24,
  sys_time: 25,
  sys_tty_config: 26,
  mknod: 27,
  lease: 28,
  audit_write: 29,
  audit_control: 30,
  setfcap: 31,
  mac_override: 32,
  mac_admin: 33,
  syslog: 34,
  wake_alarm: 35,
  block_suspend: 36,
  audit_read: 37,
  perfmon: 38,
  bpf: 39,
  checkpoint_restore: 40,
} as const;

/** The name of a capability, such as `net_raw`. */
export type CapabilityName = keyof typeof capabilities;

const numbers: Readonly<Record<string, number>> = capabilities;

/** The kernel keeps capability sets in 64 bits. */
const MAX_CAPABILITY = 63;

/**
 * The number of a capability that is given by name (`"net_raw"`, `"CAP_NET_RAW"`) or by number;
 * undefined if there is none. Whether the running kernel knows the number is another question.
 */
export function capabilityNumber(capability: string | number): number | undefined {
  if (typeof capability === "number") {
    return Number.isInteger(capability) && capability >= 0 && capability <= MAX_CAPABILITY
      ? capability
      : undefined;
  }
  if (typeof capability !== "string") return undefined;
  const name = capability.toLowerCase().replace(/^cap_/, "");
  return Object.hasOwn(numbers, name) ? numbers[name] : undefined;
}

/** The name of a capability in lower case; its number if it has none. */
export function capabilityName(number: number): string {
  return Object.keys(numbers).find((name) => numbers[name] === number) ?? String(number);
}
