import { assert, assertEquals, assertNotMatch } from "@std/assert";
import { test } from "node:test";
import { inspect } from "node:util";
import { display, maskSecrets, prefixed, reveal, Secret, secret } from "../../core/text/secret.ts";

const token = secret("hunter2");

/** The ways by which a value gets into a log. */
const VIEWS: [what: string, view: (value: Secret) => string][] = [
  ["toString", (value) => value.toString()],
  ["String", (value) => String(value)],
  ["a template literal", (value) => `${value}`],
  ["concatenation", (value) => "" + value],
  ["JSON", (value) => JSON.parse(JSON.stringify(value))],
  ["joining a list", (value) => [value].join()],
];

for (const [what, view] of VIEWS) {
  test(`a secret shows as *** in ${what}`, () => assertEquals(view(token), "***"));
}

test("a secret does not show when it is inspected, spread or listed", () => {
  assertNotMatch(inspect(token, { showHidden: true, depth: 9 }), /hunter2/);
  assertEquals([Object.keys(token), JSON.stringify({ ...token })], [[], "{}"]);
});

test("only reveal gives the text, and shown the mask", () => {
  assert(token instanceof Secret);
  assertEquals([reveal(token), display(token)], ["hunter2", "***"]);
  assertEquals([reveal("plain"), display("plain")], ["plain", "plain"]);
});

test("an empty secret is masked as any other", () => {
  assertEquals([reveal(secret("")), display(secret(""))], ["", "***"]);
});

test("what stands before a secret is shown, also when it is put there twice", () => {
  const word = prefixed("--token=", token);
  assertEquals([reveal(word), display(word)], ["--token=hunter2", "--token=***"]);
  const twice = prefixed("-o", word);
  assertEquals([reveal(twice), display(twice)], ["-o--token=hunter2", "-o--token=***"]);
  assertEquals(prefixed("a=", "b"), "a=b");
});

const MASKED: [what: string, text: string, secrets: string[], masked: string][] = [
  ["no secret", "as it was", [], "as it was"],
  ["every place", "hunter2 and hunter2", ["hunter2"], "*** and ***"],
  ["inside a word", "xhunter2x", ["hunter2"], "x***x"],
  ["several", "alpha beta", ["beta", "alpha"], "*** ***"],
  ["four characters", "abcd", ["abcd"], "***"],
  ["three characters are left", "abc", ["abc"], "abc"],
  ["an empty one is left", "abc", [""], "abc"],
  ["characters of expressions", "a.c+ abcc", ["a.c+"], "*** abcc"],
  ["characters of replacements", "x $&$1 y", ["$&$1"], "x *** y"],
  ["one that begins another", "secretlonger", ["secret", "secretlonger"], "***"],
  ["one that ends another", "longersecret", ["secret", "longersecret"], "***"],
];

for (const [what, text, secrets, masked] of MASKED) {
  test(`masking free text: ${what}`, () => assertEquals(maskSecrets(text, secrets), masked));
}
