import { assert, assertEquals } from "@std/assert";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { ARCHES } from "../support/native.ts";
import { noteSkip } from "../support/skips.ts";

/** Where Debian's and Fedora's kernel headers have the numbers. */
const HEADERS: Record<string, string[]> = {
  x86_64: ["/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm/unistd_64.h"],
  aarch64: ["/usr/include/asm-generic/unistd.h"],
};

/** Names that a 64-bit kernel's generic table has under another name. */
const GENERIC: Record<string, string> = {
  fcntl: "3264_fcntl",
  fstat: "3264_fstat",
  ftruncate: "3264_ftruncate",
  lseek: "3264_lseek",
  mmap: "3264_mmap",
  newfstatat: "3264_fstatat",
};

function numbersOf(header: string): Map<string, number> {
  const found = readFileSync(header, "utf8").matchAll(/^#define __NR(?:_|)(\w+)\s+(\d+)/gm);
  return new Map([...found].map(([, name = "", number]) => [name, Number(number)]));
}

for (const { name, numbers } of ARCHES) {
  const header = HEADERS[name]?.find((each) => existsSync(each));
  const sentence = `the system call numbers of ${name} are those of the kernel's headers`;
  const reason = `no kernel headers for ${name} are installed`;
  if (header === undefined) noteSkip(`${sentence}: ${reason}`);
  test(sentence, header === undefined ? { skip: reason } : {}, () => {
    const known = numbersOf(header ?? "");
    assert(known.size > 200);
    for (const [syscall, number] of Object.entries(numbers)) {
      assertEquals(known.get(syscall) ?? known.get(GENERIC[syscall] ?? ""), number, syscall);
    }
  });

  test(`no two system calls of ${name} have the same number`, () => {
    const all = Object.values(numbers);
    assertEquals(new Set(all).size, all.length);
  });
}

test("both architectures know the same system calls", () => {
  const [first, second] = ARCHES.map(({ numbers }) => Object.keys(numbers).toSorted());
  assertEquals(first, second);
});
