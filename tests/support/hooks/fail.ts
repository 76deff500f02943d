// A hook that fails, in the way that it is told to.
import process from "node:process";

export function preExec(how: string): number {
  if (how === "throw") throw new RangeError("the lock is taken");
  if (how === "exit") process.exit(7);
  return how === "number" ? 3 : 0;
}
