import { assertEquals } from "@std/assert";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { conform } from "../support/harness.ts";
import { preparedProgram, programArgv } from "../support/runtime.ts";

const CLOSED = ["0", "1", "2", "01", "02", "12", "012"];

for (const how of ["from its start", "later"]) {
  for (const closed of CLOSED) {
    conform(
      `a parent whose ${[...closed].join(", ")} was closed ${how} runs all the same`,
      async (t) => {
        const report = join(t.folder(), "report");
        // A shell closes them before the runtime starts; the program, once it runs.
        const atStart = how === "later" ? "" : closed;
        const redirections = [...atStart].map((fd) => `${fd}>&-`).join(" ");
        const argv = programArgv("closed", report, how === "later" ? closed : "");
        await preparedProgram(`exec ${redirections}`, argv).run({ timeout: 20_000 });
        const seen = JSON.parse(readFileSync(report, "utf8"));
        const fds = ["0 pipe", "1 pipe", "2 pipe"];
        assertEquals(seen, {
          run: ["in", "out\n", "err\n"],
          runSync: ["in", "out\n", "err\n"],
          merged: "out\nerr\n",
          fds,
          fdsSync: fds,
          spawned: "through pipes",
          sent: "sent",
          nothing: ["0 /dev/null", "1 pipe", "2 pipe"],
          missing: "ENOENT",
        });
      },
    );
  }
}
