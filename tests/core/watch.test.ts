import { assertEquals } from "@std/assert";
import { test } from "node:test";
import type { KillReason } from "../../core/run/check_result.ts";
import { watch } from "../../core/run/watch.ts";
// For the timers of the runtime.
import "../../mod.ts";

test("what of a time limit was over before the watch counts", async () => {
  const timeout = 600_000;
  const reason = await new Promise<KillReason>((resolve) =>
    watch({ timeout, signal: undefined }, resolve, { ref: true, elapsed: timeout + 1 })
  );
  assertEquals(reason, { why: "timeout", timeout });
});

test("a signal that has fired kills at once", () => {
  const reasons: KillReason[] = [];
  const signal = AbortSignal.abort("enough");
  watch({ timeout: undefined, signal }, (each) => reasons.push(each), { ref: true })();
  assertEquals(reasons, [{ why: "abort", reason: "enough" }]);
});
