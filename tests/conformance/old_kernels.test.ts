// Kernels and sandboxes that lack system calls: the basic checks in a runtime under a seccomp filter.
import { assert, assertEquals } from "@std/assert";
import { existsSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { aarch64 } from "../../backends/child_program/arch/aarch64.ts";
import { x86_64 } from "../../backends/child_program/arch/x86_64.ts";
import { backendInfo, Command } from "../../mod.ts";
import { conform } from "../support/harness.ts";
import type { Refusals } from "../support/programs/jail.ts";

const bun = fileURLToPath(new URL("../../node_modules/bun/bin/bun.exe", import.meta.url));
const jail = fileURLToPath(new URL("../support/programs/jail.ts", import.meta.url));
const checks = fileURLToPath(new URL("../versions/basic.mjs", import.meta.url));

const onArm = process.arch === "arm64";
const { numbers } = onArm ? aarch64 : x86_64;
const [ENOSYS, EPERM, EINVAL] = [38, 1, 22];

/** rseq(2), the last call of Linux 4.18; see the kernel's tables of system calls. */
const NEWEST_OF_4_18 = onArm ? 293 : 334;

/** Flags that Linux 4.18 does not know, and gVisor refuses. */
const NEW_FLAGS: Refusals["arguments"] = [
  { call: numbers.clone, argument: 0, flags: 0x1000, errno: EINVAL }, // CLONE_PIDFD
  { call: numbers.waitid, argument: 0, equals: 3, errno: EINVAL }, // P_PIDFD
];

const NEW_CALLS = ["clone3", "close_range", "faccessat2", "pidfd_open", "pidfd_send_signal"];

/** What is refused, and what the native driver then reports as missing. */
const KERNELS: Record<string, Refusals & { readonly missing: readonly string[] }> = {
  "every call newer than Linux 4.18 with ENOSYS": {
    errno: ENOSYS,
    newerThan: NEWEST_OF_4_18,
    arguments: NEW_FLAGS,
    missing: NEW_CALLS,
  },
  "every call newer than Linux 4.18 with EPERM": {
    errno: EPERM,
    newerThan: NEWEST_OF_4_18,
    // glibc makes threads without clone3(2) only if that fails with ENOSYS.
    unknown: [numbers.clone3],
    arguments: NEW_FLAGS,
    missing: NEW_CALLS,
  },
  "memfd_create and execveat with ENOSYS": {
    errno: ENOSYS,
    calls: [numbers.memfd_create, numbers.execveat],
    missing: ["memfd_create"],
  },
  "memfd_create and execveat with EPERM": {
    errno: EPERM,
    calls: [numbers.memfd_create, numbers.execveat],
    missing: ["memfd_create"],
  },
  "close_range with EPERM": {
    errno: EPERM,
    calls: [numbers.close_range],
    missing: ["close_range"],
  },
  "faccessat2 with EPERM": { errno: EPERM, calls: [numbers.faccessat2], missing: ["faccessat2"] },
  "pidfd_send_signal and pidfd_open with EPERM": {
    errno: EPERM,
    calls: [numbers.pidfd_send_signal, numbers.pidfd_open],
    missing: ["pidfd_open", "pidfd_send_signal"],
  },
  "CLONE_PIDFD and P_PIDFD with EINVAL": { errno: EINVAL, arguments: NEW_FLAGS, missing: [] },
};

/** Single calls only where a driver runs first: the others share the code. */
const isFirst = backendInfo().driver === "native" ||
  process.env["VIRCOMMAND_TEST_RUNTIME"] !== "node22";
const chosen = Object.entries(KERNELS).filter(([what]) =>
  what.startsWith("every") || (isFirst && backendInfo().driver !== "portable")
);

/** What the launcher reports: it uses pidfds whole or not at all. */
function missingOnLauncher(missing: readonly string[], refusals: Refusals): string[] {
  const lacksPidfds = missing.includes("pidfd_send_signal") || refusals.arguments !== undefined;
  return [
    ...(missing.includes("close_range") ? ["close_range"] : []),
    ...(lacksPidfds ? ["pidfd_open"] : []),
  ];
}

for (const [what, { missing, ...refusals }] of chosen) {
  conform(`under a filter that refuses ${what}, everything works`, async () => {
    const flags = "Deno" in globalThis ? ["run", "-A", "--quiet", "--no-check"] : [];
    const runtime = [process.execPath, ...flags, checks];
    const cmd = Command.from([bun, jail, JSON.stringify(refusals), ...runtime])
      .env("VIRCOMMAND_PACKAGE", new URL("../../mod.ts", import.meta.url).href)
      .envPass("PATH").envPass("TMPDIR").envPass("HOME").envPass("DENO_DIR")
      .envPass("VIRCOMMAND_DRIVER");
    const { stdout, stderr } = await cmd.run({ check: false });
    const lines = stdout.split("\n");
    assertEquals(lines.filter((line) => line.startsWith("fail ")), [], stderr);
    assert(lines.some((line) => line.startsWith(`driver ${backendInfo().driver} `)), stdout);
    assert(lines.filter((line) => line.startsWith("ok ")).length >= 33, stdout + stderr);
    const { driver } = backendInfo();
    if (driver === "portable") return;
    const expected = driver === "native" ? missing : missingOnLauncher(missing, refusals);
    assertEquals(lines.find((line) => line.startsWith("missing ")), `missing ${expected}`);
  }, { skip: existsSync(bun) ? undefined : "Bun is not installed, which makes the filter" });
}
