import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import {
  AbortError,
  type Child,
  Command,
  CommandError,
  ExitError,
  MaxBufferError,
  secret,
  SpawnError,
  TimeoutError,
} from "../../mod.ts";
import { failure, thrown, WAYS } from "../support/failures.ts";
import { conform } from "../support/harness.ts";
import { program } from "../support/runtime.ts";

const TOKEN = "hunter2-token";
const VALUE = "hunter2-value";

/** How the runtimes themselves print a value. */
function printed(value: unknown): string {
  const { Bun, Deno } = globalThis as unknown as {
    Bun?: { inspect(value: unknown, options: object): string };
    Deno?: { inspect(value: unknown, options: object): string };
  };
  return [
    inspect(value, { depth: 20, showHidden: true, maxArrayLength: 1000 }),
    Bun?.inspect(value, { depth: 20 }),
    Deno?.inspect(value, { depth: 20, showHidden: true }),
  ].join("\n");
}

/** Everything that an error may show, as text: its fields, its result and its causes too. */
function everything(error: unknown): string {
  assert(error instanceof CommandError);
  const texts: string[] = [];
  for (let each: unknown = error; each instanceof Error; each = each.cause) {
    const { message, stack } = each;
    const fields = Object.getOwnPropertyNames(each).map((name) =>
      `${name}: ${JSON.stringify((each as Error & Record<string, unknown>)[name])}`
    );
    texts.push(message, stack ?? "", String(each), JSON.stringify(each), printed(each), ...fields);
  }
  return [error.command, ...texts, printed(structuredClone({ ...error }))].join("\n");
}

function hidden(text: string): void {
  assert(!text.includes("hunter2"), text);
}

function withSecrets(binary: string, ...args: string[]): Command {
  return new Command(binary, ...args, secret(TOKEN))
    .argPair("--token", secret(TOKEN)).env("PASSWORD", secret(VALUE)).env("PLAIN", "hunter2-plain");
}

conform("the program gets a secret in clear, in arguments and environment", async () => {
  const cmd = new Command("sh", "-c", 'echo "$0" "$1" "$PASSWORD"', secret(TOKEN))
    .argPair("a", secret("b")).env("PASSWORD", secret(VALUE));
  assertEquals(await cmd.text(), `${TOKEN} a=b ${VALUE}\n`);
  assertEquals(cmd.runSync().stdout, `${TOKEN} a=b ${VALUE}\n`);
});

conform("toString and explain show a mask in its place", () => {
  const cmd = new Command("true", secret(TOKEN)).argPair("--token", secret(TOKEN))
    .env("PASSWORD", secret(VALUE));
  assertEquals(cmd.toString(), "PASSWORD='***' true '***' '--token=***'");
  hidden(cmd.toString({ lineBreaks: true, stripPath: true }));
  hidden(cmd.explain());
  assertStringIncludes(cmd.explain(), "***");
});

conform("a plain environment value shows in toString, but in no error", async () => {
  const cmd = new Command("false").env("PLAIN", "hunter2-plain");
  assertStringIncludes(cmd.toString(), "hunter2-plain");
  for (const run of Object.values(WAYS)) {
    hidden(everything(await thrown(async () => await (await run(cmd) as Partial<Child>).wait?.())));
  }
});

/** Ways by which a value can come to the environment, other than `env(name, value)`. */
const VALUES: Record<string, (cmd: Command) => Command> = {
  "env of a record": (cmd) => cmd.env({ A: "hunter2-a", B: "hunter2-b" }),
  "envString": (cmd) => cmd.envString("A=hunter2-string=more"),
  "a default of envPass": (cmd) => cmd.envPass("VIRCOMMAND_UNSET", { default: "hunter2-default" }),
  "envXdg": (cmd) => cmd.envXdg("/hunter2-folder"),
  "a value that a shell would have to quote": (cmd) => cmd.env("A", "it's hunter2 $(x)\n"),
};

for (const [what, set] of Object.entries(VALUES)) {
  conform(`${what} shows in no error, whatever goes wrong`, async () => {
    const make = (...argv: string[]) => set(Command.from(argv));
    const shell = () => make("sh", "-c", "exec sleep 1000");
    hidden(everything(await failure(ExitError, () => make("/bin/false").run())));
    hidden(everything(await failure(ExitError, () => make("/bin/false").runSync())));
    hidden(everything(await thrown(() => make("/no/such/program").run())));
    hidden(everything(await thrown(() => make("/no/such/program").runSync())));
    hidden(everything(await thrown(() => make("/bin/true").cwd("/no/such/folder").run())));
    hidden(everything(await thrown(() => make("/bin/true").stdin({ file: "/no/such" }).run())));
    hidden(everything(await thrown(() => make("/bin/echo", "x").json())));
    hidden(everything(await failure(TimeoutError, () => shell().run({ timeout: 30 }))));
    hidden(
      everything(await failure(AbortError, () => shell().run({ signal: AbortSignal.abort() }))),
    );
    const during = { signal: AbortSignal.timeout(30) };
    hidden(everything(await failure(AbortError, () => shell().run(during))));
    const yes = () => make("sh", "-c", "exec yes");
    hidden(everything(await failure(MaxBufferError, () => yes().run({ maxBuffer: 10 }))));
  });
}

