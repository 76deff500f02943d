import { assertEquals, assertInstanceOf, assertStringIncludes } from "@std/assert";
import process from "node:process";
import { Command, secret, UsageError } from "../../mod.ts";
import { conform } from "../support/harness.ts";
import { programArgv } from "../support/runtime.ts";

/** `env` prints what it was given, in that order. */
async function envSeen(setup: (cmd: Command) => Command): Promise<string[]> {
  const text = await setup(new Command("env", "-0")).text();
  return text.split("\0").slice(0, -1);
}

function withVariable(defer: (action: () => unknown) => void, name: string, value: string): void {
  process.env[name] = value;
  defer(() => delete process.env[name]);
}

conform("without any env call the child inherits everything", async ({ defer }) => {
  withVariable(defer, "VIRCOMMAND_TEST", "a b\nc");
  const seen = await envSeen((cmd) => cmd);
  const own = Object.entries(process.env).map(([name, value]) => `${name}=${value}`);
  assertEquals(seen.toSorted(), own.toSorted());
  assertStringIncludes(seen.join("\0"), "VIRCOMMAND_TEST=a b\nc");
});

conform("inheritance follows what the parent has when the command runs", async ({ defer }) => {
  const cmd = new Command("sh", "-c", 'echo "$VIRCOMMAND_TEST"');
  withVariable(defer, "VIRCOMMAND_TEST", "1");
  assertEquals(await cmd.text(), "1\n");
  withVariable(defer, "VIRCOMMAND_TEST", "2");
  assertEquals(await cmd.text(), "2\n");
});

conform(
  "one env call, and the child gets only what was chosen, in the order of choice",
  async () => {
    assertEquals(await envSeen((cmd) => cmd.env("B", "2").env("A", "1")), ["B=2", "A=1"]);
  },
);

conform("runSync gives the same environment", () => {
  assertEquals(new Command("env").env("B", "2").env("A", "1").runSync().stdout, "B=2\nA=1\n");
});

conform("a variable that is set again keeps its place and gets the new value", async () => {
  const seen = await envSeen((cmd) => cmd.env("A", "1").env("B", "2").env("A", "3"));
  assertEquals(seen, ["A=3", "B=2"]);
});

conform("a record sets each of its entries", async () => {
  const seen = await envSeen((cmd) => cmd.env({ A: "1", B: 2, C: 3n, D: secret("s") }));
  assertEquals(seen, ["A=1", "B=2", "C=3", "D=s"]);
});

conform("an empty record ends inheritance", async () => {
  assertEquals(await envSeen((cmd) => cmd.env({})), []);
});

conform("envString takes NAME=VALUE; the value may have more of =", async () => {
  assertEquals(await envSeen((cmd) => cmd.envString("A=B=C").envString("D=")), ["A=B=C", "D="]);
});

conform("an empty value is a value, and so are line breaks and quotes", async () => {
  const seen = await envSeen((cmd) => cmd.env("A", "").env("B", "x\ny 'z' \"ü\""));
  assertEquals(seen, ["A=", "B=x\ny 'z' \"ü\""]);
});

conform("envPass passes a variable that the parent has", async ({ defer }) => {
  withVariable(defer, "VIRCOMMAND_TEST", "passed");
  const seen = await envSeen((cmd) => cmd.env("A", "1").envPass("VIRCOMMAND_TEST"));
  assertEquals(seen, ["A=1", "VIRCOMMAND_TEST=passed"]);
});

conform("envPass of one unset variable does not make the child inherit everything", async () => {
  assertEquals(await envSeen((cmd) => cmd.envPass("VIRCOMMAND_NO_SUCH")), []);
});

conform("envPass takes a default for a variable that is not set", async ({ defer }) => {
  const setup = (cmd: Command) => cmd.envPass("VIRCOMMAND_TEST", { default: "else" });
  assertEquals(await envSeen(setup), ["VIRCOMMAND_TEST=else"]);
  withVariable(defer, "VIRCOMMAND_TEST", "set");
  assertEquals(await envSeen(setup), ["VIRCOMMAND_TEST=set"]);
});

conform("a variable that is set but empty is passed as such", async ({ defer }) => {
  withVariable(defer, "VIRCOMMAND_TEST", "");
  const seen = await envSeen((cmd) => cmd.envPass("VIRCOMMAND_TEST", { default: "else" }));
  assertEquals(seen, ["VIRCOMMAND_TEST="]);
});

