import { assert, assertEquals } from "@std/assert";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import process from "node:process";
import { Command, SpawnError } from "../../mod.ts";
import { conform } from "../support/harness.ts";
import { ARCHES } from "../support/native.ts";

const FOLDER = fileURLToPath(new URL("../../backends/child_program/arch", import.meta.url));

/** The assemblers to try, and what the listings need in front of them. */
const ASSEMBLERS: Record<string, { names: string[]; native: string; prologue: string }> = {
  x86_64: {
    names: ["x86_64-linux-gnu-as", "as"],
    native: "x64",
    prologue: ".intel_syntax noprefix\n",
  },
  aarch64: { names: ["aarch64-linux-gnu-as", "as"], native: "arm64", prologue: "" },
};

/** The listing in the comment that stands before the machine code. */
function listingOf(arch: string, code: string): string {
  const source = readFileSync(join(FOLDER, `${arch}.ts`), "utf8");
  const place = new RegExp(`/\\*\\n((?:(?!\\*/)[\\s\\S])*?)\\*/\\s*const ${code}`);
  const [, comment = ""] = place.exec(source) ?? [];
  // Prose is indented by two, instructions by four or behind a label.
  return comment.split("\n").filter((line) => /^(\d+: {2}| {4})[a-z]/.test(line)).join("\n");
}

function assemblerFor(arch: string): string | undefined {
  const { names = [], native } = ASSEMBLERS[arch] ?? {};
  return names.find((name) => {
    if (name === "as" && process.arch !== native) return false;
    try {
      return new Command(name, "--version").runSync({ check: false }).code === 0;
    } catch (error) {
      if (error instanceof SpawnError) return false;
      throw error;
    }
  });
}

/** The bytes of the section .text of a 64-bit ELF file, less the padding of its end. */
function textOf(object: Uint8Array): string {
  const view = new DataView(object.buffer, object.byteOffset, object.byteLength);
  const table = Number(view.getBigUint64(40, true));
  const [size, count, names] = [58, 60, 62].map((at) => view.getUint16(at, true));
  const header = (index: number) => table + index * (size ?? 0);
  const offset = (at: number) => Number(view.getBigUint64(at + 24, true));
  const strings = offset(header(names ?? 0));
  for (let i = 0; i < (count ?? 0); i++) {
    const at = header(i);
    const name = strings + view.getUint32(at, true);
    if (new TextDecoder().decode(object.subarray(name, name + 6)) !== ".text\0") continue;
    const from = offset(at);
    return hex(object.subarray(from, from + Number(view.getBigUint64(at + 32, true))));
  }
  throw new Error("an object file without .text");
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (each) => each.toString(16).padStart(2, "0")).join("");
}

for (const { name, interpreter, starter, prologue } of ARCHES) {
  const assembler = assemblerFor(name);
  for (const [what, code] of Object.entries({ interpreter, starter, prologue })) {
    conform(
      `the machine code of the ${what} for ${name} is what its listing assembles to`,
      async ({ folder }) => {
        const object = join(folder(), "code.o");
        const listing = listingOf(name, what);
        assert(listing.split("\n").length >= (what === "prologue" ? 3 : 15), listing);
        const source = `${ASSEMBLERS[name]?.prologue ?? ""}${listing}\n`;
        await new Command(assembler ?? "as", "-o", object, "-").stdin(source).run();
        assertEquals(textOf(readFileSync(object)), code);
      },
      { skip: assembler === undefined ? `no assembler for ${name} is installed` : undefined },
    );
  }

  conform(`the interpreter for ${name} has the size that the design says`, () => {
    assertEquals(interpreter.length / 2, name === "x86_64" ? 75 : 76);
  });
}
