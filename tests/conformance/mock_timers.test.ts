import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Command, TimeoutError } from "../../mod.ts";
import { conform, type Context, killHard } from "../support/harness.ts";
import { mockTimers } from "../support/mock_timers.ts";
import { program } from "../support/runtime.ts";

/** A test under mocked timers: it would not end if one of them was waited for. */
function mocked(name: string, body: (t: Context) => Promise<void>): void {
  conform(`under mocked timers, ${name}`, async (t) => {
    const restore = await mockTimers();
    try {
      await body(t);
    } finally {
      restore();
    }
  });
}

mocked("a program ends", async () => {
  assertEquals(await new Command("sh", "-c", "sleep 0.1; echo x").text(), "x\n");
});

mocked("a time limit ends a program", async () => {
  const error = await assertRejects(() => new Command("sleep", 60).run({ timeout: 50 }));
  assert(error instanceof TimeoutError, String(error));
});

mocked("a time limit ends a program that runs synchronously", async () => {
  await Promise.resolve();
  const error = assertThrows(() => new Command("sleep", 60).runSync({ timeout: 50 }));
  assert(error instanceof TimeoutError, String(error));
});

mocked("SIGKILL follows when the grace is over", async () => {
  const cmd = new Command("sh", "-c", "trap '' TERM; while :; do sleep 60 & wait; done");
  const error = await assertRejects(() => cmd.run({ timeout: 200, grace: 50 }));
  assert(error instanceof TimeoutError, String(error));
});

mocked("a descendant that holds the output is not waited for", async (t) => {
  const { stdout, drained } = await new Command("sh", "-c", "sleep 60 & echo $!")
    .run({ drain: 30 });
  t.defer(() => killHard(parseInt(stdout)));
  assertEquals(drained, false);
});

mocked("the lines of a long output come", async () => {
  let lines = 0;
  for await (const _ of new Command("seq", 300_000).lines()) lines++;
  assertEquals(lines, 300_000);
});

conform("timers that are mocked when the library is loaded are not used", async () => {
  assertEquals(await program("mocked").text(), "timeout, false\n");
}, {
  skip: "Bun" in globalThis ? "Bun mocks timers only in its test runner" : undefined,
});
