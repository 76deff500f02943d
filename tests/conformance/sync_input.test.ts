import { assertEquals, assertThrows } from "@std/assert";
import { Command, ExitError, TimeoutError } from "../../mod.ts";
import { conform } from "../support/harness.ts";

/** More than any pipe or socket holds. */
const LARGE = new Uint8Array(8 * 1024 * 1024).fill(97);

conform("runSync feeds and reads more than a pipe holds", () => {
  for (const cmd of [new Command("cat"), new Command("cat").cwd("/"), new Command("/bin/cat")]) {
    const { stdoutBytes, code } = cmd.stdin(LARGE).runSync();
    assertEquals([stdoutBytes.length, code], [LARGE.length, 0]);
  }
});

conform("runSync: a program may leave its input unread", () => {
  for (const input of [LARGE, LARGE.subarray(0, 60_000)]) {
    const { stdout, code } = new Command("head", "-c", 4).stdin(input).runSync();
    assertEquals([stdout, code], ["aaaa", 0]);
    assertEquals(new Command("true").stdin(input).runSync().code, 0);
    const failing = new Command("sh", "-c", "echo out; echo err >&2; exit 3").cwd("/").stdin(input);
    const error = assertThrows(() => failing.runSync(), ExitError);
    assertEquals([error.code, error.stdout, error.stderr], [3, "out\n", "err\n"]);
  }
});

conform("runSync: a time limit holds while a program leaves its input unread", () => {
  for (const cmd of [new Command("sleep", 1000), new Command("sleep", 1000).cwd("/")]) {
    const error = assertThrows(() => cmd.stdin(LARGE).runSync({ timeout: 100 }), TimeoutError);
    assertEquals([error.stdout, error.stderr], ["", ""]);
  }
});

conform("runSync with input: the program is given what was chosen for it", () => {
  const script = 'echo "$0 $A $PWD $$ $#"; cat';
  const cmd = new Command("/bin/sh", "-c", script, "zero", "one", "two").env("A", "b").cwd("/");
  const { pid, stdout } = cmd.stdin("input\n").runSync({ timeout: 60_000 });
  assertEquals(stdout, `zero b / ${pid} 2\ninput\n`);
});
