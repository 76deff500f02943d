import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { inspect } from "node:util";
import {
  AbortError,
  Command,
  CommandError,
  ExitError,
  MaxBufferError,
  secret,
  TimeoutError,
} from "../../mod.ts";
import { failure, thrown } from "../support/failures.ts";
import { conform } from "../support/harness.ts";

const TOKEN = "hunter2-token";
const VALUE = "hunter2-value";

/** Everything that an error may show, as text. */
function everything(error: unknown): string {
  assert(error instanceof CommandError);
  const { message, stack, command } = error;
  const fields = Object.entries(error).map(([name, value]) =>
    name === "result" ? "" : `${name}: ${JSON.stringify(value)}`
  );
  return [message, stack, command, String(error), ...fields].join("\n");
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
  hidden(everything(await thrown(() => cmd.run())));
});

conform("the result shows a mask in its place", async () => {
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
