import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { readFileSync } from "node:fs";
import process from "node:process";
import {
  Child,
  Command,
  ExitError,
  SpawnError,
  StateError,
  TimeoutError,
  UsageError,
} from "../../mod.ts";
import { failure, thrown } from "../support/failures.ts";
import { conform, isRunning, killHard, settled, until } from "../support/harness.ts";
import { noNativeParts, openKernel } from "../support/native.ts";
import { program } from "../support/runtime.ts";

const sh = (script: string) => new Command("sh", "-c", script);

/** Ends by SIGKILL only: an ignored signal stays ignored through exec. */
const STUBBORN = "trap '' TERM; echo ready; exec sleep 1000";

/** A child that has said that it ignores SIGTERM. */
async function stubborn(grace?: number): Promise<Child> {
  const child = await sh(STUBBORN).stdout("pipe").spawn(grace === undefined ? {} : { grace });
  const reader = child.stdout.getReader();
  await reader.read();
  reader.releaseLock();
  return child;
}

async function textOf(stream: ReadableStream<Uint8Array>): Promise<string> {
  return await new Response(stream).text();
}

conform("spawn resolves when the program runs: exec is over", async ({ defer }) => {
  for (let i = 0; i < 5; i++) {
    const child = await new Command("sleep", 1000).spawn();
    defer(() => child[Symbol.asyncDispose]());
    assertInstanceOf(child, Child);
    // For a moment, the kernel shows the arguments of its parent, and then none.
    const cmdline = () => readFileSync(`/proc/${child.pid}/cmdline`, "utf8");
    await until("the program has its arguments", () => cmdline() === "sleep\x001000\0");
  }
});

conform("spawn rejects if the program does not come to run", async () => {
  await assertRejects(() => new Command("/no/such/program").spawn(), SpawnError);
});

conform("a child's streams are there if they were asked for, else a StateError", async () => {
  const child = await new Command("true").spawn();
  for (const stream of ["stdin", "stdout", "stderr"] as const) {
    await failure(StateError, () => child[stream]);
  }
  await child.wait();
});

conform(
  "what is written to stdin reaches the program; closing it is the end of input",
  async () => {
    const child = await new Command("cat").stdin("pipe").stdout("pipe").spawn();
    const writer = child.stdin.getWriter();
    await writer.write("text ");
    await writer.write(new TextEncoder().encode("bytes"));
    await writer.close();
    assertEquals(await textOf(child.stdout), "text bytes");
    assert((await child.wait()).status.success);
  },
);

conform("a conversation with a program is possible", async () => {
  const child = await new Command("cat").stdin("pipe").stdout("pipe").spawn();
  const [writer, reader] = [child.stdin.getWriter(), child.stdout.getReader()];
  for (let i = 0; i < 50; i++) {
    await writer.write(`line ${i}\n`);
    const { value } = await reader.read();
    assertEquals(new TextDecoder().decode(value), `line ${i}\n`);
  }
  await writer.close();
  assertEquals((await reader.read()).done, true);
  await child.wait();
});

conform("stdout and stderr are streams of their own", async () => {
  const child = await sh("echo out; echo err >&2").stdout("pipe").stderr("pipe").spawn();
  assertEquals(await Promise.all([textOf(child.stdout), textOf(child.stderr)]), ["out\n", "err\n"]);
  await child.wait();
});

conform("a large output can be read from a stream, whole and in order", async () => {
  const child = await sh("seq 1 200000").stdout("pipe").spawn();
  const lines = (await textOf(child.stdout)).split("\n");
  assertEquals([lines.length, lines[0], lines[199_999]], [200_001, "1", "200000"]);
  await child.wait();
});

conform("a stream can be read after the program has ended and was waited for", async () => {
  const child = await sh("echo out; exit 0").stdout("pipe").spawn();
  await child.wait();
  assertEquals(await textOf(child.stdout), "out\n");
});

conform("pieces that a reader keeps are not overwritten by later ones", async () => {
  const child = await sh("seq 1 100000").stdout("pipe").spawn();
  const pieces: Uint8Array[] = [];
  const reader = child.stdout.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    pieces.push(value);
  }
  await child.wait();
  const text = await new Blob(pieces as BlobPart[]).text();
  assertEquals(text, Array.from({ length: 100_000 }, (_, i) => `${i + 1}\n`).join(""));
});

