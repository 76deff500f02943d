import { assert, assertEquals } from "@std/assert";
import { closeSync, existsSync, openSync } from "node:fs";
import { join } from "node:path";
import { Command, SpawnError } from "../../mod.ts";
import { BAD_DESCRIPTOR, failsToStart, failure, WAYS } from "../support/failures.ts";
import { conform, type Context } from "../support/harness.ts";
import { preparedProgram, programArgv } from "../support/runtime.ts";

/** The number of a descriptor that was closed: the lowest that is free, and so the next one's. */
function closed(): number {
  const fd = openSync("/etc/hosts", "r");
  closeSync(fd);
  return fd;
}

const PLACES: Record<string, (cmd: Command, fd: number) => Command> = {
  "passFd under another number": (cmd, fd) => cmd.passFd(fd, { as: 55 }),
  "passFd as itself": (cmd, fd) => cmd.passFd(fd),
  "stdin": (cmd, fd) => cmd.stdin(fd),
  "stdout": (cmd, fd) => cmd.stdout(fd),
  "stderr": (cmd, fd) => cmd.stderr(fd),
  "stdin, with pipes for the rest": (cmd, fd) => cmd.stdin(fd).stderr("stdout"),
};

for (const [where, wire] of Object.entries(PLACES)) {
  conform(`a closed descriptor for ${where} is refused, whatever gets its number`, async () => {
    const error = await failsToStart(() => wire(new Command("true"), closed()), BAD_DESCRIPTOR);
    assertEquals(error.args.at(-1), "0");
  });
}

function untouched(t: Context): string {
  return join(t.folder(), "untouched");
}

conform("a closed descriptor is refused before a file is made", async (t) => {
  for (const start of Object.values(WAYS)) {
    const file = untouched(t);
    const cmd = new Command("true").stdout({ file }).passFd(closed(), { as: 55 });
    await failure(SpawnError, () => start(cmd));
    assert(!existsSync(file));
  }
});

conform("a number that no process can have is refused before a table is filled", async (t) => {
  const fd = openSync("/etc/hosts", "r");
  t.defer(() => closeSync(fd));
  for (const as of [2 ** 31 - 2, 2_000_000]) {
    await failsToStart(() => new Command("true").passFd(fd, { as }), BAD_DESCRIPTOR);
  }
});

for (const left of [0, 1, 2, 3, 4]) {
  conform(
    `runSync with ${left} descriptors left runs or is a SpawnError, and leaves nothing`,
    async (t) => {
      // A limit of its own: where it is high, all that it allows is more than there is memory for.
      const argv = programArgv("few_files", String(left), t.folder());
      const { stdout } = await preparedProgram("ulimit -n 200", argv).run({ timeout: 20_000 });
      const { outcome, files, taken } = JSON.parse(stdout);
      assert(
        left === 0 ? outcome === "SpawnError" : /^(Result|SpawnError)$/.test(outcome),
        outcome,
      );
      assertEquals(files, []);
      assert(taken > 100);
    },
  );
}
