import { assert, assertEquals, assertThrows } from "@std/assert";
import { test } from "node:test";
import type { Arch } from "../../backends/child_program/arch.ts";
import { arg, type Call } from "../../backends/child_program/call.ts";
import { encode } from "../../backends/child_program/encode.ts";
import {
  FAILED_AT,
  FAILED_RESULT,
  GAVE_UP,
  OPERATION,
} from "../../backends/child_program/encoded.ts";
import { spawnError } from "../../backends/child_program/failure.ts";
import { lower } from "../../backends/child_program/lower.ts";
import { lowerApparmor, lowerSelinux } from "../../backends/child_program/lower_labels.ts";
import {
  hasApparmor,
  hasSelinux,
  type ReadText,
  requireLsm,
} from "../../backends/child_program/lsm.ts";
import type { Arena } from "../../backends/child_program/room.ts";
import { Command } from "../../core/command.ts";
import { specOf } from "../support/spec.ts";
import { UnsupportedError } from "../../core/errors.ts";
import { makePlan } from "../../core/plan/plan.ts";
import { ARCHES } from "../support/native.ts";
import { imagined } from "../support/system.ts";

const [x86_64] = ARCHES as [Arch, Arch];

const AT_FDCWD = arg(-100, "AT_FDCWD");
const O_WRONLY_CLOEXEC = arg(0o2000001, "O_WRONLY|O_CLOEXEC");

/** What a call writes, as text. */
function written(calls: readonly Call[]): { text: string; length: unknown } {
  const write = calls.find(({ name }) => name === "write");
  const [, data, length] = write?.args ?? [];
  assert(typeof data === "object" && "bytes" in data);
  return { text: new TextDecoder().decode(data.bytes), length };
}

/** Checks that what was opened is what is written to, whatever its number is. */
function writesToWhatItOpens(calls: readonly Call[]): void {
  const write = calls.find(({ name }) => name === "write");
  assert(write?.label !== undefined);
  for (const each of calls.filter(({ name }) => name === "openat")) {
    assertEquals(each.into, { call: write.label, argument: 0 });
  }
}

test("an SELinux context is written to attr/exec in one go, with its NUL", () => {
  const label = "system_u:system_r:svirt_t:s0:c1,c2";
  const calls = lowerSelinux(label);
  assertEquals(calls.map(({ step, name }) => [step, name]), [
    ["selinux", "openat"],
    ["selinux", "write"],
  ]);
  assertEquals(calls[0]?.args, [AT_FDCWD, { text: "/proc/self/attr/exec" }, O_WRONLY_CLOEXEC]);
  assertEquals(written(calls), { text: `${label}\0`, length: label.length + 1 });
  writesToWhatItOpens(calls);
});

test("an AppArmor profile is written as a change on exec, without a NUL", () => {
  const calls = lowerApparmor("vm //child");
  assertEquals(written(calls), { text: "exec vm //child", length: 15 });
  writesToWhatItOpens(calls);
});

test("AppArmor's own file is tried first, then the one that it shares", () => {
  const calls = lowerApparmor("p");
  const opens = calls.filter(({ name }) => name === "openat");
  assertEquals(opens.map((each) => each.path), [
    "/proc/self/attr/apparmor/exec",
    "/proc/self/attr/exec",
  ]);
  const [first, second, write] = calls;
  const done = write?.label ?? "";
  assertEquals(write?.name, "write");
  assertEquals(first?.jumps, { zero: done, positive: done, error: second?.label ?? "" });
  assertEquals(second?.jumps, { zero: done, positive: done });
});

test("a label is counted in bytes, not in characters", () => {
  assertEquals(written(lowerApparmor("ü")).length, 7);
  assertEquals(written(lowerSelinux("ü→")).length, 6);
});

/** The header of a program, and its operations, in memory. */
function laidOut(calls: readonly Call[]) {
  const buffer = new ArrayBuffer(64 * 1024);
  const address = 0x7f12_3456_8000;
  const [bytes, words] = [new Uint8Array(buffer), new Uint32Array(buffer)];
  const arena = { address, size: buffer.byteLength, bytes, words } as Arena;
  const encoded = encode({ calls, cells: [] }, x86_64, arena);
  return { encoded, address, bytes, view: new DataView(buffer) };
}

test("encoded, the first open that fails goes on with the second, and success skips it", () => {
  const { encoded, address, view } = laidOut(lowerApparmor("p"));
  const first = Number(view.getBigUint64(encoded.header - address, true)) - address;
  const word = (at: number) => Number(view.getBigUint64(at, true)) - address;
  const [error, zero, positive] = [64, 72, 80].map((at) => word(first + at));
  assertEquals([error, zero, positive], [
    first + OPERATION,
    first + 2 * OPERATION,
    first + 2 * OPERATION,
  ]);
});

