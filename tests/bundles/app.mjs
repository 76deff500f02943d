// An application that is bundled, compiled or loaded in one of many ways. It prints one line for
// each check: `ok` or `fail`. No await at its top level: not every format can express it.

import fs from "node:fs";
import process from "node:process";
import { backendInfo, Command, UnsupportedError } from "vircommand";

const {
  APPLICATION_STARTS,
  APPLICATION_HOOK,
  APPLICATION_EXPECTED,
  APPLICATION_RUNTIME,
} = process.env;

// A hook whose runtime turned out to be the application would start it without end.
fs.appendFileSync(APPLICATION_STARTS, `${process.pid}\n`);
if (fs.readFileSync(APPLICATION_STARTS, "utf8").split("\n").length > 4) {
  process.exit(7);
}

function equal(actual, expected) {
  const [a, b] = [actual, expected].map((each) => JSON.stringify(each));
  if (a !== b) throw new Error(`got ${a}, expected ${b}`);
}

/** Runs the program with the hook, whose output comes first. */
async function hooked(options) {
  const cmd = new Command("echo", "world").preExec(
    APPLICATION_HOOK,
    "hello ",
    options,
  );
  return (await cmd.run()).stdout;
}

const checks = {
  async run() {
    equal((await new Command("cat").stdin("input").run()).stdout, "input");
  },
  runSync() {
    equal(new Command("cat").stdin("input").runSync().stdout, "input");
  },
  async lines() {
    const lines = [];
    for await (const line of new Command("printf", "a\\nb\\n").lines()) {
      lines.push(line);
    }
    equal(lines, ["a", "b"]);
  },
  async "an error"() {
    const error = await new Command("/no/such/program").run().catch((error) => error);
    equal([error.name, error.code, error.step], [
      "SpawnError",
      "ENOENT",
      "exec",
    ]);
  },
  async "a hook"() {
    if (APPLICATION_EXPECTED === "hook") {
      return equal(await hooked(), "hello world\n");
    }
    const error = await hooked().catch((error) => error);
    equal([error instanceof UnsupportedError, error.feature], [
      true,
      "preExec",
    ]);
  },
  async "a hook in the runtime that is named"() {
    equal(await hooked({ runtime: APPLICATION_RUNTIME }), "hello world\n");
  },
  async "this application as the runtime"() {
    if (APPLICATION_EXPECTED === "hook") return;
    process.env.VIRCOMMAND_RUNTIME = process.execPath;
    const error = await hooked().catch((error) => error);
    delete process.env.VIRCOMMAND_RUNTIME;
    equal([error instanceof UnsupportedError, error.feature], [
      true,
      "preExec",
    ]);
  },
  async "a hook that is not a file"() {
    const cmd = new Command("true").preExec("/no/such/hook.mjs", {}, {
      runtime: APPLICATION_RUNTIME,
    });
    const error = await cmd.run().catch((error) => error);
    equal([error.name, error.step], ["SpawnError", "preExec"]);
  },
};

async function main() {
  const { driver, runtime } = backendInfo();
  console.log(`driver ${runtime} ${driver}`);
  for (const [name, check] of Object.entries(checks)) {
    try {
      await check();
      console.log(`ok ${name}`);
    } catch (error) {
      console.log(
        `fail ${name}: ${String(error?.stack).replaceAll("\n", " ")}`,
      );
    }
  }
}

void main();
