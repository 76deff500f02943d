import { assertEquals } from "@std/assert";
import { chmodSync } from "node:fs";
import { capabilities } from "../../mod.ts";
import { Command } from "../../mod.ts";
import { conform, type ConformOptions } from "../support/harness.ts";
import { programArgv } from "../support/runtime.ts";
import { parseStatus } from "../support/world.ts";

const needs: ConformOptions = { root: true, needs: ["setpriv"], features: ["allowCap"] };

const bits = (...numbers: number[]) => numbers.reduce((set, cap) => set | 1n << BigInt(cap), 0n);
const { kill, net_raw } = capabilities;

for (
  const [allowed, expected] of [
    [[], bits(kill, net_raw)],
    [["kill"], bits(kill)],
    [["net_raw"], bits(net_raw)],
    [["net_raw", "kill"], bits(kill, net_raw)],
  ] as const
) {
  const what = allowed.length === 0 ? "none is named" : `only ${allowed.join(" and ")} is allowed`;
  conform(
    `of a parent with ambient capabilities, where ${what}, no other is handed on`,
    async (t) => {
      const folder = t.folder();
      chmodSync(folder, 0o777);
      const caps = "+kill,+net_raw";
      const cmd = new Command("setpriv", "--reuid=1000", "--regid=1000", "--clear-groups")
        .args(`--inh-caps=${caps}`, `--ambient-caps=${caps}`)
        .args(...programArgv("ambient", ...allowed))
        .envPass("PATH").envPass("VIRCOMMAND_DRIVER").env("HOME", folder).env("TMPDIR", folder)
        .env("DENO_DIR", folder);
      const status = parseStatus(await cmd.text());
      const ambient = BigInt(`0x${status["CapAmb"]}`);
      // A program that is no capability-aware file itself has what is ambient, and nothing else.
      assertEquals([ambient, BigInt(`0x${status["CapEff"]}`)], [expected, expected]);
      assertEquals(status["Uid"]?.split("\t")[0], "1000");
    },
    needs,
  );
}
