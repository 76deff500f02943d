import { assertEquals } from "@std/assert";
import { closeSync, fstatSync, openSync, readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import { Worker } from "node:worker_threads";
import { backendInfo } from "../../mod.ts";
import { conform, until } from "../support/harness.ts";
import { preparedProgram, programArgv } from "../support/runtime.ts";

const { runtime, driver } = backendInfo();
const program = new URL("../support/programs/worker_end.ts", import.meta.url);

/** Only Deno has the native driver in workers. */
function env(): NodeJS.ProcessEnv {
  const { VIRCOMMAND_DRIVER: _, ...others } = process.env;
  return driver === "native" ? others : process.env;
}

/** A worker that has run programs, and waits. */
async function started(): Promise<Worker> {
  const worker = new Worker(program, { env: env(), workerData: { mode: "idle" } });
  await new Promise((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
  return worker;
}

const ENDS: Record<string, (worker: Worker) => unknown> = {
  "exits": (worker) => worker.postMessage("end"),
  "is terminated": (worker) => worker.terminate(),
};

async function end(worker: Worker, how: (worker: Worker) => unknown): Promise<void> {
  const over = new Promise((resolve) => worker.once("exit", resolve));
  await how(worker);
  await over;
}

const isOpen = (fd: number) => {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
};

for (const [name, how] of Object.entries(ENDS)) {
  conform(`a worker that ${name} closes no descriptor of another thread`, async (t) => {
    const worker = await started();
    const mine = Array.from({ length: 40 }, () => openSync("/etc/passwd", "r"));
    t.defer(() => mine.filter(isOpen).forEach((fd) => closeSync(fd)));
    await end(worker, how);
    // Some runtimes tell of the end before they have closed everything.
    await new Promise((resolve) => setTimeout(resolve, 100));
    assertEquals(mine.filter((fd) => !isOpen(fd)), []);
  });

  conform(`a worker that ${name} leaves neither descriptors nor memory`, async () => {
    // What a runtime makes for its first worker stays.
    await end(await started(), how);
    const before = await settledCount();
    for (let i = 0; i < 3; i++) await end(await started(), how);
    await until("as much as before", () => isNoMore(count(), before), 5000);
  }, { timeoutMs: 60_000 });
}

interface Count {
  /** Open descriptors of the kinds that a driver makes. */
  readonly fds: number;
  /** Mappings that are shared, and pages with code of no file. */
  readonly maps: number;
}

function count(): Count {
  const maps = readFileSync("/proc/self/maps", "utf8").split("\n")
    .filter((line) =>
      line.includes("/dev/zero (deleted)") || / r-xp 00000000 00:00 0\s*$/.test(line)
    );
  // A runtime's own for its workers come and go in time.
  return { fds: readdirSync("/proc/self/fd").length, maps: runtime === "deno" ? maps.length : 0 };
}

function isNoMore(now: Count, before: Count): boolean {
  return now.fds <= before.fds && now.maps <= before.maps;
}

/** When the runtime has closed what was the last worker's. */
async function settledCount(): Promise<Count> {
  let last = count();
  for (let same = 0; same < 10;) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    const now = count();
    same = now.fds === last.fds && now.maps === last.maps ? same + 1 : 0;
    last = now;
  }
  return last;
}

conform("children of a worker that is terminated see the end of their input", async () => {
  const argv = programArgv("worker_terminated");
  const how = driver === "native" ? "unset VIRCOMMAND_DRIVER; exec" : "exec";
  const { stdout } = await preparedProgram(how, argv).run();
  const { before, after } = JSON.parse(stdout);
  assertEquals(before, [false, false, false]);
  assertEquals(after, [true, runtime !== "bun", runtime !== "bun"]);
}, { features: ["handshake"] });

/** The web's worker, as Deno has it. */
interface WebWorker {
  onmessage: ((event: { data: number }) => void) | null;
  terminate(): void;
}

const { Worker: WebWorker } = globalThis as unknown as {
  Worker: new (url: string, options: { type: "module" }) => WebWorker;
};

function webProgram(body: string): string {
  const library = JSON.stringify(new URL("../../mod.ts", import.meta.url).href);
  const code = `const { Command } = await import(${library}); ${body}`;
  return `data:application/javascript,${encodeURIComponent(code)}`;
}

const MANY = 'await Promise.all(Array.from({ length: 8 }, () => new Command("cat").run()));';

for (const last of ["", "self.close();"]) {
  const how = last === "" ? "is terminated" : "closes itself";
  conform(`a web worker that ${how} leaves neither descriptors nor memory`, async () => {
    const live = async () => {
      const worker = new WebWorker(webProgram(`${MANY} postMessage(0); ${last}`), {
        type: "module",
      });
      await new Promise<void>((resolve) => worker.onmessage = () => resolve());
      if (last === "") worker.terminate();
    };
    await live();
    const before = await settledCount();
    for (let i = 0; i < 3; i++) await live();
    await until("as much as before", () => isNoMore(count(), before), 5000);
  }, { skip: runtime === "deno" ? undefined : "Deno's web workers" });
}
