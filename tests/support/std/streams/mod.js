// @ts-self-types="./mod.d.ts"
// The Deno standard library as npm has it: a plain copy under another name.
export * from "deno-std/streams/mod.js";
