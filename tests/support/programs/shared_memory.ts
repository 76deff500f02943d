// Starts children that change what belongs to memory, and prints what became of this process.
import { readFileSync, statSync, writeFileSync } from "node:fs";
import process from "node:process";
import { Command, syscalls } from "../../../mod.ts";

/** What the kernel says of this process's memory. */
function memory() {
  const status = readFileSync("/proc/self/status", "utf8");
  const field = (name: string) => new RegExp(`^${name}:\\s*(.*)$`, "m").exec(status)?.[1];
  return {
    THP_enabled: field("THP_enabled"),
    VmLck: field("VmLck"),
    oom: readFileSync("/proc/self/oom_score_adj", "utf8").trim(),
    owner: statSync("/proc/self/environ").uid,
    environ: readFileSync("/proc/self/environ").length > 0,
  };
}

/** Makes the runtime compile, which needs memory that is first written and then executed. */
function compile(): number {
  let sum = 0;
  for (let i = 0; i < 100; i++) {
    const loop = new Function(
      "n",
      `let s = 0; for (let i = 0; i < 1000; i++) s += n * ${i}; return s;`,
    );
    for (let round = 0; round < 300; round++) sum += loop(round);
  }
  const wasm = new Uint8Array([
    ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 127, 3, 2, 1, 0, 7, 5, 1, 1, 102, 0, 0],
    ...[10, 6, 1, 4, 0, 65, 42, 11],
  ]);
  const { f } = new WebAssembly.Instance(new WebAssembly.Module(wasm)).exports;
  return sum > 0 ? (f as () => number)() : 0;
}

const before = memory();
const cmd = () => new Command("true");
const commands = {
  MDWE: cmd().step(syscalls.prctl("PR_SET_MDWE", 1, 0, 0, 0)),
  "MDWE by another name": cmd().step(syscalls.raw("prctl", 65, 1, 0, 0, 0)),
  THP: cmd().step(syscalls.prctl("PR_SET_THP_DISABLE", 1, 0, 0, 0)),
  "not dumpable": cmd().step(syscalls.prctl("PR_SET_DUMPABLE", 0)),
  mlockall: cmd().step(syscalls.raw("mlockall", 6)),
  ...(process.getuid?.() === 0
    ? {
      "another user": cmd().uid(65534).gid(65534),
      "another group": cmd().gid(65534),
      "other capabilities": cmd().clearCaps(),
    }
    : {}),
};
const errors: Record<string, unknown> = {};
for (const [name, each] of Object.entries(commands)) {
  try {
    await each.run();
  } catch (error) {
    errors[name] = String(error);
  }
  each.runSync({ check: false });
}
const child = await new Command("true").handshake().spawn();
await child.handshakeWait();
writeFileSync(`/proc/${child.pid}/oom_score_adj`, "777");
const mappings = readFileSync(`/proc/${child.pid}/maps`, "utf8").trimEnd().split("\n").length;
await child.handshakeNotify();
await child.wait();
process.stdout.write(
  JSON.stringify({ before, after: memory(), errors, mappings, wasm: compile() }),
);
