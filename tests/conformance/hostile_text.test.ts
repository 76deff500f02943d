/**
 * What comes from outside (arguments, paths, output, what a hook throws) is shown to people in a
 * form that forges no line of a log and drives no terminal.
 *
 * @module
 */

import { assert, assertEquals, assertInstanceOf, assertStringIncludes } from "@std/assert";
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  AbortError,
  Command,
  CommandError,
  ExitError,
  MaxBufferError,
  SpawnError,
  TimeoutError,
} from "../../mod.ts";
import { failure, thrown, WAYS } from "../support/failures.ts";
import { conform } from "../support/harness.ts";

const EVIL: Readonly<Record<string, string>> = {
  "a sequence that sets the title": "a\x1b]0;owned\x07",
  "a sequence that clears the screen": "a\x1b[2J\x1b[H",
  "a line feed": "a\nFAKE LOG LINE",
  "a carriage return": "real\rfake",
  "tabs, backspaces and DEL": "a\t\b\x7f",
  "controls of one character": "a\x9b2J\x90\x9d",
  "separators of lines": "a\u2028b\u2029c\x85d",
  "an override of direction": "\u202egnp.exe",
  "isolates and marks": "\u2066a\u2069\u200f\u061c",
};

/** What no line that people read may have. */
// deno-lint-ignore no-control-regex -- control characters are what it looks for
const UNSAFE = /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

function safe(text: string | undefined): void {
  assert(text !== undefined && !UNSAFE.test(text), JSON.stringify(text));
}

function safeError(error: unknown): CommandError {
  assertInstanceOf(error, CommandError);
  safe(error.message);
  if (error.command !== undefined) safe(error.command);
  if (error instanceof SpawnError) error.args.forEach(safe);
  return error;
}

for (const [what, evil] of Object.entries(EVIL)) {
  conform(`${what} in arguments, paths and names is shown by its code in errors`, async (t) => {
    const path = join(t.folder(), evil);
    for (const run of Object.values(WAYS)) {
      const missing = safeError(await thrown(() => run(new Command(path, evil).env("A", evil))));
      assertInstanceOf(missing, SpawnError);
      // For programs it is what it is.
      assertEquals(missing.path, path);
    }
    safeError(await thrown(() => new Command(evil).run()));
    safeError(await thrown(() => new Command("true").cwd(path).run()));
    safeError(await thrown(() => new Command("cat").stdin({ file: path }).run()));
    safeError(await thrown(() => new Command("true").stdout({ file: `${path}/x` }).run()));
    safeError(await thrown(() => new Command("true").user(evil).run()));
    const { message } = await failure(ExitError, () => new Command("false", evil).run());
    safe(message);
    const sleeper = () => new Command("sh", "-c", "exec sleep 1000", evil);
    safeError(await failure(TimeoutError, () => sleeper().run({ timeout: 20 })));
    safeError(await failure(AbortError, () => sleeper().run({ signal: AbortSignal.abort() })));
    const controller = new AbortController();
    const child = await sleeper().spawn({ signal: controller.signal });
    controller.abort();
    const aborted = await failure(AbortError, () => child.wait());
    safeError(aborted);
    safe(aborted.result?.command);
    const yes = new Command("sh", "-c", "exec yes", evil);
    safeError(await failure(MaxBufferError, () => yes.run({ maxBuffer: 10 })));
  });

  conform(
    `${what} is shown by its code in logs and explanations, and exact for shells`,
    async (t) => {
      const cmd = new Command("printf", "%s", evil).env("A", evil).cwd("/");
      const path = join(t.folder(), "log");
      const fd = openSync(path, "a");
      t.defer(() => closeSync(fd));
      await cmd.writeArgLog(fd);
      const stream = new TransformStream<Uint8Array, Uint8Array>();
      const streamed = new Response(stream.readable).text();
      await cmd.writeArgLog(stream.writable);
      await stream.writable.close();
      const log = readFileSync(path, "utf8");
      assertEquals(log, await streamed);
      assert(log.endsWith("\n"));
      safe(log.slice(0, -1));
      const lines = cmd.explain().split("\n");
      assertEquals(
        lines.length,
        new Command("printf", "%s", "x").env("A", "y").cwd("/").explain().split("\n").length,
      );
      lines.forEach(safe);
      assertStringIncludes(cmd.toString(), evil);
      // And the program gets what it was given.
      const { stdout, argv } = await cmd.run();
      assertEquals([stdout, argv.at(-1)], [evil, evil]);
    },
  );

  conform(`${what} on standard error is quoted with its code, and read as it was`, async () => {
    const cmd = new Command("sh", "-c", 'printf "%s" "$0" >&2; exit 1', evil);
    for (const run of [() => cmd.run(), () => cmd.runSync()]) {
      const error = await failure(ExitError, run);
      assertEquals(error.stderr, evil);
      const [first = "", ...quotation] = error.message.split("\n");
      safe(first);
      for (const line of quotation) safe(line.replaceAll("\t", ""));
    }
  });
}

conform("lines and tabs of a program's own complaint stay", async () => {
  const cmd = new Command("sh", "-c", "printf 'one:\\n\\ttwo\\r\\n' >&2; exit 1");
  const error = await failure(ExitError, () => cmd.run());
  assertEquals(error.message.split("\n").slice(1), ["one:", "\ttwo"]);
});

conform("what a hook throws is shown on the one line of the message", async ({ folder }) => {
  const hook = join(folder(), "hook.mjs");
  writeFileSync(hook, `export default (data) => { throw new Error(data); };\n`);
  const evil = Object.values(EVIL).join(" ");
  safeError(await failure(SpawnError, () => new Command("true").preExec(hook, evil).run()));
}, { features: ["preExec"] });