conform("values that were put in the wrong place show in no misuse", () => {
  for (
    const cmd of [
      new Command("true").env("TOKEN=hunter2", "x"),
      new Command("true").env({ "TOKEN=hunter2": "x" }),
      new Command("true").envString("hunter2-without-a-name"),
      new Command("true").env("A", "hunter2\0"),
      new Command("true").envString("=hunter2"),
    ]
  ) {
    hidden(everything(cmd.error));
  }
});

const LEAKY_HOOK = `export default (data, { argv, env }) => {
  if (data.how === "throw") throw new Error("bad: " + argv.join(" ") + " " + env.PASSWORD + "\\n\\x1b[2J");
  return 3;
};\n`;

conform("what a hook throws shows a mask in the place of secrets", async ({ folder }) => {
  const hook = join(folder(), "hook.mjs");
  writeFileSync(hook, LEAKY_HOOK);
  const make = (how: string) =>
    new Command("true", secret(TOKEN)).env("PASSWORD", secret(VALUE))
      .envPass("PATH").envPass("HOME").envPass("DENO_DIR")
      .preExec(hook, { how, password: "hunter2-data" });
  const error = await failure(SpawnError, () => make("throw").run());
  hidden(everything(error));
  assertStringIncludes(error.message, "bad: true *** ***\\n\\x1b[2J");
  assert(error.cause instanceof Error);
  assertStringIncludes(error.cause.message, "bad: true *** ***");
  // What it is given is nothing that an error tells.
  hidden(everything(await failure(SpawnError, () => make("return").run())));
}, { features: ["preExec"] });

for (const which of ["exit", "exit sync", "spawn", "timeout", "abort"]) {
  conform(
    `an uncaught error (${which}) prints neither secrets nor environment values`,
    async () => {
      const { stderr, code } = await program("uncaught", which).run({ check: false });
      assert(code !== 0);
      assertStringIncludes(stderr, "Error");
      assertStringIncludes(stderr, "TOKEN='***'");
      hidden(stderr);
    },
  );
}

conform("the result shows a mask in its place, and no environment value", async () => {
  const plain = await new Command("true").env("A", "hunter2-plain").run();
  assertEquals(plain.command, "A='***' true");
  assertEquals(new Command("true").env("A", "hunter2-plain").runSync().command, plain.command);
  hidden(JSON.stringify(plain));
  hidden(printed(plain));
  const result = await new Command("true", secret(TOKEN)).env("A", secret(VALUE)).run();
  hidden(JSON.stringify([result.command, result.argv]));
  hidden(inspect(result, { depth: 5 }));
});

conform("errors of the start show a mask in its place", async () => {
  for (const binary of ["/no/such/program", "vircommand-no-such-tool"]) {
    hidden(everything(await thrown(() => withSecrets(binary).run())));
    hidden(everything(await thrown(() => withSecrets(binary).runSync())));
    hidden(everything(await thrown(() => withSecrets(binary).spawn())));
  }
  hidden(everything(await thrown(() => withSecrets("true").cwd("/no/such/folder").run())));
});

conform("errors of the end show a mask in its place", async () => {
  const script = 'exec sleep "${1:-1000}"';
  const sleeper = () => withSecrets("sh", "-c", script, "sh", "1000");
  hidden(everything(await failure(ExitError, () => withSecrets("false").run())));
  hidden(everything(await failure(ExitError, () => withSecrets("false").runSync())));
  hidden(everything(await failure(TimeoutError, () => sleeper().run({ timeout: 40 }))));
  const aborted = { signal: AbortSignal.timeout(40) };
  hidden(everything(await failure(AbortError, () => sleeper().run(aborted))));
  const before = { signal: AbortSignal.abort() };
  hidden(everything(await failure(AbortError, () => sleeper().run(before))));
  const yes = () => withSecrets("sh", "-c", "exec yes");
  hidden(everything(await failure(MaxBufferError, () => yes().run({ maxBuffer: 10 }))));
});

conform(
  "a secret that the program repeats on standard error is masked in the message",
  async () => {
    const cmd = new Command("sh", "-c", 'echo "bad token $0" >&2; exit 1', secret(TOKEN));
    const error = await failure(ExitError, () => cmd.run());
    hidden(error.message);
    assertStringIncludes(error.message, "bad token ***");
    assertStringIncludes(error.stderr, TOKEN);
  },
);

conform("a secret does not give itself away", () => {
  const value = secret(TOKEN);
  for (
    const text of [
      `${value}`,
      String(value),
      JSON.stringify({ value }),
      inspect(value, { showHidden: true, depth: 5 }),
      Object.values(value).join(),
      JSON.stringify(Object.getOwnPropertyNames(value)),
    ]
  ) {
    hidden(text);
  }
});

conform("a command that is printed does not give its secrets away", () => {
  const cmd = withSecrets("true");
  hidden(inspect(cmd, { depth: 10, showHidden: true }));
  hidden(JSON.stringify(cmd) ?? "");
});

conform("an environment value that is set again without secret is no secret", () => {
  const cmd = new Command("true").env("A", secret(VALUE)).env("A", "plain");
  assertEquals(cmd.toString(), "A=plain true");
  assertEquals(cmd.env("A", secret(VALUE)).toString(), "A='***' true");
});

conform("a misuse does not show a secret", () => {
  const cmd = new Command("true").arg(secret(`${TOKEN}\0`));
  hidden(String(cmd.error));
  hidden(String(new Command("true").env("A=", secret(VALUE)).error));
});
