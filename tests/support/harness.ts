/**
 * What every test of the suite runs in: a test passes only if it left nothing behind, neither an
 * open descriptor nor a child. Read world.ts next: how tests look at what a child sees.
 *
 * @module
 */

import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { keepArenas } from "../../backends/native/memory.ts";
import { backendInfo, Command, UnsupportedError } from "../../mod.ts";
import { limitOf } from "./limits.ts";
import { noteSkip } from "./skips.ts";

// An arena is unmapped when it is released, so that whoever looks at it later ends the process.
keepArenas(0);

/** What a test gets from the harness. */
export interface Context {
  /** A new folder, removed when the test is over. */
  folder(): string;
  /** Does something when the test is over, whatever came of it; the last one first. */
  defer(action: () => unknown): void;
}

/** What a test needs, and how long it may take. */
export interface ConformOptions {
  /** It needs the rights of root. */
  readonly root?: boolean;
  /** Programs that must be in PATH. */
  readonly needs?: readonly string[];
  /** Features that it needs in a program of its own, where a refusal would not be seen here. */
  readonly features?: readonly string[];
  /** Why it cannot run here, if it cannot. */
  readonly skip?: string | undefined;
  /** Milliseconds after which something must be wrong. */
  readonly timeoutMs?: number;
}

/** What time limits of tests are multiplied by: an emulated machine is much slower. */
const PATIENCE = Number(process.env["VIRCOMMAND_TEST_PATIENCE"] ?? 1);

/** Registers a test that must leave nothing behind. A skip always has a reason. */
export function conform(
  name: string,
  body: (context: Context) => void | Promise<void>,
  options: ConformOptions = {},
): void {
  const reason = reasonToSkip(options) ?? limitOf(name);
  if (reason !== undefined) noteSkip(`${name}: ${reason}`);
  const settings = { timeout: (options.timeoutMs ?? 30_000) * PATIENCE };
  test(name, reason === undefined ? settings : { ...settings, skip: reason }, async () => {
    await warmUp();
    const before = census();
    const deferred: (() => unknown)[] = [];
    try {
      await body({
        folder: () => {
          const path = mkdtempSync(join(tmpdir(), "vircommand-test-"));
          // What a shell in it has started may outlive that shell for a moment.
          deferred.push(() => rmSync(path, { recursive: true, force: true, maxRetries: 10 }));
          return path;
        },
        defer: (action) => void deferred.push(action),
      });
    } catch (error) {
      const missing = missingFeature(error);
      if (missing === undefined) throw error;
      noteSkip(`${name}: ${missing}`, { late: true });
    } finally {
      for (const action of deferred.reverse()) await action();
    }
    await expectNothingLeft(before);
  });
}

/** Why an error only says that the driver has no such feature, if it does. */
function missingFeature(error: unknown): string | undefined {
  for (let each = error; each instanceof Error; each = each.cause) {
    if (!(each instanceof UnsupportedError)) continue;
    const { driver, features } = backendInfo();
    const known = features[each.feature];
    // That it is refused as announced is a result too; that it is refused otherwise is a failure.
    if (each.driver === driver && known === false) return lacks(each.feature);
  }
  return undefined;
}

function lacks(feature: string): string {
  const { runtime, driver } = backendInfo();
  return `the ${driver} driver on ${runtime} has no ${feature}`;
}

/** Waits for something that no event tells of. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  withinMs = 10_000,
): Promise<void> {
  const deadline = performance.now() + withinMs * PATIENCE;
  while (!await condition()) {
    if (performance.now() > deadline) throw new Error(`${what}: not within ${withinMs} ms`);
    await pause(5);
  }
}

/** Waits until a growing number has not changed for a while, and returns it. */
export async function settled(value: () => number, quietMs = 150): Promise<number> {
  let last = value();
  let since = performance.now();
  while (performance.now() - since < quietMs) {
    await pause(10);
    const now = value();
    if (now === last) continue;
    last = now;
    since = performance.now();
  }
  return last;
}

/** Lets some milliseconds pass. Only where there is nothing to wait for. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Whether a process is there and no zombie. */
export function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** Ends a process that a test started by way of another one. */
export function killHard(pid: number): void {
  // What could not be parsed would hit this process's own group.
  if (!(pid > 1)) throw new RangeError(`no process: ${pid}`);
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It is gone already.
  }
}

/** What a process can leave behind. */
export interface Census {
  /** Open descriptors: number and target. */
  readonly fds: ReadonlySet<string>;
  /** Names in the folder for temporary files, if no other process uses it. */
  readonly files: ReadonlySet<string>;
  /** Children, zombies too. */
  readonly children: ReadonlySet<number>;
}

