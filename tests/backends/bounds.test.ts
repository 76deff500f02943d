import { assert, assertEquals } from "@std/assert";
import { test } from "node:test";
import { type Call, call, type Program } from "../../backends/child_program/call.ts";
import { encode, sizeOf } from "../../backends/child_program/encode.ts";
import { ARGUMENTS } from "../../backends/child_program/encoded.ts";
import type { Arena } from "../../backends/child_program/room.ts";
import { ARCHES } from "../support/native.ts";
import { random } from "../support/random.ts";

const BASE = 0x7f12_3456_8000;
const GUARD = 4096;

/** Characters of one to four bytes; those of three are the most for a UTF-16 unit. */
const CHARACTERS = ["a", "é", "漢", "🦀"];

/** Lays a program out in an arena of exactly the size that it is said to need. */
function layOutExactly(program: Program): { readonly texts: string[]; readonly guard: Uint8Array } {
  const [arch] = ARCHES;
  assert(arch !== undefined);
  const size = Math.ceil(sizeOf(program) / 8) * 8;
  const buffer = new ArrayBuffer(size + GUARD);
  const whole = new Uint8Array(buffer).fill(0xaa);
  const bytes = new Uint8Array(buffer, 0, size);
  const arena: Arena = { address: BASE, size, bytes, words: new Uint32Array(buffer, 0, size / 4) };
  const encoded = encode(program, arch, arena);
  assert(encoded.length <= size, `${encoded.length} bytes in a room of ${size}`);
  const view = new DataView(buffer);
  const read = (address: number) => {
    const from = address - BASE;
    const end = bytes.indexOf(0, from);
    assert(end >= 0, "a text without an end");
    return new TextDecoder().decode(bytes.subarray(from, end));
  };
  const texts = program.calls.flatMap((each) => {
    const address = Number(view.getBigUint64(encoded.placeOf(each) + ARGUMENTS, true));
    const [arg] = each.args;
    if (typeof arg !== "object" || !("texts" in arg)) return [read(address)];
    return arg.texts.map((_, i) => read(Number(view.getBigUint64(address - BASE + i * 8, true))));
  });
  return { texts, guard: whole.subarray(size) };
}

function check(lists: readonly (string | readonly string[])[]): void {
  const calls = lists.map((each): Call =>
    typeof each === "string"
      ? call("chdir", "chdir", [{ text: each }])
      : call("exec", "execve", [{ texts: each }])
  );
  const { texts, guard } = layOutExactly({ calls, cells: [] });
  assertEquals(texts, lists.flat());
  assert(guard.every((byte) => byte === 0xaa), "written behind the arena");
}

for (const character of CHARACTERS) {
  test(`texts of ${JSON.stringify(character)} fit the room that they are said to need`, () => {
    for (const length of [0, 1, 2, 15, 16, 47, 48, 49, 50, 1000]) {
      const text = character.repeat(length);
      check(Array<string>(60).fill(text));
      check([Array<string>(60).fill(text)]);
      check([Array<string>(200).fill(""), text, Array<string>(60).fill(text)]);
    }
  });
}

test("texts of any kind fit, wherever the arena ends", () => {
  for (let seed = 0; seed < 200; seed++) {
    const next = random(`bounds ${seed}`);
    const below = (n: number) => Math.floor(next() * n);
    const text = () =>
      Array.from({ length: below(2) * below(70) }, () => CHARACTERS[below(4)] ?? "").join("");
    const some = () => Array.from({ length: below(30) }, text);
    check(Array.from({ length: 1 + below(20) }, () => next() < 0.5 ? text() : some()));
  }
});
