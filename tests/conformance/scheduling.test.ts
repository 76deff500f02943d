import { assertEquals } from "@std/assert";
import { readFileSync } from "node:fs";
import { Command } from "../../mod.ts";
import { conform } from "../support/harness.ts";

const oomScore = () => new Command("cat", "/proc/self/oom_score_adj");

conform("oomScoreAdj is the program's, and never the parent's", async () => {
  const own = readFileSync("/proc/self/oom_score_adj", "utf8");
  for (const score of [600, 1000]) {
    assertEquals(await oomScore().oomScoreAdj(score).text(), `${score}\n`);
    assertEquals(oomScore().oomScoreAdj(score).runSync().stdout, `${score}\n`);
  }
  assertEquals(readFileSync("/proc/self/oom_score_adj", "utf8"), own);
});