conform("a program whose output nobody reads is held up, and goes on when it is read", async () => {
  const child = await new Command("head", "-c", 20_000_000, "/dev/zero").stdout("pipe").spawn();
  const written = () =>
    Number(/^wchar: (\d+)/m.exec(readFileSync(`/proc/${child.pid}/io`, "utf8"))?.[1]);
  const ahead = await settled(written);
  assert(isRunning(child.pid));
  assert(ahead < 2_000_000, `${ahead} bytes were written to nobody`);
  assertEquals((await new Response(child.stdout).arrayBuffer()).byteLength, 20_000_000);
  await child.wait();
});

conform("a program that does not read holds the writer up", async ({ defer }) => {
  const child = await new Command("sleep", 1000).stdin("pipe").spawn();
  defer(() => child[Symbol.asyncDispose]());
  const writer = child.stdin.getWriter();
  writer.closed.catch(() => {});
  let written = 0;
  const work = (async () => {
    for (;;) {
      await writer.ready;
      await writer.write(new Uint8Array(100_000));
      written += 100_000;
    }
  })().catch(() => {});
  assert(await settled(() => written) < 2_000_000, `${written} bytes were taken for nobody`);
  await child[Symbol.asyncDispose]();
  await work;
});

conform("a stream that is cancelled makes the program find a closed pipe", async () => {
  const child = await new Command("yes").stdout("pipe").spawn();
  await child.stdout.cancel();
  const { signal } = await child.wait({ check: false });
  assertEquals(signal, "SIGPIPE");
});

conform("writing to a program that has ended is an error of the stream", async () => {
  const child = await new Command("true").stdin("pipe").spawn();
  await child.wait();
  const writer = child.stdin.getWriter();
  writer.closed.catch(() => {});
  const error = await thrown(async () => {
    for (;;) await writer.write(new Uint8Array(100_000));
  });
  assertEquals((error as { code?: unknown }).code, "EPIPE");
});

conform("an input that is aborted is the program's end of input", async () => {
  const child = await new Command("cat").stdin("pipe").stdout("pipe").spawn();
  await child.stdin.abort();
  assertEquals(await textOf(child.stdout), "");
  await child.wait();
});

conform("wait gives the result, and the same one when called again", async () => {
  const child = await sh("echo out; exit 3").stdout("capture").spawn();
  const [first, second] = await Promise.all([
    child.wait({ check: false }),
    child.wait({ check: false }),
  ]);
  const third = await child.wait({ check: false });
  assertEquals([first.code, first.stdout], [3, "out\n"]);
  assert(first === second && second === third);
  await failure(ExitError, () => child.wait());
});

conform("wait takes what spawn was told, unless it is told otherwise", async () => {
  const child = await sh("exit 3").spawn({ okCodes: [3] });
  assertEquals((await child.wait()).code, 3);
  await failure(ExitError, () => child.wait({ okCodes: [0] }));
});

conform("kill sends a signal and tells whether the child was there to get it", async () => {
  const child = await new Command("sleep", 1000).spawn();
  assertEquals(child.kill(0), true);
  assertEquals(child.kill("SIGUSR1"), true);
  const { signal } = await child.wait({ check: false });
  assertEquals(signal, "SIGUSR1");
  assertEquals([child.kill(), child.kill("SIGKILL"), child.kill(0)], [false, false, false]);
});

conform("kill sends SIGTERM if nothing is said, and takes numbers", async () => {
  for (const [sent, expected] of [[undefined, "SIGTERM"], [9, "SIGKILL"]] as const) {
    const child = await new Command("sleep", 1000).spawn();
    assert(child.kill(sent));
    assertEquals((await child.wait({ check: false })).signal, expected);
  }
});

conform("a signal that is none is a UsageError, and hits nobody", async () => {
  const child = await new Command("sleep", 1000).spawn();
  await failure(UsageError, () => child.kill("SIGNOTHING" as "SIGTERM"));
  await failure(UsageError, () => child.kill(999));
  await failure(UsageError, () => child.kill(-1));
  assert(isRunning(child.pid));
  await child.abort();
});

conform("a child can be stopped and continued", async () => {
  const child = await new Command("sleep", 1000).spawn();
  const state = () =>
    /^State:\s+(\S)/m.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1];
  child.kill("SIGSTOP");
  await until("the child is stopped", () => state() === "T");
  assertEquals(child.state, "running");
  child.kill("SIGCONT");
  await until("the child goes on", () => state() === "S");
  await child.abort();
});