test("a label that the module refuses is a SpawnError of its step, and says which", () => {
  for (
    const [step, calls] of [
      ["selinux", lowerSelinux("u:r:t")],
      ["apparmor", lowerApparmor("u:r:t")],
    ] as const
  ) {
    const { encoded, address, bytes, view } = laidOut(calls);
    const first = Number(view.getBigUint64(encoded.header - address, true));
    const at = calls.findIndex(({ name }) => name === "write");
    view.setBigInt64(FAILED_AT, BigInt(first + at * OPERATION), true);
    view.setBigInt64(FAILED_RESULT, -22n, true);
    view.setBigInt64(GAVE_UP, 99n, true);
    const failure = encoded.failure(encoded.notesIn(bytes));
    assert(failure !== undefined);
    const files = { access: () => "ok", head: () => undefined } as const;
    const error = spawnError(failure.call, failure.errno, "true", files);
    assertEquals([error.step, error.syscall, error.code, error.exitCode], [
      step,
      "write",
      "EINVAL",
      125,
    ]);
    assert(error.message.includes('"u:r:t"'), error.message);
  }
});

test("both labels come after the descriptors, before core, ids and folder", () => {
  const cmd = new Command("true").cwd("/").runAlone().uid(1).gid(1).maxFiles(9)
    .apparmorProfile("p").selinuxLabel("u:r:t");
  const { calls } = lower(makePlan(specOf(cmd), imagined()).steps, {
    moves: [],
    free: () => [6, 7, 8],
  });
  const steps = calls.map(({ step }) => step).filter((step, i, all) => step !== all[i - 1]);
  assertEquals(steps.slice(steps.indexOf("limits")), [
    "limits",
    "selinux",
    "apparmor",
    "coreSched",
    "identity",
    "capabilities",
    "chdir",
    "unblock",
    "exec",
  ]);
});

const SELINUX_ON = "nodev\tsysfs\nnodev\tselinuxfs\n";
const APPARMOR = "/sys/module/apparmor/parameters/enabled";

/** A kernel with some files. */
const kernelOf = (files: Record<string, string>): ReadText => (path) => files[path];

test("whether a module is on is read from the kernel's own files", () => {
  const [on, off, none] = ["Y\n", "N\n", undefined].map((text): ReadText =>
    kernelOf(text === undefined ? {} : { [APPARMOR]: text })
  );
  assertEquals([on, off, none].map((read) => read && hasApparmor(read)), [true, false, false]);
  const current = "/proc/self/attr/current";
  const selinux = (label: string) =>
    hasSelinux(kernelOf({ "/proc/filesystems": SELINUX_ON, [current]: label }));
  assert(selinux("system_u:system_r:init_t:s0\0"));
  // Before a policy is loaded, every process has this label.
  assert(!selinux("kernel\0"));
  assert(!hasSelinux(kernelOf({ "/proc/filesystems": "nodev\tsysfs\n" })));
  assert(!hasSelinux(kernelOf({})));
});

test("a label needs its own module, and no label needs none", () => {
  const planOf = (cmd: Command) => makePlan(specOf(cmd), imagined());
  const selinux = planOf(new Command("true").selinuxLabel("u:r:t"));
  const apparmor = planOf(new Command("true").apparmorProfile("p"));
  const onlySelinux = kernelOf({
    "/proc/filesystems": SELINUX_ON,
    "/proc/self/attr/current": "u:r:init_t\0",
  });
  const onlyApparmor = kernelOf({ [APPARMOR]: "Y\n" });
  requireLsm(onlySelinux, selinux, "native");
  requireLsm(onlyApparmor, apparmor, "native");
  requireLsm(kernelOf({}), planOf(new Command("true")), "native");
  const wrong = [
    [onlyApparmor, selinux, "selinuxLabel"],
    [onlySelinux, apparmor, "apparmorProfile"],
  ] as const;
  for (const [kernel, plan, feature] of wrong) {
    const error = assertThrows(() => requireLsm(kernel, plan, "launcher"), UnsupportedError);
    assertEquals([error.feature, error.driver], [feature, "launcher"]);
  }
});

test("without a policy, a label is refused and not left out", () => {
  const plan = makePlan(specOf(new Command("true").selinuxLabel("u:r:t")), imagined());
  const kernel = kernelOf({
    "/proc/filesystems": SELINUX_ON,
    "/proc/self/attr/current": "kernel\0",
  });
  const error = assertThrows(() => requireLsm(kernel, plan, "native"), UnsupportedError);
  assert(error.message.includes("no policy is loaded"), error.message);
});

test("a refused label says why, as far as errno tells", () => {
  const reasons = [
    [lowerApparmor("p"), "ENOENT", 2, "no such profile is loaded"],
    [lowerApparmor("p"), "EACCES", 13, "does not allow the change"],
    [lowerSelinux("u:r:t"), "EINVAL", 22, "the loaded policy has no such context"],
    [lowerSelinux("u:r:t"), "EACCES", 13, "does not let this process choose labels"],
  ] as const;
  for (const [calls, code, errno, reason] of reasons) {
    const write = calls.at(-1) as Call;
    const files = { access: () => "ok", head: () => undefined } as const;
    const { message } = spawnError(write, errno, "true", files);
    assert(message.includes(`${code}: the label `) && message.includes(reason), message);
  }
});
