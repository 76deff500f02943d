import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import {
  AbortError,
  backendInfo,
  Command,
  ExitError,
  MaxBufferError,
  SpawnError,
  TimeoutError,
} from "../../mod.ts";
import { thrown } from "../support/failures.ts";
import { conform } from "../support/harness.ts";

type Kind = (i: number) => Promise<void>;

/** Kinds that need a feature, if the driver has it. */
function needing(feature: string, ...kinds: Kind[]): Kind[] {
  return backendInfo().features[feature] === false ? [] : kinds;
}

/** One run of each kind, and what it must come to. The harness counts what is left afterwards. */
const KINDS: readonly Kind[] = [
  async (i) => assertEquals(await new Command("echo", i).text(), `${i}\n`),
  async (i) => assertEquals(await new Command("cat").stdin(`in ${i}`).text(), `in ${i}`),
  async () => assertInstanceOf(await thrown(() => new Command("false").run()), ExitError),
  async () => assertInstanceOf(await thrown(() => new Command("/no/such").run()), SpawnError),
  async () => {
    const running = () => new Command("sleep", 1000).run({ timeout: 5 });
    assertInstanceOf(await thrown(running), TimeoutError);
  },
  async () => {
    const controller = new AbortController();
    const running = thrown(() => new Command("sleep", 1000).run({ signal: controller.signal }));
    setTimeout(() => controller.abort(), 3);
    assertInstanceOf(await running, AbortError);
  },
  async () => {
    const child = await new Command("cat").stdin("pipe").stdout("pipe").spawn();
    await child[Symbol.asyncDispose]();
  },
  ...needing("sendBuffer", async (i) => {
    const cmd = new Command("cat");
    const fd = cmd.sendBuffer(`sent ${i}`);
    assertEquals(await cmd.arg(`/proc/self/fd/${fd}`).text(), `sent ${i}`);
  }),
  async () => {
    const running = () => new Command("yes").run({ maxBuffer: 100 });
    assertInstanceOf(await thrown(running), MaxBufferError);
  },
  async () => {
    for await (const line of new Command("yes").lines()) {
      assertEquals(line, "y");
      break;
    }
  },
  (i) => {
    assertEquals(new Command("cat").stdin(`sync ${i}`).runSync().stdout, `sync ${i}`);
    return Promise.resolve();
  },
  ...needing("umask", async (i) => {
    const cmd = new Command("true").cwd(i % 2 === 0 ? "/no/such/folder" : "/").umask(0o77);
    const error = i % 2 === 0 ? await thrown(() => cmd.run()) : undefined;
    assertEquals(error instanceof SpawnError, i % 2 === 0);
  }),
];

async function runMixed(total: number, atOnce: number): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let i = next++; i < total; i = next++) await KINDS[i % KINDS.length]?.(i);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

conform("several hundred runs of all kinds, one after the other, leave nothing", async () => {
  await runMixed(240, 1);
});

conform("thousands of runs of all kinds, many at a time, leave nothing", async () => {
  // The runtimes' own spawners take several times as long for each.
  await (backendInfo().driver === "native" ? runMixed(2400, 64) : runMixed(360, 24));
}, { timeoutMs: 120_000 });

conform("hundreds of children at once are started, fed and reaped", async () => {
  const results = await Promise.all(
    Array.from({ length: 300 }, (_, i) => new Command("cat").stdin(`${i}`).text()),
  );
  assertEquals(results, results.map((_, i) => `${i}`));
});

conform("the memory of a parent does not grow with the number of runs", async () => {
  const { readFileSync } = await import("node:fs");
  const mappings = () => readFileSync("/proc/self/maps", "utf8").split("\n").length;
  await runMixed(200, 8);
  const before = mappings();
  for (let i = 0; i < 5; i++) await runMixed(100, 8);
  assert(mappings() - before < 200, `${before} mappings became ${mappings()}`);
}, {
  skip: backendInfo().driver === "native"
    ? undefined
    : "memory is mapped by the native driver only",
});
