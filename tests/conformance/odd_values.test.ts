import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { readFileSync } from "node:fs";
import process from "node:process";
import { type Argument, Command, run, runSync, secret, SpawnError, UsageError } from "../../mod.ts";
import { failsToStart, failure } from "../support/failures.ts";
import { conform } from "../support/harness.ts";

/** Bytes that the kernel takes for arguments and environment: a quarter of the stack. */
function argumentRoom(): number {
  const limits = readFileSync("/proc/self/limits", "utf8");
  const [, soft] = /^Max stack size\s+(\w+)/m.exec(limits) ?? [];
  return soft === "unlimited" ? Infinity : Number(soft) / 4;
}

const MANY = 150_000;
/** So many of these are more than 6 MiB. */
const LONG = "a long argument, of 45 bytes with its NUL byte";
/** Each has an address and a NUL byte; the rest is for the environment. */
const ROOM = MANY * 9 + 200_000;

function counting(): Argument[] {
  return ["sh", "-c", "echo $#", "sh", ...Array.from({ length: MANY }, () => "")];
}

conform(
  "150 000 arguments are no problem",
  async () => {
    assertEquals((await run(counting())).stdout, `${MANY}\n`);
    assertEquals(runSync(counting()).stdout, `${MANY}\n`);
    assertEquals(await Command.from(counting()).text(), `${MANY}\n`);
  },
  { skip: argumentRoom() >= ROOM ? undefined : "the limit on the stack leaves them no room" },
);

conform("as many longer arguments are E2BIG", async () => {
  // More than 6 MiB, which is the most that any kernel takes, whatever the limit on the stack.
  const args = ["true", ...Array.from({ length: MANY }, () => LONG)];
  const error = await failsToStart(() => Command.from(args), {
    step: "exec",
    syscall: "execve",
    code: "E2BIG",
    errno: 7,
    path: new Command("true").resolve(),
    exitCode: 126,
  });
  assertStringIncludes(error.message, "E2BIG");
  for (const way of [() => run(args), () => runSync(args)]) {
    assertEquals((await failure(SpawnError, way)).code, "E2BIG");
  }
});

conform("a text in place of an argument list is a UsageError that asks for an array", async () => {
  for (const given of ["ls", undefined]) {
    for (const way of [() => run(given as never), () => runSync(given as never)]) {
      assertMatch((await failure(UsageError, way)).message, /expected an array/);
    }
  }
});

conform("what a builder cannot show in a message is thrown by the run, not by it", async () => {
  const cmds = [
    new Command("true").argPair(5n as never, "v"),
    new Command("true").umask(Symbol("s") as never),
    new Command("true").passFd(3, null as never),
    new Command("true").envPass("A", null as never),
    new Command("cat").stdin(new Uint16Array(2) as never),
  ];
  for (const cmd of cmds) {
    assertEquals(await failure(UsageError, () => cmd.run()), cmd.error);
    assertEquals(await failure(UsageError, () => cmd.runSync()), cmd.error);
  }
});

conform("a secret default reaches the program in clear, and nobody else", async () => {
  const cmd = new Command("env").envPass("VIRCOMMAND_UNSET", { default: secret("hunter2") });
  assertEquals(await cmd.text(), "VIRCOMMAND_UNSET=hunter2\n");
  assertEquals(cmd.toString(), "VIRCOMMAND_UNSET='***' env");
});

/** Every object has these, and no environment does. */
const INHERITED = ["__proto__", "constructor", "toString", "hasOwnProperty"];

conform("a variable is one only if the environment has it", async () => {
  const cmd = new Command("env");
  for (const name of INHERITED) cmd.envPass(name);
  assertEquals(await cmd.text(), "");
  assertEquals(cmd.runSync().stdout, "");
  for (const name of INHERITED) cmd.envPass(name, { default: "none" });
  const lines = INHERITED.map((name) => `${name}=none`);
  assertEquals((await cmd.text()).trim().split("\n").toSorted(), lines.toSorted());
});

conform("a variable with the name of an object's member is passed all the same", async (t) => {
  const name: string = "constructor";
  process.env[name] = "mine";
  t.defer(() => delete process.env[name]);
  assertEquals(await new Command("env").envPass(name).text(), "constructor=mine\n");
});
