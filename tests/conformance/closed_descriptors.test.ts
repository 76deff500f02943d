import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { closeSync, existsSync, openSync, readdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { Command, Result, SpawnError } from "../../mod.ts";
import { BAD_DESCRIPTOR, failsToStart, failure, WAYS } from "../support/failures.ts";
import { conform, type Context } from "../support/harness.ts";

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

/** Opens all that this process may but a few, and closes it again when something is done. */
function short(left: number, action: () => unknown): unknown {
  const fds: number[] = [];
  try {
    for (;;) fds.push(openSync("/dev/null", "r"));
  } catch {
    // There are no more.
  }
  for (const fd of fds.splice(0, left)) closeSync(fd);
  try {
    return action();
  } catch (error) {
    return error;
  } finally {
    for (const fd of fds) closeSync(fd);
  }
}

for (const left of [0, 1, 2, 3, 4]) {
  conform(
    `runSync with ${left} descriptors left runs or is a SpawnError, and leaves nothing`,
    (t) => {
      const before = process.env["TMPDIR"];
      const folder = process.env["TMPDIR"] = t.folder();
      t.defer(() => {
        if (before === undefined) delete process.env["TMPDIR"];
        else process.env["TMPDIR"] = before;
      });
      const outcome = short(left, () => new Command("true").runSync());
      if (left === 0 || !(outcome instanceof Result)) assertInstanceOf(outcome, SpawnError);
      assertEquals(readdirSync(folder), []);
    },
  );
}