conform("abort ends the child and resolves when it was reaped", async () => {
  const child = await new Command("sleep", 1000).spawn();
  await child.abort();
  assert(!isRunning(child.pid));
  assertEquals(child.kill(), false);
  assertEquals((await child.wait({ check: false })).signal, "SIGTERM");
});

conform("abort kills a child that ignores SIGTERM when the grace is over", async () => {
  const child = await stubborn();
  const since = performance.now();
  await child.abort({ grace: 80 });
  assert(performance.now() - since >= 79);
  assertEquals((await child.wait({ check: false })).signal, "SIGKILL");
});

conform("abort leaves two seconds between SIGTERM and SIGKILL if nothing is said", async () => {
  // Well within the two seconds, also on a busy machine.
  const script = "trap 'sleep 0.1; exit 9' TERM; echo ready; while :; do sleep 0.02; done";
  const child = await sh(script).stdout("pipe").spawn();
  await child.stdout.getReader().read();
  await child.abort();
  assertEquals((await child.wait({ check: false })).code, 9);
});

conform("abort does nothing to a child that has ended, and can be called again", async () => {
  const child = await sh("exit 5").spawn();
  await child.wait({ check: false });
  await child.abort();
  await child.abort();
  assertEquals((await child.wait({ check: false })).code, 5);
});

conform("disposing of a child ends it, reaps it and closes its streams", async () => {
  const child = await new Command("cat").stdin("pipe").stdout("pipe").stderr("pipe").spawn();
  await child[Symbol.asyncDispose]();
  assert(!isRunning(child.pid));
  assertEquals(child.state, "closed");
  await child[Symbol.asyncDispose]();
});

conform("disposing of a child that ignores SIGTERM escalates", async () => {
  const child = await stubborn(80);
  await child[Symbol.asyncDispose]();
  assertEquals((await child.wait({ check: false })).signal, "SIGKILL");
});

conform("disposing of a child that has ended changes nothing about its result", async () => {
  const child = await sh("echo out; exit 0").stdout("capture").spawn();
  const result = await child.wait();
  await child[Symbol.asyncDispose]();
  assert(result === await child.wait());
});

conform("disposing kills before it stops reading: a writing child does not hang it", async () => {
  const child = await new Command("yes").stdout("capture").stderr("pipe").spawn();
  await child[Symbol.asyncDispose]();
  assert(!isRunning(child.pid));
});

conform("a child runs, has exited, and is closed when its streams have ended too", async () => {
  const child = await sh("read x; echo out").stdin("pipe").stdout("pipe").spawn();
  assertEquals(child.state, "running");
  const writer = child.stdin.getWriter();
  await writer.write("go\n");
  await writer.close();
  await child.wait();
  assert(child.state === "exited" || child.state === "closed");
  await textOf(child.stdout);
  await until("the child is closed", () => child.state === "closed");
});

conform("the pid is forgotten when the child is reaped: nobody else is hit", async () => {
  const child = await new Command("true").spawn();
  await child.wait();
  assert(!isRunning(child.pid));
  for (const signal of ["SIGTERM", "SIGKILL"] as const) assertEquals(child.kill(signal), false);
});

conform("children of others are not reaped", async () => {
  const { spawn } = await import("node:child_process");
  const foreign = spawn("sh", ["-c", "exit 42"]);
  const code = new Promise((resolve) => foreign.on("close", resolve));
  for (let i = 0; i < 10; i++) await new Command("true").run();
  assertEquals(await code, 42);
});

conform("exits that come all at once are all told apart", async () => {
  const children = await Promise.all(
    Array.from({ length: 60 }, (_, i) => sh(`read x; exit ${i}`).stdin("pipe").spawn()),
  );
  await Promise.all(children.map((child) => child.stdin.close()));
  const results = await Promise.all(children.map((child) => child.wait({ check: false })));
  assertEquals(results.map((each) => each.code), results.map((_, i) => i));
});

