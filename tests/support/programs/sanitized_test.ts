// Tests that `deno test` runs with its sanitizers: none may leave an operation or a resource open.
import { Command } from "../../../mod.ts";

const strict = { sanitizeOps: true, sanitizeResources: true, sanitizeExit: true };

for (const round of ["first", "second"]) {
  Deno.test(`${round}: runSync`, strict, () => {
    new Command("cat").stdin("input").runSync();
  });
  Deno.test(`${round}: run`, strict, async () => {
    await new Command("cat").stdin("input").run();
  });
  Deno.test(`${round}: many at once`, strict, async () => {
    await Promise.all(Array.from({ length: 8 }, (_, i) => new Command("echo", i).run()));
  });
  Deno.test(`${round}: lines that are left early`, strict, async () => {
    for await (const _ of new Command("yes").lines()) break;
  });
  Deno.test(`${round}: a time limit`, strict, async () => {
    await new Command("sleep", 60).run({ timeout: 20 }).catch(() => {});
  });
  Deno.test(`${round}: spawn`, strict, async () => {
    const child = await new Command("cat").stdin("pipe").stdout("pipe").spawn();
    await child.stdin?.close();
    await child.stdout?.cancel();
    await child.wait();
  });
  Deno.test(`${round}: a failure`, strict, async () => {
    await new Command("/no/such/program").run().catch(() => {});
  });
}