/** Counts descriptors, temporary files and children of this process. */
export function census(): Census {
  const own = process.env["VIRCOMMAND_TEST_TEMP"];
  const files = new Set(own === undefined ? [] : readdirSync(own));
  return { fds: openFds(), files, children: childPids() };
}

/**
 * Epoll sets, event and timer descriptors and caches come and go as the runtime likes. A driver
 * may make them too, but never one for each child.
 */
const RUNTIMES_OWN =
  /anon_inode:\[?(eventpoll|eventfd|timerfd|io_uring|signalfd)|_cache_v\d|\/\.cache\//;

function openFds(): Set<string> {
  const fds = new Set<string>();
  for (const fd of readdirSync("/proc/self/fd")) {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      if (!RUNTIMES_OWN.test(target) && !target.startsWith("/proc/")) fds.add(`${fd} → ${target}`);
    } catch {
      // The descriptor through which the folder was read.
    }
  }
  return fds;
}

function childPids(): Set<number> {
  const pids = new Set<number>();
  for (const task of readdirSync("/proc/self/task")) {
    let text = "";
    try {
      text = readFileSync(`/proc/self/task/${task}/children`, "utf8");
    } catch {
      // The thread has ended, or the kernel was built without CONFIG_PROC_CHILDREN.
    }
    for (const pid of text.split(" ")) if (pid !== "") pids.add(Number(pid));
  }
  return pids;
}

/** Compares; a runtime may take a moment to close what it was told to close. */
export async function expectNothingLeft(before: Census): Promise<void> {
  const deadline = performance.now() + 2000 * PATIENCE;
  for (;;) {
    const problem = difference(before, census());
    if (problem === undefined) return;
    if (performance.now() > deadline) {
      for (const pid of childPids()) if (!before.children.has(pid)) killHard(pid);
      throw new Error(problem);
    }
    await pause(5);
  }
}

function difference(before: Census, now: Census): string | undefined {
  const left = [...now.fds].filter((fd) => !before.fds.has(fd));
  // Bun runs all files in one process, and closes a socket of the file before when it likes.
  const isLate = (fd: string) => "Bun" in globalThis && fd.includes("socket:");
  const lost = [...before.fds].filter((fd) => !now.fds.has(fd) && !isLate(fd));
  const children = [...now.children].filter((pid) => !before.children.has(pid));
  const files = [...now.files].filter((name) => !before.files.has(name));
  const parts = [
    left.length > 0 ? `descriptors left open: ${left.join(", ")}` : "",
    lost.length > 0 ? `descriptors of others closed: ${lost.join(", ")}` : "",
    files.length > 0 ? `files left: ${files.join(", ")}` : "",
    children.length > 0 ? `children left: ${children.join(", ")}` : "",
  ].filter((part) => part !== "");
  return parts.length === 0 ? undefined : `the test left something: ${parts.join("; ")}`;
}

let warm: Promise<void> | undefined;

/** What a runtime makes once for all children (its signal pipe, for one) is no leak. */
function warmUp(): Promise<void> {
  return warm ??= (async () => {
    const before = openFds();
    const big = new Uint8Array(200_000);
    await new Command("sh", "-c", "sleep 0.01; cat; cat >&2 </dev/null").stdin(big).run();
    // The first child without input: the driver opens /dev/null, and keeps it.
    await new Command("true").run();
    // Some runtimes close in a later turn what they opened for that; Bun a socket, when it likes.
    await pause(50);
    if (!("Bun" in globalThis)) return;
    const sockets = () => [...openFds()].filter((fd) => fd.includes("socket:") && !before.has(fd));
    await until("sockets of the first children are closed", () => sockets().length === 0);
  })();
}

function reasonToSkip(
  { root, needs = [], features = [], skip }: ConformOptions,
): string | undefined {
  if (skip !== undefined) return skip;
  const lacking = features.find((each) => backendInfo().features[each] === false);
  if (lacking !== undefined) return lacks(lacking);
  if (root === true && process.getuid?.() !== 0) return "needs root";
  const missing = needs.find((name) => !isInPath(name));
  return missing === undefined ? undefined : `needs ${missing}, which is not in PATH`;
}

function isInPath(name: string): boolean {
  return (process.env["PATH"] ?? "").split(":").some((folder) => {
    try {
      return readdirSync(folder).includes(name);
    } catch {
      return false;
    }
  });
}
