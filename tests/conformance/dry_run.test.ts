import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  Command,
  type DryCall,
  dryRun,
  ExitError,
  run,
  runSync,
  secret,
  UsageError,
} from "../../mod.ts";
import { failure } from "../support/failures.ts";
import { conform } from "../support/harness.ts";

conform("a dry run starts nothing, and looks nothing up", async (t) => {
  const path = join(t.folder(), "touched");
  await dryRun(null, async (dry) => {
    assertEquals((await new Command("touch", path).run()).code, 0);
    assertEquals(new Command("touch", path).runSync().code, 0);
    await new Command("no-such-program-anywhere").run();
    assertEquals(dry.log.length, 3);
  });
  assert(!existsSync(path));
  assertEquals(dryRun.log.length, 3);
});

conform("the handler sees the command, and answers it", async () => {
  const calls: DryCall[] = [];
  const answer = (call: DryCall) => {
    calls.push(call);
    return { stdout: `${call.argv[0]} out`, stderr: new Uint8Array([101, 33]), code: 3 };
  };
  await dryRun(answer, async (dry) => {
    const cmd = new Command("tool", "a b", secret("s3cret")).env("A", "b").stdin("input");
    const result = await cmd.run({ check: false });
    assertEquals([result.stdout, result.stderr, result.code], ["tool out", "e!", 3]);
    assertEquals(await failure(ExitError, () => cmd.run()).then(({ code }) => code), 3);
    assertEquals(cmd.runSync({ okCodes: [3] }).stdout, "tool out");
    assertEquals(dry.log[0], "A=b tool 'a b' '***'");
  });
  assertEquals(calls.length, 3);
  assertEquals(calls[0], {
    argv: ["tool", "a b", "s3cret"],
    env: { A: "b" },
    input: "input",
    command: "A=b tool 'a b' '***'",
  });
});

conform("an answer can be a signal, and come later", async () => {
  const later = async () => {
    await new Promise((resolve) => setTimeout(resolve, 1));
    return { signal: "SIGSEGV" as const };
  };
  await dryRun(later, async () => {
    const error = await failure(ExitError, () => new Command("tool").run());
    assertEquals([error.signal, error.code], ["SIGSEGV", null]);
  });
});

conform("every way of running is answered", async () => {
  await dryRun(() => ({ stdout: "one\ntwo\n" }), async () => {
    assertEquals(await new Command("tool").text(), "one\ntwo\n");
    assertEquals((await new Command("tool").bytes()).length, 8);
    const lines: string[] = [];
    for await (const line of new Command("tool").lines()) lines.push(line);
    assertEquals(lines, ["one", "two"]);
    assertEquals((await run(["tool"])).stdout, "one\ntwo\n");
    assertEquals(runSync(["tool"]).stdout, "one\ntwo\n");
    const child = await new Command("tool").stdout("pipe").spawn();
    assertEquals(await new Response(child.stdout).text(), "one\ntwo\n");
    assertEquals((await child.wait()).code, 0);
  });
  await dryRun(() => ({ stdout: '{"a":1}' }), async () => {
    assertEquals(await new Command("tool").json(), { a: 1 });
  });
});

conform("two dry runs at once do not see each other, nor does what is outside", async () => {
  const one = async (name: string) => {
    await dryRun(() => ({ stdout: name }), async (dry) => {
      for (let i = 0; i < 5; i++) {
        assertEquals(await new Command("tool", name, i).text(), name);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      assertEquals(dry.log, Array.from({ length: 5 }, (_, i) => `tool ${name} ${i}`));
    });
  };
  const outside = async () => {
    for (let i = 0; i < 3; i++) assertEquals(await new Command("echo", i).text(), `${i}\n`);
  };
  await Promise.all([one("first"), one("second"), outside()]);
});

conform("a dry run can be entered, and ends with its scope", async () => {
  // Node 22 has no `using` yet.
  const dry = dryRun(() => ({ stdout: "dry" }));
  assertEquals(new Command("echo", "wet").runSync().stdout, "dry");
  assertEquals(dry.log, ["echo wet"]);
  dry[Symbol.dispose]();
  assertEquals(await new Command("echo", "wet").text(), "wet\n");
});

conform("the rules of the builder hold", async () => {
  await dryRun(null, async (dry) => {
    await failure(UsageError, () => new Command("tool").umask(-1).run());
    await failure(UsageError, () => new Command("tool").handshake().run());
    await failure(UsageError, () => new Command("tool").runSync({ timeout: -1 }));
    assertEquals(dry.log, []);
  });
});

conform("handshakes and daemons are answered as if they had happened", async () => {
  await dryRun(null, async () => {
    const child = await new Command("tool").handshake().spawn();
    await child.handshakeWait();
    await child.handshakeNotify();
    assertEquals((await child.wait()).code, 0);
    const { daemonPid } = await new Command("tool").daemonize().pidFile("/no/such/file").run();
    assert(daemonPid !== undefined && daemonPid > 2 ** 22, `${daemonPid}`);
  });
});

conform("an error of the handler is the caller's", async () => {
  const broken = () => {
    throw new RangeError("unexpected command");
  };
  await dryRun(broken, async () => {
    const error = await failure(RangeError, () => new Command("tool").run());
    assertStringIncludes(error.message, "unexpected");
  });
});
