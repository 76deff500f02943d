// A child that starts in its parent's memory must not change it: CLONE_VM shares more than bytes.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { backendInfo, Command, syscalls } from "../../mod.ts";
import { conform } from "../support/harness.ts";
import { program } from "../support/runtime.ts";

const features = ["step", "handshake"];

interface Seen {
  readonly before: unknown;
  readonly after: unknown;
  readonly errors: Record<string, unknown>;
  readonly mappings: number;
  readonly wasm: number;
}

for (const stage of ["memfd", "copy"]) {
  conform(`no child changes what belongs to its parent's memory (${stage})`, async () => {
    const argv = program("shared_memory").argv;
    const cmd = new Command("env", `VIRCOMMAND_STAGE=${stage}`, ...argv);
    const { before, after, errors, mappings, wasm } = JSON.parse(await cmd.text()) as Seen;
    assertEquals(errors, {});
    assertEquals(after, before);
    // It goes on compiling, which a memory-deny-write-execute would end.
    assertEquals(wasm, 42);
    if (backendInfo().driver === "native" && stage === "memfd") {
      assert(mappings < 20, `a child at its handshake has ${mappings} mappings`);
    }
  }, { features });
}

conform("backendInfo tells in what children go on that leave the shared memory", async () => {
  const { driver, stage } = backendInfo();
  assertEquals(stage, driver === "native" ? "memfd" : undefined);
  const script = `import("${new URL("../../mod.ts", import.meta.url).href}")` +
    ".then((m) => console.log(m.backendInfo().stage))";
  const [own = ""] = program("shared_memory").argv;
  const code = "Deno" in globalThis ? ["eval", script] : ["-e", script];
  const text = await new Command("env", "VIRCOMMAND_STAGE=copy", own, ...code).text();
  assertEquals(text.trim(), driver === "native" ? "copy" : "undefined");
});

conform("what is wrongly said of the stage is a UsageError that says so", async () => {
  const argv = program("shared_memory").argv;
  const { stderr, code } = await new Command("env", "VIRCOMMAND_STAGE=bogus", ...argv)
    .run({ check: false });
  assertStringIncludes(stderr, 'VIRCOMMAND_STAGE: expected memfd or copy, not "bogus"');
  assert(code !== 0);
}, {
  skip: backendInfo().driver === "native" ? undefined : "only the native driver has stages",
});

conform("a namespace of users can be made from an own memory, by whatever name", async () => {
  const NEWUSER = 0x1000_0000;
  for (const call of [syscalls.unshare("CLONE_NEWUSER"), syscalls.raw("unshare", NEWUSER)]) {
    const text = await new Command("cat", "/proc/self/uid_map").step(call).text();
    assertEquals(text, "");
  }
}, { features });
