// A hook that ignores signals, as a library in machine code might.
import { openKernel } from "../native.ts";

const SIG_IGN = 1n;

export default async function ignore(signals: readonly number[]): Promise<void> {
  const kernel = await openKernel();
  kernel.bytes.fill(0, 0, 32);
  kernel.view.setBigUint64(0, SIG_IGN, true);
  for (const signal of signals) kernel.call("rt_sigaction", signal, kernel.scratch, 0, 8);
}
