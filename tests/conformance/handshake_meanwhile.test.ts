import { assert, assertEquals } from "@std/assert";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AbortError, Command, TimeoutError } from "../../mod.ts";
import { failure } from "../support/failures.ts";
import { conform, isRunning } from "../support/harness.ts";
import { withLimit } from "../support/patience.ts";

conform("what the parent does to the waiting child holds for the program", async (t) => {
  const script = "cat /proc/self/oom_score_adj";
  const child = await new Command("sh", "-c", script).stdout("capture").handshake().spawn();
  t.defer(() => child[Symbol.asyncDispose]());
  await child.handshakeWait();
  writeFileSync(`/proc/${child.pid}/oom_score_adj`, "777");
  await child.handshakeNotify();
  assertEquals((await child.wait()).stdout, "777\n");
});

conform("the time limit counts at the handshake: the program never runs", async (t) => {
  const touched = join(t.folder(), "touched");
  const child = await withLimit(async (timeout) => {
    const child = await new Command("touch", touched).handshake().spawn({ timeout });
    t.defer(() => child[Symbol.asyncDispose]());
    // Without having come to it, the child is ended there or not at all.
    const reached = await child.handshakeWait().then(() => true, () => false);
    await failure(TimeoutError, () => child.wait());
    return reached ? child : undefined;
  }, (child) => child);
  assert(child !== undefined && !isRunning(child.pid));
  assert(!existsSync(touched));
});

conform("an abort at the handshake: the program never runs", async (t) => {
  const touched = join(t.folder(), "touched");
  const controller = new AbortController();
  const child = await new Command("touch", touched).handshake().spawn({
    signal: controller.signal,
  });
  t.defer(() => child[Symbol.asyncDispose]());
  await child.handshakeWait();
  controller.abort();
  await failure(AbortError, () => child.wait());
  assert(!isRunning(child.pid));
  assert(!existsSync(touched));
});