conform(
  "nothing is lost of what comes while a child is unref'ed, and after ref",
  async ({ defer }) => {
    const alive = setInterval(() => {}, 1000);
    defer(() => clearInterval(alive));
    const child = await new Command("cat").stdin("pipe").stdout("pipe").spawn();
    const [writer, reader] = [child.stdin.getWriter(), child.stdout.getReader()];
    const echoed = async (text: string) => {
      await writer.write(text);
      assertEquals(new TextDecoder().decode((await reader.read()).value), text);
    };
    await echoed("before");
    child.unref();
    await echoed("while unref'ed");
    child.ref();
    await echoed("after ref");
    child.unref();
    await writer.close();
    assertEquals((await reader.read()).done, true);
    await child.wait();
  },
);

conform("a child that is unref'ed is captured whole all the same", async ({ defer }) => {
  const alive = setInterval(() => {}, 1000);
  defer(() => clearInterval(alive));
  const child = await new Command("seq", 1, 200_000).stdout("capture").spawn();
  child.unref();
  const { stdout, drained } = await child.wait();
  assertEquals([stdout.length, drained], [1_288_895, true]);
});

async function outlivesItsParent(what: string): Promise<void> {
  const result = await program("unref", what).run({ timeout: 20_000 });
  const pid = Number(result.stdout);
  try {
    assert(isRunning(pid));
  } finally {
    killHard(pid);
  }
}

conform("a runtime exits although a child that was unref'ed runs on", async () => {
  await outlivesItsParent("unref");
});

for (const outputs of ["captured", "piped", "merged"]) {
  conform(`a runtime exits although outputs of such a child are ${outputs}`, async () => {
    await outlivesItsParent(outputs);
  });
}

conform("a time limit does not keep a runtime alive for a child that was unref'ed", async () => {
  await outlivesItsParent("unref limited");
}, { skip: "Deno" in globalThis ? "a timer of Deno's is a number, and holds" : undefined });

conform(
  "a runtime waits for a child that is awaited, and for one that was ref'ed again",
  async (t) => {
    for (const what of ["wait", "ref"]) {
      const path = `${t.folder()}/touched`;
      await program("unref", what, path).run({ timeout: 20_000 });
      assertEquals(readFileSync(path, "utf8"), "done\n");
    }
  },
);

conform("a child outlives a parent that is killed", async () => {
  const { stdout } = await program("unref", "die").run({ check: false, timeout: 20_000 });
  const pid = Number(stdout);
  try {
    assert(isRunning(pid));
  } finally {
    killHard(pid);
  }
});

conform("a timeout while streams are piped ends the child", async () => {
  const child = await new Command("cat").stdin("pipe").stdout("pipe").spawn({ timeout: 60 });
  await failure(TimeoutError, () => child.wait());
  assertEquals(await textOf(child.stdout), "");
  await child[Symbol.asyncDispose]();
});

conform("the child's process is this one's, not a thread's or a helper's", async ({ defer }) => {
  const child = await new Command("sleep", 1000).spawn();
  defer(() => child[Symbol.asyncDispose]());
  const ppid = /^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1];
  assertEquals(Number(ppid), process.pid);
});

conform("a child that another part of this process has reaped: wait() says so", async (t) => {
  const kernel = await openKernel();
  const [P_PID, WEXITED] = [1, 4];
  const other = await new Command("sleep", 1000).spawn();
  t.defer(() => other[Symbol.asyncDispose]());
  const child = await new Command("sleep", 1000).spawn();
  assert(child.kill("SIGKILL"));
  kernel.call("waitid", P_PID, child.pid, 0, WEXITED, 0);
  assert(!child.kill(), "there is nobody to signal");
  const error = await failure(StateError, () => child.wait());
  assertStringIncludes(error.message, String(child.pid));
  assert(String(error.cause).includes("ECHILD"), String(error.cause));
  assert(isRunning(other.pid), "others are watched as before");
  await other.abort();
}, { skip: noNativeParts() });

conform("more children than are asked one by one: each gets its own end and signals", async (t) => {
  const children: Child[] = [];
  for (let i = 0; i < 12; i++) {
    const child = await sh(`trap 'exit ${i}' TERM; echo; while :; do sleep 0.01; done`)
      .stdout("pipe").spawn();
    t.defer(() => child[Symbol.asyncDispose]());
    await child.stdout.getReader().read();
    children.push(child);
  }
  for (const i of [5, 0, 11, 3, 8]) {
    assert(children[i]?.kill());
    assertEquals((await children[i]?.wait({ check: false }))?.code, i);
    assert(!children[i]?.kill(), "it was reaped");
  }
  for (const child of children) await child.abort();
});
