import { assertEquals } from "@std/assert";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { aarch64 } from "../../backends/child_program/arch/aarch64.ts";
import { x86_64 } from "../../backends/child_program/arch/x86_64.ts";
import type { Arch } from "../../backends/child_program/arch.ts";
import { type Call, call } from "../../backends/child_program/call.ts";
import { elfOf, PROGRAM_AT } from "../../backends/child_program/elf.ts";
import { encode, sizeOf } from "../../backends/child_program/encode.ts";
import { type Encoded, FAILURE_REPORT } from "../../backends/child_program/encoded.ts";
import { noteSkip } from "../support/skips.ts";

/** How the programs of an architecture are run here, or why they cannot be. */
interface Machine {
  readonly arch: Arch;
  readonly prefix: readonly string[];
  readonly skip?: string;
}

const native = process.arch === "arm64" ? "aarch64" : "x86_64";

function machine(arch: Arch, emulator: string): Machine {
  if (arch.name === native) return { arch, prefix: [] };
  const found = spawnSync(emulator, ["--version"]).error === undefined;
  return found
    ? { arch, prefix: [emulator] }
    : { arch, prefix: [], skip: `${emulator} is not installed` };
}

const machines = [machine(x86_64, "qemu-x86_64-static"), machine(aarch64, "qemu-aarch64-static")];

/** Runs calls as a program file; what it reports goes to descriptor 1, its standard output. */
function run(
  { arch, prefix }: Machine,
  calls: readonly Call[],
  input = "",
): { status: number | null; stdout: Uint8Array; encoded: Encoded } {
  const program = { calls, cells: [{ name: "word", size: 8 }] };
  const size = sizeOf(program);
  const buffer = new ArrayBuffer(Math.ceil(size / 8) * 8);
  const arena = {
    address: PROGRAM_AT,
    size,
    bytes: new Uint8Array(buffer),
    words: new Uint32Array(buffer),
  };
  const encoded = encode(program, arch, arena, { base: PROGRAM_AT, report: 1 });
  const folder = mkdtempSync(join(tmpdir(), "vircommand-elf-"));
  try {
    const file = join(folder, "program");
    writeFileSync(file, elfOf(arch, arena.bytes.subarray(0, encoded.length)));
    chmodSync(file, 0o700);
    const [command = file, ...args] = [...prefix, file];
    const { status, stdout } = spawnSync(command, args, { input });
    return { status, stdout: new Uint8Array(stdout), encoded };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const text = new TextEncoder();
const hello = call("exec", "write", [1, { text: "hello\n" }, 6]);
const exit = (status: number): Call => call("exec", "exit_group", [status]);

for (const each of machines) {
  const { name } = each.arch;
  const title = (sentence: string) => `${sentence} (${name})`;
  const conform = (sentence: string, body: () => void) => {
    if (each.skip !== undefined) noteSkip(`${title(sentence)}: ${each.skip}`);
    test(title(sentence), each.skip === undefined ? {} : { skip: each.skip }, body);
  };

  conform("a program file runs its calls in order", () => {
    const { status, stdout } = run(each, [hello, exit(7)]);
    assertEquals([new TextDecoder().decode(stdout), status], ["hello\n", 7]);
  });

  conform("a result can become an argument of a later call", () => {
    const echo: Call = { ...call("exec", "write", [1, { cell: "word" }, 0]), label: "echo" };
    const read: Call = {
      ...call("exec", "read", [0, { cell: "word" }, 8]),
      into: { call: "echo", argument: 2 },
    };
    assertEquals(run(each, [read, echo, exit(0)], "abc").stdout, text.encode("abc"));
  });

  conform("a call that fails ends the program, which reports which one and why", () => {
    const chdir = call("chdir", "chdir", [{ text: "/no/such/folder" }]);
    const { status, stdout, encoded } = run(each, [chdir, hello, exit(0)]);
    assertEquals(status, 127);
    assertEquals(stdout[0], FAILURE_REPORT);
    assertEquals(encoded.failure(stdout.subarray(1)), { call: chdir, errno: 2 });
  });

  conform("a missing program is an execve that failed", () => {
    const exec = call(
      "exec",
      "execve",
      [{ text: "/no/such" }, { texts: ["x"] }, { texts: [] }],
    );
    const { stdout, encoded } = run(each, [exec]);
    assertEquals(encoded.failure(stdout.subarray(1)), { call: exec, errno: 2 });
  });

  conform("a word lets a program go on, the end of the words ends it", () => {
    const wait: Call = {
      ...call("handshake", "read", [0, { cell: "word" }, 1]),
      jumps: { zero: "abandoned" },
    };
    const abandoned: Call = { ...exit(125), label: "abandoned" };
    const calls = [wait, hello, exit(0), abandoned];
    assertEquals(run(each, calls, "!").stdout, text.encode("hello\n"));
    const { status, stdout } = run(each, calls, "");
    assertEquals([status, stdout.length], [125, 0]);
  });

  conform("memory can be compared through futex", () => {
    const read: Call = call("exec", "read", [0, { cell: "word" }, 4]);
    const compare: Call = {
      ...call("exec", "futex", [{ cell: "word" }, 132, 0, 0, { cell: "word" }, 0x64636261]),
      jumps: { zero: "equal", error: "different" },
    };
    const calls = [read, compare, { ...exit(1), label: "different" }, {
      ...exit(0),
      label: "equal",
    }];
    assertEquals(run(each, calls, "abcd").status, 0);
    assertEquals(run(each, calls, "abce").status, 1);
  });
}

test("a program file is as small as its program", () => {
  assertEquals(elfOf(x86_64, new Uint8Array(0)).length, 512);
  const own = readFileSync(process.execPath).subarray(0, 4);
  assertEquals([...elfOf(x86_64, new Uint8Array(0)).subarray(0, 4)], [...own]);
});
