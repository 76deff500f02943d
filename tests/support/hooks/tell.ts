// A hook that writes down what it sees.
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";

interface Child {
  readonly pid: number;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly fds: readonly number[];
}

export default async function tell(data: { path: string }, child: Child): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 1));
  const uid = /^Uid:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  writeFileSync(data.path, JSON.stringify({ ...child, own: process.pid, uid: Number(uid), data }));
}
