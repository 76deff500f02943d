// Imports the library where the global scope lacks what jsdom's lacks, and more while it is loaded,
// and runs a few commands.
import process from "node:process";

/** What is not there when commands are run. */
const LACKING = [
  "TextEncoder",
  "TextDecoder",
  "TextEncoderStream",
  "TextDecoderStream",
  "ReadableStream",
  "ReadableStreamDefaultReader",
  "WritableStream",
  "TransformStream",
  "ByteLengthQueuingStrategy",
  "CountQueuingStrategy",
  "structuredClone",
  "fetch",
  "Request",
  "Response",
  "Blob",
  "setImmediate",
  "clearImmediate",
];

/** What is not there when the library is loaded: on Node, which does not look for it itself then. */
const LATER = "Deno" in globalThis ? [] : [
  "AbortController",
  "AbortSignal",
  "Event",
  "EventTarget",
  "URL",
  "queueMicrotask",
  "performance",
  "setTimeout",
  "setInterval",
  "crypto",
  "DOMException",
];

const mod = new URL("../../../mod.ts", import.meta.url).href;
const scope = globalThis as unknown as Record<string, unknown>;
const kept = LATER.map((name) =>
  [name, Object.getOwnPropertyDescriptor(globalThis, name) ?? {}] as const
);
for (const name of [...LACKING, ...LATER]) delete scope[name];
const { Command } = await import(mod) as typeof import("../../../mod.ts");
for (const [name, descriptor] of kept) Object.defineProperty(globalThis, name, descriptor);

const lines: string[] = [];
for await (const line of new Command("printf", "a\\nü\\n").lines()) lines.push(line);
const child = await new Command("cat").stdin("pipe").stdout("pipe").spawn();
const writer = child.stdin.getWriter();
await writer.write("ä");
await writer.close();
const { value } = await child.stdout.getReader().read();
await child.wait();
const told = {
  lacking: LACKING.filter((name) => name in globalThis),
  text: await new Command("cat").stdin("ö").text(),
  sync: new Command("cat").stdin("ß").runSync().stdout,
  lines,
  piped: [...value ?? []],
};
process.stdout.write(JSON.stringify(told));
