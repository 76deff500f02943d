import { assert, assertEquals } from "@std/assert";
import { Command, MaxBufferError } from "../../mod.ts";
import { failure, WAYS } from "../support/failures.ts";
import { readFileSync } from "node:fs";
import { conform, isRunning, until } from "../support/harness.ts";

/** How many files this process may have open. */
function openFiles(): number {
  const limits = readFileSync("/proc/self/limits", "utf8");
  return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Infinity);
}

const SIX = ["-c", "printf 123456"];

function exceeded(error: MaxBufferError, stream: string, stdout: string): void {
  assert(error.message.includes(`${stream} exceeded maxBuffer`), error.message);
  assertEquals(error.stdout, stdout);
}

for (const way of ["run", "runSync"] as const) {
  for (const maxBuffer of [0, 0.5, 1.5, 3, 5.9]) {
    conform(`${way}: six bytes are too many for a maxBuffer of ${maxBuffer}`, async () => {
      const cmd = () => new Command("sh", ...SIX);
      const error = await failure(MaxBufferError, () => WAYS[way]?.(cmd(), { maxBuffer }));
      exceeded(error, "stdout", "123456".slice(0, maxBuffer));
    });
  }

  conform(`${way}: standard error has the same limit`, async () => {
    for (const maxBuffer of [0, 1.5, 3]) {
      const cmd = new Command("sh", "-c", "printf 123456 >&2");
      const error = await failure(MaxBufferError, () => WAYS[way]?.(cmd, { maxBuffer }));
      exceeded(error, "stderr", "");
    }
  });

  conform(`${way}: both outputs in one have one limit`, async () => {
    const cmd = () => new Command("sh", "-c", "printf 123; printf 456 >&2").stderr("stdout");
    for (const maxBuffer of [0, 3, 5]) {
      const error = await failure(MaxBufferError, () => WAYS[way]?.(cmd(), { maxBuffer }));
      exceeded(error, "stdout", "123456".slice(0, maxBuffer));
    }
  });
}

conform("runSync: no output is not too much for a maxBuffer of 0", () => {
  assertEquals(new Command("true").runSync({ maxBuffer: 0 }).stdout, "");
  assertEquals(new Command("sh", ...SIX).runSync({ maxBuffer: 6.5 }).stdout, "123456");
});

conform(
  "runSync: a program that is ended for its output is gone when the error comes",
  async () => {
    const script = "head -c 200000 /dev/zero; exec sleep 1000";
    const cmd = new Command("sh", "-c", script);
    const { result } = await failure(MaxBufferError, () => cmd.runSync({ maxBuffer: 1000 }));
    // It may have been ended with whoever kept watch over it, whose end came first.
    await until("the program has ended", () => !isRunning(result.pid));
  },
);

conform("runSync feeds more send buffers than a page of descriptors has room for", () => {
  const cmd = new Command("cat");
  const fds = Array.from({ length: 1100 }, (_, i) => cmd.sendBuffer(`${i}\n`));
  cmd.args(...fds.map((fd) => `/dev/fd/${fd}`));
  const expected = fds.map((_, i) => `${i}\n`).join("");
  assertEquals(cmd.runSync({ timeout: 20_000 }).stdout, expected);
}, { skip: openFiles() < 4096 ? "needs a limit of 4096 open files" : undefined });
