import { assert, assertEquals } from "@std/assert";
import { backendInfo, Command, ExitError, type RunOptions, TimeoutError } from "../../mod.ts";
import { failure } from "../support/failures.ts";
import { conform } from "../support/harness.ts";
import { withLimit } from "../support/patience.ts";

const SUICIDE = ["-c", "kill -40 $$"];

/** The portable driver on Node learns of such a signal, but not which one it was. */
function expectedName(name: string): string {
  const { driver, runtime } = backendInfo();
  return driver === "portable" && runtime === "node" ? "signal 127" : name;
}

/** A success, says Node: it has an empty name for such a signal, which is its name for none. */
function hidden(): string | undefined {
  const { driver, runtime } = backendInfo();
  return driver !== "native" && runtime === "node" ? "Node does not tell" : undefined;
}

conform("run: a program that a real-time signal ended has not succeeded", async () => {
  const error = await failure(ExitError, () => new Command("sh", ...SUICIDE).run());
  assertEquals([error.code, error.signal], [null, "SIGRTMIN+6"]);
}, { skip: hidden() });

conform("runSync: a program that a real-time signal ended has not succeeded", async () => {
  const error = await failure(ExitError, () => new Command("sh", ...SUICIDE).runSync());
  assertEquals([error.code, error.signal], [null, expectedName("SIGRTMIN+6")]);
});

conform("runSync: output before a real-time signal is there, or said to be lost", () => {
  const cmd = new Command("sh", "-c", "echo out; kill -40 $$");
  const { stdout, drained, status } = cmd.runSync({ check: false });
  assert(!status.success);
  assertEquals(stdout, drained ? "out\n" : "");
});

conform("kill takes the number of a real-time signal", async (t) => {
  for (const sent of [34, 40, 64]) {
    const child = await new Command("sleep", 1000).spawn();
    t.defer(() => child[Symbol.asyncDispose]());
    assertEquals(child.kill(sent), true);
    const { status } = await child.wait({ check: false });
    if (hidden() === undefined) assertEquals(status.code, null);
    assertEquals(child.kill(sent), false);
  }
});

const HARD = "for n in 34 40 64; do trap '' $n; done; trap 'echo got; exit 3' 41; echo on; " +
  "while :; do sleep 0.01; done";

const hard = () => new Command("sh", "-c", HARD);

/**
 * The error of a run whose time was up when all its signals were handled, and its parent knew that
 * it runs: before that it is its start that is ended, by SIGKILL.
 */
function late(start: (options: RunOptions) => unknown, grace = 0): Promise<TimeoutError> {
  return withLimit(
    async (timeout) => ({ timeout, error: await failure(TimeoutError, () => start({ timeout })) }),
    ({ timeout, error: { stdout, result, signal } }) =>
      stdout.startsWith("on\n") &&
      (signal !== "SIGKILL" || result.durationMs >= timeout + grace - 1),
  ).then(({ error }) => error);
}

conform("a real-time signal as killSignal is sent first", async () => {
  const error = await late((options) => hard().run({ ...options, killSignal: 41 }));
  assertEquals([error.stdout, error.code], ["on\ngot\n", 3]);
});

conform("after a real-time signal that is ignored comes SIGKILL", async () => {
  const error = await late((options) => hard().run({ ...options, killSignal: 40, grace: 50 }), 50);
  assertEquals([error.stdout, error.signal], ["on\n", "SIGKILL"]);
});

conform("runSync: a real-time signal as killSignal ends a program that is late", async () => {
  const error = await late(
    (options) => hard().runSync({ ...options, killSignal: 40, grace: 50 }),
    50,
  );
  assertEquals([error.stdout, error.signal], ["on\n", "SIGKILL"]);
  assertEquals(new Command("true").runSync({ killSignal: 40 }).code, 0);
});
