// A start that is held up by a step: the event loop goes on, and the limits of the run hold.
import { assert, assertEquals } from "@std/assert";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { AbortError, Command, syscalls, TimeoutError } from "../../mod.ts";
import { failure } from "../support/failures.ts";
import { conform, type Context, pause, until } from "../support/harness.ts";

const AT_FDCWD = -100;

/** A command whose start waits until somebody opens the other end of a FIFO. */
function heldUp(t: Context) {
  const folder = t.folder();
  const [fifo, touched, reached] = [
    join(folder, "fifo"),
    join(folder, "touched"),
    join(folder, "r"),
  ];
  new Command("mkfifo", fifo).runSync();
  const cmd = new Command("touch", touched)
    .step(syscalls.raw("mkdirat", AT_FDCWD, reached, 0o700))
    // O_RDONLY: waits for a writer.
    .step(syscalls.raw("openat", AT_FDCWD, fifo, 0, 0));
  const open = () => new Command("true").stdout({ file: fifo }).run();
  return { cmd, touched, open, blocks: () => until("it blocks", () => existsSync(reached)) };
}

const features = ["step"];

conform("while a step blocks, the event loop goes on, and then the program runs", async (t) => {
  const { cmd, touched, open, blocks } = heldUp(t);
  const run = cmd.run();
  let over = false;
  run.then(() => over = true, () => over = true);
  await blocks();
  for (let turn = 0; turn < 20; turn++) await pause(0);
  assert(!over);
  assert(!existsSync(touched));
  // Opened to write without waiting, which succeeds once the child has opened it to read.
  await until("the FIFO has a reader", async () => {
    try {
      await open();
      return true;
    } catch {
      return false;
    }
  });
  await run;
  assert(existsSync(touched));
}, { features });

conform("a time limit reaches a start whose step blocks", async (t) => {
  for (const way of ["run", "runSync", "spawn"] as const) {
    const { cmd, touched } = heldUp(t);
    const error = await failure(TimeoutError, async () => {
      const options = { timeout: 100, grace: 50 };
      if (way === "spawn") await (await cmd.spawn(options)).wait();
      else await cmd[way](options);
    });
    assertEquals(error.result.timedOut, true, way);
    assert(!existsSync(touched), way);
  }
}, { features });

conform("an AbortSignal reaches a start whose step blocks", async (t) => {
  const { cmd, touched, blocks } = heldUp(t);
  const controller = new AbortController();
  const run = failure(AbortError, () => cmd.run({ signal: controller.signal }));
  await blocks();
  controller.abort("enough");
  assertEquals((await run).cause, "enough");
  assert(!existsSync(touched));
}, { features });
