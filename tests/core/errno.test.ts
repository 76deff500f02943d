import { assertEquals } from "@std/assert";
import { spawnSync } from "node:child_process";
import os from "node:os";
import process from "node:process";
import { test } from "node:test";
import { errnoName, errnoNumber, errnoText } from "../../core/tables/errno.ts";

/** Second names of the same number; the table has the first, as errno(3) lists it. */
const ALIASES: Readonly<Record<string, string>> = {
  EWOULDBLOCK: "EAGAIN",
  EDEADLOCK: "EDEADLK",
  ENOTSUP: "EOPNOTSUPP",
};

test("every error that the system's headers name has its number and its name", () => {
  const known = Object.entries(os.constants.errno);
  assertEquals(known.length > 70, true);
  for (const [name, number] of known) {
    const first = ALIASES[name] ?? name;
    assertEquals([errnoNumber(first), errnoName(number)], [number, first]);
  }
});

test("each number from 1 to 132 is an error, but for the two that Linux leaves out", () => {
  const nameless = [];
  for (let n = 1; n <= 132; n++) if (errnoName(n) === `errno ${n}`) nameless.push(n);
  assertEquals(nameless, [41, 58]);
});

test("names and numbers lead to each other, and each error has a text of its own", () => {
  const texts = new Set<string>();
  for (let n = 1; n <= 132; n++) {
    if (n === 41 || n === 58) continue;
    assertEquals(errnoNumber(errnoName(n)), n);
    texts.add(errnoText(n));
  }
  assertEquals([texts.size, texts.has("unknown error")], [130, false]);
});

/** What the C library says, by way of a program that asks it; undefined where there is none. */
function systemsTexts(): Map<number, string> | undefined {
  const numbers = Array.from({ length: 132 }, (_, i) => i + 1);
  const ways: [string, string[]][] = [
    ["python3", ["-c", "import os\nfor n in range(1, 133): print(n, os.strerror(n))"]],
    ["perl", ["-e", 'for $n (1..132) { $! = $n; print "$n $!\\n" }']],
  ];
  for (const [program, args] of ways) {
    const env = { ...process.env, LC_ALL: "C" };
    const { status, stdout } = spawnSync(program, args, { encoding: "utf8", env });
    if (status !== 0) continue;
    const lines = stdout.trim().split("\n").map((line) => /^(\d+) (.*)$/.exec(line) ?? []);
    const texts = new Map(lines.map(([, number, text]) => [Number(number), text ?? ""]));
    if (numbers.every((n) => texts.has(n))) return texts;
  }
  return undefined;
}

const system = process.platform === "linux" ? systemsTexts() : undefined;

test("the text of every error is strerror(3)'s", {
  skip: system === undefined ? "neither python3 nor perl is here to ask" : false,
}, () => {
  for (const [number, text] of system ?? []) {
    const known = errnoNumber(errnoName(number)) === number;
    assertEquals(known ? errnoText(number) : `Unknown error ${number}`, text);
  }
});

const TEXTS: [number, string][] = [
  [2, "No such file or directory"],
  [7, "Argument list too long"],
  [8, "Exec format error"],
  [13, "Permission denied"],
  [26, "Text file busy"],
  [40, "Too many levels of symbolic links"],
];

for (const [number, text] of TEXTS) {
  test(`errno ${number} reads "${text}", as strerror(3) has it`, () => {
    assertEquals(errnoText(number), text);
  });
}

test("a number that is no error is named by itself", () => {
  for (const number of [0, -2, 41, 999]) {
    assertEquals([errnoName(number), errnoText(number)], [`errno ${number}`, "unknown error"]);
  }
});

test("a name that is no error has no number, not even one that objects have", () => {
  for (const name of ["", "ENOPE", "enoent", "toString", "__proto__"]) {
    assertEquals(errnoNumber(name), undefined);
  }
});
