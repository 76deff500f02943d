import { assert, assertEquals } from "@std/assert";
import process from "node:process";
import { SHARE_ENV, Worker } from "node:worker_threads";
import { backendInfo, Command } from "../../mod.ts";
import { conform } from "../support/harness.ts";
import { preparedProgram, programArgv } from "../support/runtime.ts";

const { runtime, driver } = backendInfo();
const inherited = () => new Command("/usr/bin/env", "-0");

function variables(text: string): string[] {
  return text.split("\0").filter((each) => each !== "");
}

conform(
  "a child that inherits the environment gets it whole, whatever other threads do",
  async (t) => {
    process.env["STEADY_A"] = "value-a";
    process.env["STEADY_Z"] = "value-z";
    const program = new URL("../support/programs/environment_worker.ts", import.meta.url);
    const stop = new SharedArrayBuffer(4);
    const worker = new Worker(program, { env: SHARE_ENV, workerData: stop });
    const ended = new Promise((resolve) => worker.once("exit", resolve));
    await new Promise((resolve) => worker.once("message", resolve));
    t.defer(async () => {
      Atomics.store(new Int32Array(stop), 0, 1);
      await ended;
      for (const name of Object.keys(process.env)) {
        if (/^(RACE|STEADY)_/.test(name)) delete process.env[name];
      }
    });
    for (let i = 0; i < 120; i++) {
      const { stdout } = i % 2 === 0 ? inherited().runSync() : await inherited().run();
      const seen = variables(stdout);
      for (const each of ["STEADY_A=value-a", "STEADY_Z=value-z"]) {
        assert(
          seen.includes(each),
          each,
        );
      }
      const wrong = seen.filter((each) =>
        !/^[A-Za-z_][A-Za-z0-9_]*=/.test(each) ||
        (each.startsWith("RACE_") && !/^RACE_\d+_\d=v{20,69}$/.test(each))
      );
      assertEquals(wrong, []);
      const names = seen.map((each) => each.replace(/=.*/s, ""));
      assertEquals(new Set(names).size, names.length);
    }
  },
  { timeoutMs: 60_000, skip: runtime === "bun" ? "threads of Bun share no variables" : undefined },
);

conform("every change of the environment is seen by the next child", async (t) => {
  const name = "VIRCOMMAND_TEST_CHANGES";
  t.defer(() => delete process.env[name]);
  const seen = () =>
    variables(inherited().runSync().stdout).filter((each) => each.startsWith(`${name}=`));
  const expected: string[][] = [];
  const got: string[][] = [];
  // The same text again, one of the same length, none, and many more than before.
  for (const value of ["one", "two", "one", undefined, "one", "", "x".repeat(5000), "three"]) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
    got.push(seen());
    expected.push(value === undefined ? [] : [`${name}=${value}`]);
  }
  assertEquals(got, expected);
  const many = Array.from({ length: 700 }, (_, i) => `${name}_${i}`);
  t.defer(() => many.forEach((each) => delete process.env[each]));
  for (const each of many) process.env[each] = "many";
  const all = variables(inherited().runSync().stdout);
  assertEquals(many.filter((each) => !all.includes(`${each}=many`)), []);
  for (const each of many) delete process.env[each];
  const none = variables((await inherited().run()).stdout);
  assertEquals(none.filter((each) => each.endsWith("=many")), []);
});

conform("variables that are no text are inherited byte by byte", async () => {
  const preparation = `A=$(printf 'a\\377b') B= ; export A B; exec`;
  const argv = programArgv("inherit", "environment");
  const { stdoutBytes } = await preparedProgram(preparation, argv).run();
  const text = [...stdoutBytes].map((byte) => String.fromCharCode(byte)).join("");
  const seen = text.split("\0");
  assert(seen.includes("A=a\xffb") && seen.includes("B="), JSON.stringify(text));
}, { skip: driver === "native" && runtime !== "bun" ? undefined : "process.env is text" });
