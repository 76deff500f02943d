import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { createReadStream, readdirSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import vm from "node:vm";
import { AbortError, Command, CommandError, StateError, TimeoutError } from "../../mod.ts";
import { failure, thrown } from "../support/failures.ts";
import { conform, until } from "../support/harness.ts";

/** A stream that takes something and never says that it has. */
const stuck = (highWaterMark = 1) =>
  new WritableStream<Uint8Array>({ write: () => new Promise(() => {}) }, { highWaterMark });

const ENDLESS = () => new Command("yes");
const SHORT = () => new Command("echo", "x");

for (const [what, make] of Object.entries({ "that goes on": ENDLESS, "that has ended": SHORT })) {
  for (const ahead of [0, 1, 16]) {
    const title = `of a program ${what}, into a stuck stream that wants ${ahead} pieces ahead`;

    conform(`the time limit ends a run ${title}`, async () => {
      const cmd = make().stdout(stuck(ahead));
      const error = await failure(TimeoutError, () => cmd.run({ timeout: 150, drain: 50 }));
      assert(error.result.timedOut);
    });

    conform(`a signal ends a run ${title}`, async () => {
      const controller = new AbortController();
      const cmd = make().stdout(stuck(ahead));
      setTimeout(() => controller.abort(), 100);
      await failure(AbortError, () => cmd.run({ signal: controller.signal, drain: 50 }));
    });
  }
}

conform("a stream that is stuck in its end is given up at the time limit, too", async () => {
  const sink = new WritableStream<Uint8Array>({ close: () => new Promise(() => {}) });
  await failure(TimeoutError, () => SHORT().stdout(sink).run({ timeout: 150, drain: 50 }));
});

conform("a stream that fails is what the run rejects with", async () => {
  const sink = new WritableStream<Uint8Array>({
    write() {
      throw new RangeError("full");
    },
  });
  const error = await thrown(() => ENDLESS().stdout(sink).run());
  assertInstanceOf(error, RangeError);
});

conform("a locked stream for input is found out before anything is started", async (t) => {
  const folder = t.folder();
  for (let i = 0; i < 10; i++) {
    const input = new ReadableStream<Uint8Array>();
    input.getReader();
    const cmd = new Command("touch", join(folder, String(i))).stdin(input);
    await failure(StateError, () => cmd.run());
    await failure(StateError, () => cmd.spawn());
  }
  assertEquals(readdirSync(folder), []);
});

conform("of two runs at once with one stream for input, one is not started", async (t) => {
  const folder = t.folder();
  const input = new ReadableStream<string>({
    start(controller) {
      controller.enqueue("x");
      controller.close();
    },
  });
  const cmd = new Command("sh", "-c", 'cat >"$0/$$"', folder).stdin(input);
  const outcomes = await Promise.allSettled([cmd.run(), cmd.run()]);
  const reasons = outcomes.flatMap((each) => each.status === "rejected" ? [each.reason] : []);
  assertEquals(reasons.map((each) => each instanceof StateError), [true]);
  assertEquals(readdirSync(folder).length, 1);
});

conform("a start that fails leaves the caller's streams free, and unread", async () => {
  const input = new ReadableStream<string>({ start: (controller) => controller.enqueue("x") });
  const output = new WritableStream<Uint8Array>();
  await thrown(() => new Command("/no/such/program").stdin(input).stdout(output).run());
  assertEquals([input.locked, output.locked], [false, false]);
  assertEquals((await input.getReader().read()).value, "x");
});

conform("a file stream of a file that is missing rejects the run", async () => {
  const error = await thrown(() => new Command("cat").stdin(createReadStream("/no/such")).run());
  assertEquals((error as { code?: unknown }).code, "ENOENT");
});

conform("a stream that has failed long before the run rejects it", async () => {
  const source = createReadStream("/no/such/file");
  const cmd = new Command("cat").stdin(source);
  await until("the stream has failed", () => source.destroyed);
  const error = await thrown(() => cmd.run());
  assertEquals((error as { code?: unknown }).code, "ENOENT");
});

conform("a stream that fails in the middle rejects the run, and ends the program", async () => {
  const source = Readable.from((async function* () {
    yield await Promise.resolve("half");
    throw new RangeError("no more");
  })());
  assertInstanceOf(await thrown(() => new Command("cat").stdin(source).run()), RangeError);
});

conform("a pipe that nobody closes is closed when its program has ended", async () => {
  // Descriptors are counted by the harness.
  for (let i = 0; i < 20; i++) {
    const child = await new Command("true").stdin("pipe").spawn();
    void child.stdin;
    await child.wait();
  }
});

conform("a write to a program that has ended is a CommandError with EPIPE", async () => {
  const child = await new Command("true").stdin("pipe").spawn();
  await child.wait();
  const writer = child.stdin.getWriter();
  writer.closed.catch(() => {});
  const error = await failure(CommandError, () => writer.write("x"));
  assertEquals((error as { code?: unknown }).code, "EPIPE");
});

conform("a write that a program leaves unread is a CommandError with EPIPE", async () => {
  const child = await new Command("sh", "-c", "exec <&-; exec sleep 1000").stdin("pipe").spawn();
  const writer = child.stdin.getWriter();
  writer.closed.catch(() => {});
  const error = await failure(CommandError, async () => {
    for (;;) await writer.write(new Uint8Array(1_000_000));
  });
  assertEquals((error as { code?: unknown }).code, "EPIPE");
  await child.abort();
});

conform("bytes, streams, signals and expressions of another realm are what they are", async () => {
  const bytes: Uint8Array = vm.runInNewContext("new Uint8Array([104, 105])");
  assertEquals(await new Command("cat").stdin(bytes).text(), "hi");
  assertEquals(await new Command("cat").stdin([bytes, "!"]).text(), "hi!");
  const expression: RegExp = vm.runInNewContext("/(h)i/");
  const groups: unknown[] = [];
  await new Command("echo", "hi").runRegex(expression, (all) => void groups.push(...all));
  assertEquals(groups, ["h"]);
  // Streams and signals that are no instances of our classes, but have all that is used of them.
  const input = new ReadableStream<string>({
    start(controller) {
      controller.enqueue("in");
      controller.close();
    },
  });
  let text = "";
  const output = new WritableStream<Uint8Array>({
    write: (chunk) => void (text += new TextDecoder().decode(chunk)),
  });
  const disguised = <T extends object>(target: T): T =>
    new Proxy(Object.create(null), {
      get: (_, key) => {
        const value = Reflect.get(target, key, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  const { signal } = new AbortController();
  const cmd = new Command("cat").stdin(disguised(input)).stdout(disguised(output));
  await cmd.run({ signal: disguised(signal) });
  assertEquals(text, "in");
});

conform("what only looks like bytes is refused", () => {
  const views = [new Uint16Array(2), new DataView(new ArrayBuffer(2)), { length: 2 }];
  for (const each of views) {
    const error = new Command("cat").stdin(each as unknown as Uint8Array).error;
    assert(error !== undefined);
  }
});
