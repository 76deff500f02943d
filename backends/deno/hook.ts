/**
 * How a hook is run on Deno.
 *
 * @module
 */

import { TextDecoder } from "node:util";
import { hookCode, type HookSystem, runHook } from "../hook.ts";
import type { HookNumbers } from "../child_program/hook_start.ts";
import { continuation } from "../native/continue.ts";
import { archNamed } from "../child_program/arch_named.ts";
import type { HookCommand } from "../child_program/hook_split.ts";
import { Kernel } from "../native/kernel.ts";
import { AT_FDCWD } from "../../core/tables/kernel.ts";
import { denoLibc } from "./libc.ts";

/** Only the hook is loaded, and nothing is prompted for: standard input is that of the program. */
const ISOLATION_FLAGS = ["--quiet", "--no-check", "--no-config", "--no-lock", "--no-prompt"];

/** Returns how to execute Deno again, with the permissions of this process. */
export const hookCommand: HookCommand = (start) => ({
  path: Deno.execPath(),
  argv: [
    Deno.execPath(),
    "run",
    ...ISOLATION_FLAGS,
    ...permissionFlags(),
    `data:application/javascript,${encodeURIComponent(hookCode(import.meta.url, start))}`,
  ],
});

/** The kinds of permission besides FFI. */
const KINDS = ["read", "write", "net", "env", "run", "sys", "import"] as const;

/**
 * The flags for the kinds of permission that this process has without exceptions. A partial
 * permission, such as for some folders, cannot be queried; a hook does not get it.
 */
function permissionFlags(): string[] {
  const kinds = KINDS.filter((name) => {
    const { state, partial } = Deno.permissions.querySync({ name });
    return state === "granted" && !partial;
  });
  const { partial } = Deno.permissions.querySync({ name: "ffi" });
  if (kinds.length === KINDS.length && !partial) return ["--allow-all"];
  // The driver that runs hooks needs FFI.
  return [...kinds, "ffi"].map((name) => `--allow-${name}`);
}

/** Runs the hook in that process. */
export async function hookMain(
  numbers: HookNumbers,
  load: () => Promise<Record<string, unknown>>,
): Promise<void> {
  const arch = archNamed(Deno.build.arch);
  if (arch === undefined) throw new Error("a hook needs a child program");
  const libc = denoLibc();
  await runHook(numbers, load, systemOf(new Kernel(libc, arch)), continuation(libc, arch));
}

/**
 * Goes through libc: Deno's API refuses descriptors that Deno has not opened, and needs
 * permissions.
 */
function systemOf(kernel: Kernel): HookSystem {
  return {
    read(fd, bytes, at) {
      const { scratch } = kernel;
      const length = Math.min(bytes.length, kernel.bytes.length);
      const count = kernel.call("pread64", fd, scratch, length, at);
      bytes.set(kernel.bytes.subarray(0, count));
      return count;
    },
    write(fd, bytes) {
      const count = kernel.writeFrom(fd, bytes);
      if (count < 0) throw kernel.error("write", count);
      return count;
    },
    close: (fd) => kernel.close(fd),
    currentFolder() {
      const path = kernel.path("/proc/self/cwd");
      const at = 1024;
      const count = kernel.raw("readlinkat", AT_FDCWD, path, kernel.scratch + at, 4096);
      if (count < 0) return undefined;
      return new TextDecoder().decode(kernel.bytes.slice(at, at + count));
    },
    enter: (folder) => void kernel.call("fchdir", folder),
    setVariable(name, value) {
      const { state } = Deno.permissions.querySync({ name: "env", variable: name });
      if (state === "granted") Deno.env.set(name, value);
    },
  };
}
