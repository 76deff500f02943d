import { assert, assertEquals, assertThrows } from "@std/assert";
import process from "node:process";
import { test } from "node:test";
import { Environ } from "../../backends/native/environ.ts";
import type { Kernel } from "../../backends/native/kernel.ts";
import { UnsupportedError } from "../../mod.ts";
import { noNativeParts, openKernel } from "../support/native.ts";
import { noteSkip } from "../support/skips.ts";

/** The strings that a NULL-terminated array of pointers leads to. */
function textsAt(kernel: Kernel, address: number): string[] {
  const texts: string[] = [];
  for (let at = address;; at += 8) {
    const [pointer = 0n] = new BigUint64Array(kernel.libc.view(at, 8));
    if (pointer === 0n) return texts;
    let text = "";
    for (let byte = Number(pointer);; byte++) {
      const [code = 0] = new Uint8Array(kernel.libc.view(byte, 1));
      if (code === 0) break;
      text += String.fromCharCode(code);
    }
    texts.push(text);
  }
}

const known = () => ({ ...process.env }) as Record<string, string>;
const reason = noNativeParts() ?? ("Bun" in globalThis ? "Bun keeps its own variables" : undefined);

function check(name: string, body: () => Promise<void>): void {
  if (reason !== undefined) noteSkip(`${name}: ${reason}`);
  test(name, reason === undefined ? {} : { skip: reason }, body);
}

check("a copy of the environment is kept as long as nothing changes", async () => {
  const kernel = await openKernel();
  let asked = 0;
  const environ = new Environ(kernel, {
    environmentIfAllowed() {
      asked++;
      return known();
    },
  });
  const first = environ.address();
  const before = asked;
  assertEquals(environ.address(), first);
  assertEquals(asked, before);
  const all = Object.entries(known()).map(([name, value]) => `${name}=${value}`);
  const ascii = all.filter((each) => /^[ -~]*$/.test(each));
  const copied = textsAt(kernel, first);
  assertEquals(ascii.filter((each) => !copied.includes(each)), []);
  assertEquals(copied.length, all.length);
  process.env["VIRCOMMAND_ENVIRON_TEST"] = "a";
  try {
    assert(textsAt(kernel, environ.address()).includes("VIRCOMMAND_ENVIRON_TEST=a"));
    assert(asked > before);
  } finally {
    delete process.env["VIRCOMMAND_ENVIRON_TEST"];
  }
  assert(!environ.variables().some((each) => each.startsWith("VIRCOMMAND_ENVIRON_TEST=")));
});

check("what the runtime does not see is not taken for its environment", async () => {
  const kernel = await openKernel();
  const environ = new Environ(kernel, { environmentIfAllowed: () => ({ ONLY: "this", N: "" }) });
  for (let i = 0; i < 3; i++) assertEquals(textsAt(kernel, environ.address()), ["ONLY=this", "N="]);
});

check("without process_vm_readv(2) the runtime is asked, or the copy is refused", async () => {
  const kernel = await openKernel("process_vm_readv");
  let asked = 0;
  const environ = new Environ(kernel, {
    environmentIfAllowed() {
      asked++;
      return { A: "1" };
    },
  });
  assertEquals(textsAt(kernel, environ.address()), ["A=1"]);
  assertEquals(textsAt(kernel, environ.address()), ["A=1"]);
  assertEquals(asked, 2);
  const alone = new Environ(kernel, {});
  assertThrows(() => alone.address(), UnsupportedError, "process_vm_readv");
});

check("without the runtime's word the array itself is enough", async () => {
  const kernel = await openKernel();
  const environ = new Environ(kernel, {});
  const path = `PATH=${process.env["PATH"]}`;
  assert(textsAt(kernel, environ.address()).includes(path));
  assert(environ.variables().includes(path));
});
