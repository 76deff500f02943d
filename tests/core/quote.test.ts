import { assertEquals } from "@std/assert";
import { test } from "node:test";
import { formatCommand, plainCommand } from "../../core/text/quote.ts";
import { quote } from "../../core/command/quote.ts";

type Env = (readonly [string, string])[];

const split = (text: string) => text === "" ? [] : text.split(" ");
const format = (args: string[], options = {}, env: Env = []) =>
  formatCommand({ env, argv: ["true", ...args] }, options);

const SPECIAL = [..." \t\n\r!\"#$&'()*;<>?[\\]^{|}~`"];

test("each character that shells treat specially puts its word into quotes", () => {
  for (const char of SPECIAL) {
    const inner = char === "'" ? "'\\''" : char;
    for (const [before, after] of [["", ""], ["a", ""], ["", "b"], ["a", "b"]]) {
      assertEquals(quote(`${before}${char}${after}`), `'${before}${inner}${after}'`);
    }
  }
});

test("no other printable character of ASCII does", () => {
  for (let code = 0x20; code < 0x7f; code++) {
    const char = String.fromCharCode(code);
    if (!SPECIAL.includes(char)) assertEquals(quote(`a${char}b`), `a${char}b`);
  }
});

const WORDS: [what: string, text: string, quoted: string][] = [
  ["nothing at all", "", "''"],
  ["a plain word", "plain", "plain"],
  ["an option with a value", "--a=b,c:d@e%f+g-h.i/j_k", "--a=b,c:d@e%f+g-h.i/j_k"],
  ["letters beyond ASCII", "grüße-日本-😀", "grüße-日本-😀"],
  ["two words", "a b", "'a b'"],
  ["an apostrophe", "it's", "'it'\\''s'"],
  ["an apostrophe alone", "'", "''\\'''"],
  ["two apostrophes", "''", "''\\'''\\'''"],
  ["a line break", "a\nb", "'a\nb'"],
  ["a variable", "$HOME", "'$HOME'"],
  ["a command", "`id`", "'`id`'"],
  ["a backslash", "a\\b", "'a\\b'"],
];

for (const [what, text, quoted] of WORDS) {
  test(`quote: ${what}`, () => assertEquals(quote(text), quoted));
}

test("variables come first, and only their values are quoted", () => {
  const env: Env = [["A", "B"], ["C", "D  E"], ["X", ""]];
  assertEquals(format(["F", "G  H"], {}, env), "A=B C='D  E' X='' true F 'G  H'");
});

test("a command without arguments is its binary, and the binary is quoted too", () => {
  assertEquals(format([]), "true");
  assertEquals(formatCommand({ env: [], argv: ["/opt/my tool", ""] }), "'/opt/my tool' ''");
});

test("stripPath leaves the folder of the binary out, and of nothing else", () => {
  const parts = (binary: string) => ({ env: [["P", "/a/b"]] as Env, argv: [binary, "/c/d"] });
  const strip = (binary: string) => formatCommand(parts(binary), { stripPath: true });
  assertEquals(strip("/usr/bin/true"), "P=/a/b true /c/d");
  assertEquals(strip("./true"), "P=/a/b true /c/d");
  assertEquals(strip("true"), "P=/a/b true /c/d");
  assertEquals(strip("/my folder/my tool"), "P=/a/b 'my tool' /c/d");
  assertEquals(formatCommand(parts("/usr/bin/true")), "P=/a/b /usr/bin/true /c/d");
});

/** What stands on each line, but for the indentation that there is none of. */
const LINES: [what: string, args: string, lines: string[]][] = [
  ["no arguments", "", ["true"]],
  ["one option", "-a", ["true", "-a"]],
  ["an option and its value", "-a 1", ["true", "-a 1"]],
  ["several options", "-a -b -c", ["true", "-a", "-b", "-c"]],
  ["values stay with their option while another option follows", "-a 1 2 3 -b", [
    "true",
    "-a 1 2 3",
    "-b",
  ]],
  ["after the last option only the first value stays", "-a 1 2 3", ["true", "-a 1", "2", "3"]],
  ["arguments before the first option have lines of their own", "1 2 -a 3", [
    "true",
    "1",
    "2",
    "-a 3",
  ]],
  ["without any option each argument has its line", "1 2", ["true", "1", "2"]],
  ["a lone dash is an option", "1 - 2", ["true", "1", "- 2"]],
];

for (const [what, args, lines] of LINES) {
  test(`line breaks: ${what}`, () => {
    assertEquals(format(split(args), { lineBreaks: true }), lines.join(" \\\n"));
  });
}

test("line breaks: an empty argument is a value, not an option", () => {
  assertEquals(format(["-a", "", "-b", ""], { lineBreaks: true }), "true \\\n-a '' \\\n-b ''");
});

const COMMANDTEST = split("--foo bar --oooh -f --wizz eek_eek --m-m-m-multiarg arg arg2 -w -z -l")
  .concat(split("--mmm flash bang wallop")).map((word) => word.replace("_", " "));
const COMMANDTEST_ENV: Env = [["A", "B"], ["C", "D  E"]];

test("line breaks: the long command of libvirt's test suite comes out as there", () => {
  const lines = [
    "A=B",
    "C='D  E'",
    "true",
    "--foo bar",
    "--oooh",
    "-f",
    "--wizz 'eek eek'",
    "--m-m-m-multiarg arg arg2",
    "-w",
    "-z",
    "-l",
    "--mmm flash",
    "bang",
    "wallop",
  ];
  assertEquals(format(COMMANDTEST, { lineBreaks: true }, COMMANDTEST_ENV), lines.join(" \\\n"));
});

test("without line breaks the same command is on one line", () => {
  const expected = "A=B C='D  E' true --foo bar --oooh -f --wizz 'eek eek' " +
    "--m-m-m-multiarg arg arg2 -w -z -l --mmm flash bang wallop";
  assertEquals(format(COMMANDTEST, {}, COMMANDTEST_ENV), expected);
});

test("line breaks and stripPath go together", () => {
  const options = { lineBreaks: true, stripPath: true };
  const text = formatCommand({ env: [["A", "1"]], argv: ["/bin/ls", "-l", "/"] }, options);
  assertEquals(text, "A=1 \\\nls \\\n-l /");
});

test("taking line breaks out again gives the command on one line", () => {
  for (const [, args] of LINES) {
    const broken = format(split(args), { lineBreaks: true }, COMMANDTEST_ENV);
    assertEquals(broken.replaceAll(" \\\n", " "), format(split(args), {}, COMMANDTEST_ENV));
  }
});

test("the plain form quotes nothing", () => {
  const parts = { env: [["C", "D  E"]] as Env, argv: ["/bin/true", "it's", "", "$x"] };
  assertEquals(plainCommand(parts), "C=D  E /bin/true it's  $x");
});

/** Reads words as sh(1) does where nothing but single quotes and \' quotes. */
function readWords(line: string): string[] {
  const words = [];
  for (const [word] of line.matchAll(/(?:'[^']*'|\\'|[^\s'\\])+/g)) {
    words.push(word.replaceAll(/'([^']*)'|\\(')/g, (_, inside, escaped) => escaped ?? inside));
  }
  return words;
}

test("a reader of shell words gets back every text that was quoted", () => {
  const texts = ["", "a", ...SPECIAL, SPECIAL.join(""), "'a'", "a''b", "\\'", "--x=' '", "ü 😀"];
  assertEquals(readWords(texts.map(quote).join(" ")), texts);
});
