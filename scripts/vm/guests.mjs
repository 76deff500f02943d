// The guests: which kernel each boots, and what is run in it.

import { readdirSync } from "node:fs";
import { root } from "../runtimes.mjs";

/** Debian's kernels; those for clouds are small, and have what is needed. */
export const kernels = {
  "5.10": { arch: "amd64", archive: "debian-security", suite: "bullseye-security" },
  "6.1": { arch: "amd64", suite: "bookworm" },
  "6.12": { arch: "amd64", suite: "trixie" },
  "7.3": { arch: "amd64", suite: "trixie-backports" },
  "arm64 6.1": { arch: "arm64", suite: "bookworm" },
  /** None of Debian's has core scheduling. */
  "6.12 core": {
    arch: "amd64",
    suite: "trixie",
    config: { source: "linux-source-6.12", file: "scripts/vm/core.config" },
  },
};

/** The pairs that CI has the time for: each native driver, and the launcher where it is the first. */
const PAIRS = [
  { runtime: "bun", driver: "native" },
  { runtime: "node26", driver: "native" },
  { runtime: "deno", driver: "native" },
  { runtime: "node24", driver: "launcher" },
];

/** Those of which docs/support.md has a column for features that depend on the kernel. */
export const allPairs = [
  ...PAIRS,
  { runtime: "bun", driver: "launcher" },
  { runtime: "node26", driver: "launcher" },
  { runtime: "node22", driver: "launcher" },
];

/** What takes long in an emulated machine, and has little to do with the kernel. */
const NOT_IN_GUESTS = [
  "closed_descriptors",
  "closed_parent",
  "daemon_matrix",
  "hook_isolation",
  "large_commands",
  "odd_values",
  "profiled",
  "repetition",
];

/** The part of the suite that uses most of the kernel's calls. */
const CORE_PART = [
  "attributes",
  "capabilities",
  "child",
  "credentials",
  "daemon",
  "descriptors",
  "die_with_parent",
  "drain",
  "environment",
  "errors",
  "exec_in_place",
  "handshake",
  "hook",
  "identity",
  "lines",
  "lookup",
  "own_descriptors",
  "pid_file",
  "running",
  "scheduling",
  "second_stage",
  "shared_memory",
  "signals",
  "stdio_input",
  "stdio_output",
  "steps",
  "steps_namespaces",
  "supervised",
  "support",
  "sync",
  "sync_limits",
  "timeouts",
];

const conformance = (name) => `tests/conformance/${name}.test.ts`;

/** The whole suite, as far as it makes sense in a guest. */
const suite = readdirSync(new URL("tests/conformance/", root))
  .filter((name) => name.endsWith(".test.ts"))
  .map((name) => name.replace(".test.ts", ""))
  .filter((name) => !NOT_IN_GUESTS.includes(name));

/** A guest for every day: the basic verbs. */
const smoke = (kernel, more) => ({
  title: "smoke",
  kernel,
  files: ["tests/vm/smoke.test.ts"],
  pairs: PAIRS,
  seconds: 240,
  ...more,
});

/** A guest for a night. */
const long = (kernel, names, pairs) => ({
  title: "conformance",
  kernel,
  files: names.map(conformance),
  apart: true,
  pairs,
  seconds: 2 * 3600,
});

/** Where labels and core scheduling can be seen to work. */
const LABELS = [conformance("labels"), conformance("exec_labels"), conformance("support")];

/**
 * The guests, by name. `seconds` is for the whole guest in CI, its start included; `files` says what is
 * run on each of `pairs`, in one process or `apart`; `prepare` is a script of guest/ that comes
 * first; `features` are those that work `where` the guest is, and
 * not everywhere. Those of `ci` are what is run if no name is given.
 */
export const guests = {
  apparmor: {
    title: "AppArmor",
    features: ["apparmorProfile"],
    where: "Linux 6.1, AppArmor",
    kernel: "6.1",
    prepare: "apparmor",
    files: ["tests/vm/apparmor.test.ts", ...LABELS],
    pairs: PAIRS,
    seconds: 480,
    ci: true,
  },
  selinux: {
    title: "SELinux",
    features: ["selinuxLabel"],
    where: "Linux 6.1, SELinux",
    kernel: "6.1",
    parameters: "security=selinux selinux=1 enforcing=0",
    prepare: "selinux",
    files: ["tests/vm/selinux.test.ts", ...LABELS],
    pairs: PAIRS,
    seconds: 480,
    ci: true,
  },
  "old-smoke": smoke("5.10", { ci: true }),
  "arm64-smoke": smoke("arm64 6.1", { ci: true }),
  "6.12-smoke": smoke("6.12"),
  "7.3-smoke": smoke("7.3"),
  old: long("5.10", CORE_PART, PAIRS),
  arm64: long("arm64 6.1", suite, PAIRS),
  core: {
    title: "core scheduling",
    features: ["runAlone", "runAmong"],
    where: "Linux 6.12",
    kernel: "6.12 core",
    topology: "4,sockets=1,cores=2,threads=2",
    files: ["tests/vm/core.test.ts", conformance("core_scheduling"), conformance("support")],
    pairs: allPairs,
    seconds: 900,
  },
};
