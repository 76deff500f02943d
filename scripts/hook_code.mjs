// Writes backends/hook/code.ts, the program of a hook as text: node scripts/hook_code.mjs. A test
// checks that it is up to date.

import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { root, runtimes } from "./runtimes.mjs";

/** The file that is written. */
export const file = fileURLToPath(new URL("backends/hook/code.ts", root));

const source = fileURLToPath(new URL("backends/hook/main.ts", root));

/** Returns the text of the file. */
export function hookCodeFile() {
  const bundled = output(
    runtimes.bun.binary,
    ["build", source, "--target=node", "--minify-syntax", "--minify-whitespace"],
  );
  // The program is run by a call that is added to it, and as a script has no exports.
  const code = bundled.trim().replace(/export\{hookMain\};?$/, "");
  if (/\b(import|export)\b(?!\()/.test(code)) throw new Error("the program of a hook is no script");
  const text = [
    "/**",
    " * The program of main.ts as text. Written by scripts/hook_code.mjs.",
    " *",
    " * @module",
    " */",
    "",
    "/** Defines `hookMain`, and runs as a script and as a module. */",
    `export const HOOK_CODE: string = ${JSON.stringify(code)};`,
  ].join("\n");
  return output(runtimes.deno.binary, ["fmt", "--ext", "ts", "-"], text);
}

function output(program, args, input = "") {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd: root,
    encoding: "utf8",
    input,
  });
  if (status !== 0) throw new Error(`${program}: ${error ?? stderr}`);
  return stdout;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(file, hookCodeFile());
