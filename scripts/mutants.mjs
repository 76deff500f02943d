// Changes to the code that a test must detect. Each change is made in a copy of the project, and
// the named test must fail there. Run it by hand: node scripts/mutants.mjs [part of a name …]

import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { root, runtimes } from "./runtimes.mjs";

/** Name, file, the text and its replacement, and the test file and driver that must fail. */
const mutants = [
  {
    name: "the native driver does not look for the security module",
    file: "backends/native/native.ts",
    from: /requireLsm\(read, plan, "native"\)/,
    to: "void 0",
    test: "conformance/exec_labels",
  },
  {
    name: "the launcher does not look for the security module",
    file: "backends/launcher/launcher.ts",
    from: /requireLsm\(textOfFile, plan, "launcher"\)/,
    to: "void 0",
    test: "conformance/exec_labels",
    driver: "launcher",
  },
  {
    name: "exec is not checked at all",
    file: "core/run/launch.ts",
    from: /service\.check\(plan, verb\);/,
    to: 'if (verb !== "exec") service.check(plan, verb);',
    test: "conformance/exec_labels",
  },
  {
    name: "the ambient set is not cleared",
    file: "backends/child_program/lower_identity.ts",
    from: /CAP_AMBIENT\.CLEAR_ALL/,
    to: "CAP_AMBIENT.IS_SET",
    test: "conformance/ambient",
  },
  {
    name: "signals are not blocked at the clone",
    file: "backends/native/clone_args.ts",
    from: /set\(BLOCKED_AT, -1\)/,
    to: "set(BLOCKED_AT, 0)",
    test: "backends/signals_at_clone",
  },
  {
    name: "a large arena stays mapped",
    file: "backends/native/memory.ts",
    from: /this\.#kernel\.unmap\([^)]*\);/,
    to: "",
    test: "conformance/large_commands",
  },
  {
    name: "a text needs a byte less than it takes",
    file: "backends/child_program/call.ts",
    from: /text\.length \* 3 \+ 1/,
    to: "text.length * 3",
    test: "backends/bounds",
  },
  {
    name: "UTF-16 units take two bytes at most",
    file: "backends/child_program/call.ts",
    from: /text\.length \* 3 \+ 1/,
    to: "text.length * 2 + 1",
    test: "backends/bounds",
  },
];

const parts = process.argv.slice(2);
const copy = mkdtempSync(join(tmpdir(), "vircommand-mutants-"));
// A test may run a program from this folder as another user.
chmodSync(copy, 0o755);
const source = fileURLToPath(root);
let [seen, unseen] = [0, 0];
try {
  for (const name of readdirSync(source)) {
    if (name === "node_modules" || name === ".git") continue;
    cpSync(join(source, name), join(copy, name), { recursive: true });
  }
  symlinkSync(realpathSync(join(source, "node_modules")), join(copy, "node_modules"));
  for (const { name, file, from, to, test, driver = "native" } of mutants) {
    if (parts.length > 0 && !parts.some((part) => name.includes(part))) continue;
    const path = join(copy, file);
    const text = readFileSync(path, "utf8");
    const changed = text.replace(from, to);
    const { binary } = runtimes.node26;
    const run = () =>
      spawnSync(binary, ["--test", `tests/${test}.test.ts`], {
        cwd: copy,
        env: { ...process.env, VIRCOMMAND_DRIVER: driver },
        timeout: 120_000,
      }).status;
    let verdict = "seen";
    if (changed === text) verdict = "NOT MADE: the code is another one now";
    else if (run() !== 0) verdict = "NOT TRIED: the test fails without it";
    else {
      writeFileSync(path, changed);
      if (run() === 0) verdict = "NOT SEEN";
      writeFileSync(path, text);
    }
    if (verdict === "seen") seen++;
    else unseen++;
    console.log(`${name}: ${verdict}`);
  }
} finally {
  rmSync(copy, { recursive: true, force: true });
}
console.log(`\n${seen} passed, ${unseen} failed`);
process.exitCode = unseen > 0 || seen === 0 ? 1 : 0;