conform(
  "envPass looks at the parent when the command runs, not when it is built",
  async ({ defer }) => {
    const cmd = new Command("env").envPass("VIRCOMMAND_TEST");
    withVariable(defer, "VIRCOMMAND_TEST", "late");
    assertEquals(await cmd.text(), "VIRCOMMAND_TEST=late\n");
  },
);

conform("envClear drops what was chosen so far", async () => {
  assertEquals(await envSeen((cmd) => cmd.env("A", "1").envClear().env("B", "2")), ["B=2"]);
  assertEquals(await envSeen((cmd) => cmd.envClear()), []);
});

conform("a program is found through the parent's PATH if the command chooses none", async () => {
  assertEquals(await new Command("echo", "found").envClear().text(), "found\n");
});

conform("envPassCommon sets LC_ALL=C and passes what programs commonly need", async ({ defer }) => {
  withVariable(defer, "TMPDIR", "/var/tmp");
  withVariable(defer, "LOGNAME", "me");
  withVariable(defer, "VIRCOMMAND_TEST", "not passed");
  const common = ["LD_PRELOAD", "LD_LIBRARY_PATH", "PATH", "HOME", "USER", "LOGNAME", "TMPDIR"];
  const expected = common.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [`${name}=${value}`];
  });
  const seen = await envSeen((cmd) => cmd.envPassCommon());
  assertEquals(seen.toSorted(), ["LC_ALL=C", ...expected].toSorted());
  assertStringIncludes(seen.join(" "), "TMPDIR=/var/tmp");
});

conform("what is set after envPassCommon counts", async () => {
  const seen = await envSeen((cmd) => cmd.envPassCommon().env("LC_ALL", "POSIX"));
  assertEquals(seen.filter((each) => each.startsWith("LC_ALL=")), ["LC_ALL=POSIX"]);
});

conform("envXdg sets the three homes under a folder", async () => {
  assertEquals(await envSeen((cmd) => cmd.envXdg("/var/lib/x")), [
    "XDG_DATA_HOME=/var/lib/x/.local/share",
    "XDG_CACHE_HOME=/var/lib/x/.cache",
    "XDG_CONFIG_HOME=/var/lib/x/.config",
  ]);
});

conform(
  "under setuid, blocked variables give their default or nothing, and PATH is a safe one",
  async () => {
    const argv = programArgv("setuid_environment");
    const { stdout } = await new Command("setpriv", "--euid=65534", "--clear-groups", ...argv)
      .env({ PATH: process.env["PATH"] ?? "", LD_LIBRARY_PATH: "/lib" })
      .env({ BLOCKED: "secret", DEFAULTED: "secret", PASSED: "passed" })
      .run();
    assertEquals(JSON.parse(stdout), {
      chosen: ["DEFAULTED=safe", "PASSED=passed"],
      common: ["LC_ALL=C", "PATH=/bin:/usr/bin"],
    });
  },
  {
    root: true,
    needs: ["setpriv"],
    skip: "Deno" in globalThis
      ? "Deno does not start with different real and effective ids"
      : undefined,
  },
);

const MISUSES: Record<string, (cmd: Command) => Command> = {
  "an empty name": (cmd) => cmd.env("", "a"),
  "a name with =": (cmd) => cmd.env("A=B", "c"),
  "a NUL byte in a name": (cmd) => cmd.env("A\0", "b"),
  "a NUL byte in a value": (cmd) => cmd.env("A", "b\0"),
  "a bad name in a record": (cmd) => cmd.env({ "A=": "b" }),
  "envString without =": (cmd) => cmd.envString("A"),
  "envString without a name": (cmd) => cmd.envString("=B"),
  "a bad name to pass": (cmd) => cmd.envPass("A="),
  "a NUL byte in a default": (cmd) => cmd.envPass("A", { default: "\0" }),
  "a setuid rule that is none": (cmd) => cmd.envPass("A", { setuid: "maybe" as unknown as "pass" }),
  "a NUL byte in a folder": (cmd) => cmd.envXdg("/a\0b"),
};

for (const [what, setup] of Object.entries(MISUSES)) {
  conform(`${what} is a misuse of the environment`, () => {
    assertInstanceOf(setup(new Command("true")).error, UsageError);
  });
}
