import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { test } from "node:test";
import { Command } from "../../core/command.ts";
import { specOf } from "../support/spec.ts";
import { UsageError } from "../../core/errors.ts";
import { checkRules, type Mode } from "../../core/command/rules.ts";

const MODES: Mode[] = ["run", "spawn", "runSync", "exec"];
const stream = () => new WritableStream<Uint8Array>();

/** What is built, in which modes it can be run, and what the error says in the others. */
const RULES: [what: string, build: (cmd: Command) => unknown, legal: Mode[], error: RegExp][] = [
  ["nothing special", () => {}, MODES, /./],
  ["streams to null", (cmd) => cmd.stdin("null").stdout("null").stderr("null"), MODES, /./],
  ["inherited streams", (cmd) => cmd.stdin("inherit").stdout("inherit"), MODES, /./],
  [
    "descriptors and files",
    (cmd) => cmd.stdin({ file: "a" }).stdout(5).stderr("stdout"),
    MODES,
    /./,
  ],
  ["an input pipe", (cmd) => cmd.stdin("pipe"), ["spawn"], /^stdin\("pipe"\) needs spawn/],
  ["an output pipe", (cmd) => cmd.stdout("pipe"), ["spawn"], /^stdout\("pipe"\) needs spawn/],
  ["an error pipe", (cmd) => cmd.stderr("pipe"), ["spawn"], /^stderr\("pipe"\) needs spawn/],
  ["text as input", (cmd) => cmd.stdin("x"), ["run", "spawn", "runSync"], /^exec: .*stdin/],
  [
    "an iterable as input",
    (cmd) => cmd.stdin(["x"]),
    ["run", "spawn", "runSync"],
    /^exec: .*stdin/,
  ],
  ["a captured output", (cmd) => cmd.stdout("capture"), ["run", "spawn", "runSync"], /^exec: /],
  [
    "an output stream",
    (cmd) => cmd.stdout(stream()),
    ["run", "spawn"],
    /^(exec|runSync): .*stdout/,
  ],
  ["an error stream", (cmd) => cmd.stderr(stream()), ["run", "spawn"], /^(exec|runSync): .*stderr/],
  ["a handshake", (cmd) => cmd.handshake(), ["spawn"], /^handshake: .*spawn\(\)/],
  ["a buffer", (cmd) => cmd.sendBuffer("x"), ["run", "spawn", "runSync"], /^exec: .*sendBuffer/],
  ["a hook", (cmd) => cmd.preExec("file:///h.ts"), ["run", "spawn", "runSync"], /^exec: .*preExec/],
  ["a folder, a session", (cmd) => cmd.cwd("/").session(), MODES, /./],
  ["a daemon", (cmd) => cmd.daemonize(), ["run", "spawn", "runSync"], /^exec: daemonize/],
  [
    "a daemon with files",
    (cmd) => cmd.daemonize().stdin(3).stdout({ file: "a" }).stderr("stdout"),
    [
      "run",
      "spawn",
      "runSync",
    ],
    /^exec: daemonize/,
  ],
  ["a daemon's buffer and descriptor", (cmd) => cmd.daemonize().passFd(9).sendBuffer("x"), [
    "run",
    "spawn",
    "runSync",
  ], /^exec: /],
  [
    "a daemon's pid file",
    (cmd) => cmd.daemonize().pidFile("/p"),
    ["run", "spawn", "runSync"],
    /^exec/,
  ],
  ["a daemon's handshake", (cmd) => cmd.daemonize().handshake(), ["spawn"], /^(handshake|exec): /],
  ["a daemon that is fed", (cmd) => cmd.daemonize().stdin("x"), [], /^daemonize: stdin/],
  [
    "a daemon that is captured",
    (cmd) => cmd.daemonize().stdout("capture"),
    [],
    /^daemonize: stdout/,
  ],
  ["a daemon's error stream", (cmd) => cmd.daemonize().stderr(stream()), [], /^daemonize: stderr/],
  [
    "a daemon's pipe",
    (cmd) => cmd.daemonize().stdout("pipe"),
    [],
    /^(daemonize: stdout|stdout\("pipe"\))/,
  ],
  ["a daemon's folder", (cmd) => cmd.daemonize().cwd("/tmp"), [], /^daemonize: .*cwd/],
  ["a pid file without a daemon", (cmd) => cmd.pidFile("/p"), [], /^pidFile: .*daemonize\(\)/],
];

for (const [what, build, legal, message] of RULES) {
  for (const mode of MODES) {
    const allowed = legal.includes(mode);
    test(`${what}: ${mode} ${allowed ? "can do that" : "refuses it"}`, () => {
      const cmd = new Command("true");
      build(cmd);
      assertEquals(cmd.error, undefined);
      const spec = specOf(cmd);
      if (allowed) return checkRules(spec, mode);
      assertMatch(assertThrows(() => checkRules(spec, mode), UsageError).message, message);
    });
  }
}
