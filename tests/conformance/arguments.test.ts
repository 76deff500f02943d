import { assert, assertEquals, assertInstanceOf, assertStringIncludes } from "@std/assert";
import { type Argument, Command, run, runSync, secret, UsageError } from "../../mod.ts";
import { failure, WAYS } from "../support/failures.ts";
import { conform } from "../support/harness.ts";

const AWKWARD = [
  "",
  " ",
  "two words",
  "it's",
  '"quoted"',
  "$HOME `id` $(id)",
  "*?[a-z]",
  "a\\b\\",
  "line\nbreak",
  "tab\t",
  "-n",
  "--",
  "ünï→𝄞",
  ";|&<>!#~{}()^",
];

conform(
  "arguments reach the program as they are: no shell, no splitting, no expansion",
  async () => {
    const { stdout } = await new Command("printf", "%s\\0", ...AWKWARD).run();
    assertEquals(stdout.split("\0").slice(0, -1), AWKWARD);
  },
);

conform("arguments reach the program as they are through runSync too", () => {
  const { stdout } = new Command("printf", "%s\\0", ...AWKWARD).runSync();
  assertEquals(stdout.split("\0").slice(0, -1), AWKWARD);
});

conform("numbers and bigints are written in decimal", async () => {
  const cmd = new Command("echo", 7, -1, 0.5).arg(2n ** 64n);
  assertEquals(await cmd.text(), "7 -1 0.5 18446744073709551616\n");
});

conform("arg, args and argPair add in the order of the calls", async () => {
  const cmd = new Command("echo").arg("a").args("b", 3).args().argPair("c", 4).argPair(
    "--d",
    "e f",
  );
  assertEquals(cmd.argv, ["echo", "a", "b", "3", "c=4", "--d=e f"]);
  assertEquals(await cmd.text(), "a b 3 c=4 --d=e f\n");
});

conform("a command can be made from an argument list", async () => {
  assertEquals(await Command.from(["echo", "a", 1]).text(), "a 1\n");
  assertEquals((await run(["echo", "b", 2n])).stdout, "b 2\n");
  assertEquals(runSync(["echo", "c"]).stdout, "c\n");
});

conform("an empty argument list is a UsageError", async () => {
  assertInstanceOf(Command.from([]).error, UsageError);
  await failure(UsageError, () => run([]));
  await failure(UsageError, () => runSync([]));
});

conform("thousands of arguments are no problem", async () => {
  const args = Array.from({ length: 10_000 }, (_, i) => `argument-${i}`);
  assertEquals(await new Command("echo", ...args).text(), `${args.join(" ")}\n`);
});

conform("a long argument, just short of what the kernel takes, arrives whole", async () => {
  const long = "x".repeat(128 * 1024 - 1);
  assertEquals(await new Command("echo", "-n", long).text(), long);
});

conform(
  "arg0 is what the program sees as its own name; the file that runs is the same",
  async () => {
    const cmd = new Command("sh", "-c", "tr '\\0' '\\n' </proc/$$/cmdline | head -n 1").arg0(
      "-other",
    );
    assertEquals(await cmd.text(), "-other\n");
    assertEquals(cmd.argv[0], "-other");
    assertEquals(cmd.resolve(), new Command("sh").resolve());
  },
);

conform("without arg0 the program sees the binary as it was given", async () => {
  const script = "tr '\\0' '\\n' </proc/$$/cmdline | head -n 1";
  assertEquals(await new Command("sh", "-c", script).text(), "sh\n");
  assertEquals(await new Command("/bin/sh", "-c", script).text(), "/bin/sh\n");
});

conform("argv gives a copy of the list, secrets in clear", () => {
  const cmd = new Command("p", "a").argPair("token", secret("hunter2"));
  cmd.argv.push("not in the command");
  assertEquals(cmd.argv, ["p", "a", "token=hunter2"]);
});

conform("the list that a command was made from can be changed afterwards", () => {
  const list: Argument[] = ["echo", "a"];
  const cmd = Command.from(list);
  list.push("b");
  assertEquals(cmd.argv, ["echo", "a"]);
});

const MISUSES: Record<string, () => Command> = {
  "a NUL byte in an argument": () => new Command("true", "a\0b"),
  "a NUL byte in the binary": () => new Command("tr\0ue"),
  "a NUL byte in a secret": () => new Command("true").arg(secret("a\0b")),
  "a NUL byte in a pair": () => new Command("true").argPair("a", "\0"),
  "a NUL byte in arg0": () => new Command("true").arg0("\0"),
  "a lone surrogate": () => new Command("true", "\ud800"),
  "an empty binary": () => new Command(""),
  "a number that is none": () => new Command("true", NaN),
  "an endless number": () => new Command("true", Infinity),
  "undefined": () => new Command("true", undefined as unknown as string),
  "null": () => new Command("true", null as unknown as string),
  "an object": () => new Command("true", {} as unknown as string),
  "a binary that is no text": () => new Command(7 as unknown as string),
};

for (const [what, make] of Object.entries(MISUSES)) {
  conform(`${what} is a misuse: kept, and thrown by whatever needs the command`, async () => {
    const cmd = make().arg("later").env("A", "b");
    assertInstanceOf(cmd.error, UsageError);
    for (const [way, start] of Object.entries(WAYS)) {
      assertEquals(await failure(UsageError, () => start(cmd)), cmd.error, way);
    }
    for (
      const use of [
        () => cmd.toString(),
        () => cmd.explain(),
        () => cmd.resolve(),
        () => cmd.writeArgLog(1),
        () => cmd.lines().next(),
        () => cmd.text(),
        () => cmd.bytes(),
        () => cmd.json(),
      ]
    ) {
      assertEquals(await failure(UsageError, use), cmd.error);
    }
  });
}

conform(
  "the first misuse is kept with its reason and its place; later calls change nothing",
  () => {
    const cmd = new Command("true", "a").umask(-1);
    const first = cmd.error;
    cmd.arg("b").env("A=", "c").cwd("").umask(0o22);
    assert(first instanceof UsageError);
    assertEquals(cmd.error, first);
    assertStringIncludes(first.message, "umask(-1)");
    assertStringIncludes(first.stack ?? "", "arguments.test.ts");
    assertEquals(cmd.argv, ["true", "a"]);
  },
);

conform("a command that is right has no error", () => {
  assertEquals(new Command("true").arg("x").env("A", "b").cwd("/").umask(0).error, undefined);
});

conform("building has no effect on the machine and does not look anything up", () => {
  const cmd = new Command("/no/such/program").cwd("/no/such/folder").stdin({
    file: "/no/such/file",
  });
  assertEquals(cmd.error, undefined);
});

conform("a command can be run any number of times, and be built on in between", async () => {
  const cmd = new Command("echo", "a");
  assertEquals(await cmd.text(), "a\n");
  assertEquals(await cmd.text(), "a\n");
  cmd.arg("b");
  assertEquals(await cmd.text(), "a b\n");
  assertEquals(cmd.runSync().stdout, "a b\n");
});

conform("what is added while a child runs changes nothing about that child", async () => {
  const cmd = new Command("sh", "-c", 'read x; echo "$x" "$@"', "sh").arg("before");
  cmd.stdin("pipe").stdout("capture");
  const child = await cmd.spawn();
  cmd.arg("after").env("A", "b");
  const writer = child.stdin.getWriter();
  await writer.write("go\n");
  await writer.close();
  const result = await child.wait();
  assertEquals(result.stdout, "go before\n");
  assertEquals(result.argv.at(-1), "before");
});
