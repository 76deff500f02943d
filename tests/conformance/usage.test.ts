import { assert, assertEquals } from "@std/assert";
import process from "node:process";
import { backendInfo, Command } from "../../mod.ts";
import { conform } from "../support/harness.ts";

const { runtime, driver } = backendInfo();
const MB = 1024 * 1024;

/** What this process has had at most, in bytes. */
const own = () => process.resourceUsage().maxRSS * 1024;

/** Both ways of a run. */
const WAYS: Record<string, (cmd: Command) => Promise<number>> = {
  run: async (cmd) => (await cmd.run()).usage.maxRssBytes,
  // deno-lint-ignore require-await -- a refusal must reject
  runSync: async (cmd) => cmd.runSync().usage.maxRssBytes,
};

/** Whether a way of running tells of memory at all. */
function tells(way: string): boolean {
  if (driver === "native") return true;
  // The supervisor counts; and Bun.spawn does.
  return runtime === "bun" || (driver === "launcher" && way === "runSync");
}

for (const [way, run] of Object.entries(WAYS)) {
  conform(`${way}: a small program is not charged with the memory of its parent`, async () => {
    const heap = Array.from({ length: 30 }, () => new Uint8Array(10 * MB).fill(1));
    const bytes = await run(new Command("true"));
    assert(Number.isNaN(bytes) || bytes < 50 * MB, `${bytes / MB} MB`);
    assertEquals(heap.length, 30);
  });

  conform(`${way}: the memory of a program that needs more than its parent is told`, async () => {
    const size = Math.ceil(own() / MB) + 200;
    const bytes = await run(new Command("perl", "-e", `my $x = "x" x (${size} * 1048576);`));
    if (!tells(way)) return assert(Number.isNaN(bytes), String(bytes));
    assert(bytes >= size * MB, `${bytes / MB} MB of ${size}`);
  }, { needs: ["perl"] });
}
