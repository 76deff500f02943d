// A hook that puts another content or another thing into a file's place, and then fails.
import { execFileSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";

interface Data {
  readonly path: string;
  readonly how: "overwrite" | "replace" | "fifo" | "copy";
}

export default function replace({ path, how }: Data, { pid }: { readonly pid: number }): number {
  if (how !== "overwrite") rmSync(path);
  if (how === "fifo") execFileSync("mkfifo", [path]);
  else writeFileSync(path, how === "copy" ? `${pid}` : "12345");
  return 7;
}
