import { assertEquals } from "@std/assert";
import { test } from "node:test";
import { DEFAULT_PATH, findProgram, type Found } from "../../core/plan/lookup.ts";
import { absolute } from "../../core/text/path.ts";
import type { Access } from "../../core/system.ts";

/** Looks `name` up where only `files` are there; the current folder is /work. */
function find(
  name: string,
  path: string | undefined,
  files: Record<string, Access>,
): Found & { asked: string[] } {
  const asked: string[] = [];
  const found = findProgram(name, path, () => "/work", (candidate) => {
    asked.push(candidate);
    return files[candidate] ?? "ENOENT";
  });
  return { ...found, asked };
}

const TABLE: Record<
  string,
  [name: string, path: string | undefined, files: Record<string, Access>, expected: Found]
> = {
  "the first folder that has it": [
    "p",
    "/a:/b",
    { "/a/p": "ok", "/b/p": "ok" },
    { path: "/a/p" },
  ],
  "the second, if the first has it not": ["p", "/a:/b", { "/b/p": "ok" }, { path: "/b/p" }],
  "the second, if the first's cannot be executed": [
    "p",
    "/a:/b",
    { "/a/p": "EACCES", "/b/p": "ok" },
    { path: "/b/p" },
  ],
  "EACCES for the first that cannot be executed": [
    "p",
    "/a:/b:/c",
    { "/b/p": "EACCES", "/c/p": "EACCES" },
    { code: "EACCES", path: "/b/p" },
  ],
  "ENOENT with the name as it was given": ["p", "/a:/b", {}, { code: "ENOENT", path: "p" }],
  "a folder that is a file is passed over": [
    "p",
    "/a:/b",
    { "/a/p": "ENOTDIR" },
    { code: "ENOENT", path: "p" },
  ],
  "an empty entry is the current folder": ["p", ":/b", { "/work/p": "ok" }, { path: "/work/p" }],
  "an empty entry at the end": ["p", "/b:", { "/work/p": "ok" }, { path: "/work/p" }],
  "an empty entry in the middle": ["p", "/b::/c", { "/work/p": "ok" }, { path: "/work/p" }],
  "an empty PATH is the current folder": ["p", "", { "/work/p": "ok" }, { path: "/work/p" }],
  "a relative entry counts from the current folder": [
    "p",
    "bin",
    { "/work/bin/p": "ok" },
    { path: "/work/bin/p" },
  ],
  "a slash at an entry's end is not doubled": ["p", "/a/", { "/a/p": "ok" }, { path: "/a/p" }],
  "no PATH: /bin and /usr/bin": ["p", undefined, { "/usr/bin/p": "ok" }, { path: "/usr/bin/p" }],
  "a path is not searched": ["/x/p", "/a", { "/a/p": "ok" }, { path: "/x/p" }],
  "a relative path is made absolute": ["x/p", "/a", {}, { path: "/work/x/p" }],
  "a path that ends in a slash is left as it is": ["/x/p/", "/a", {}, { path: "/x/p/" }],
};

for (const [what, [name, path, files, expected]] of Object.entries(TABLE)) {
  test(`look-up: ${what}`, () => {
    const { asked: _, ...found } = find(name, path, files);
    assertEquals(found, expected);
  });
}

test("nothing is asked after the program was found, and nothing for a path", () => {
  assertEquals(find("p", "/a:/b:/c", { "/b/p": "ok" }).asked, ["/a/p", "/b/p"]);
  assertEquals(find("./p", "/a", {}).asked, []);
});

test("the default is what execvp(3) searches", () => {
  assertEquals(DEFAULT_PATH, "/bin:/usr/bin");
});

test("a path is made absolute without being tidied up", () => {
  assertEquals(absolute("a/../b", "/x"), "/x/a/../b");
  assertEquals(absolute("/a", "/x"), "/a");
  assertEquals(absolute("a", "/"), "/a");
});
