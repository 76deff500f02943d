// A hook that writes down where it is and what its environment is, when it is loaded and later.
import { writeFileSync } from "node:fs";
import process from "node:process";

const loadedIn = process.cwd();

export default function system(path: string): void {
  const { cwd, env } = process;
  writeFileSync(path, JSON.stringify({ loadedIn, cwd: cwd(), env: { ...env } }));
}
