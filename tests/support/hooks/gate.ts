// A hook that reports its pid and then waits until somebody opens the gate, a FIFO.
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";

export default function gate({ pidPath, fifo }: { pidPath: string; fifo: string }): void {
  writeFileSync(pidPath, String(process.pid));
  readFileSync(fifo);
}
