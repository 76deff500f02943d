/**
 * The part of the builder that decides how the program is let go: extra steps, a hook, a handshake
 * with the parent, or a life of its own as a daemon.
 *
 * @module
 */

import { currentFolder } from "../current_folder.ts";
import { IdentityDraft } from "./build_identity.ts";
import { add, displayValue, misuse, notes } from "./builder.ts";
import { absolute } from "../text/path.ts";
import { isPaletteCall, type PaletteCall } from "./palette.ts";
import { type SignalName, signalNumber } from "../tables/signals.ts";
import { pathProblem } from "./stdio.ts";

/** A draft that takes hooks, handshakes and daemons. Base of {@linkcode Command}. */
export abstract class LifecycleDraft extends IdentityDraft {
  /**
   * Has extra system calls made in the child, in this order, right before exec and with the rights
   * that the program will have. See {@linkcode syscalls}.
   */
  step(...calls: PaletteCall[]): this {
    for (const call of calls) {
      if (!isPaletteCall(call)) {
        misuse(this, "step: expected calls of the palette, such as syscalls.prctl(…)");
      } else if (this.error === undefined) add(this, "steps", call);
    }
    return this;
  }

  /**
   * Runs a JavaScript module in the child, before it becomes the program: with the child's pid and
   * descriptors, and with the rights of the parent. Its default export (or `preExec`) is called
   * with `data` and with `{ pid, argv, env, fds }` of the program to come. If it throws, or returns
   * a number other than 0, the program does not run: a SpawnError of step `preExec`.
   *
   * The runtime is executed again for it, in the same process, which costs as much as starting the
   * runtime does. It loads nothing else: no configuration file, no variables from a file, no module
   * to begin with; and it has the permissions of this one. For single system calls, {@linkcode LifecycleDraft.step} is cheaper.
   *
   * @param module A URL, as `new URL("./hook.ts", import.meta.url)`, or a path from the current
   * folder.
   * @param data Anything that JSON can carry.
   *
   * @example
   * ```ts
   * import { rmSync, writeFileSync } from "node:fs";
   * import { tmpdir } from "node:os";
   * import { Command } from "@vircommand/vircommand";
   *
   * const hook = `${tmpdir()}/hello-hook.mjs`;
   * writeFileSync(hook, "export default (data) => { process.stdout.write(data); }");
   * const { stdout } = await new Command("echo", "world").preExec(hook, "hello ").run();
   * console.log(stdout); // hello world\n
   * rmSync(hook);
   * ```
   */
  preExec(module: string | URL, data?: unknown): this {
    let url: string | undefined;
    try {
      url = moduleUrl(module);
    } catch (error) {
      misuse(this, `preExec: ${(error as Error).message}`);
    }
    let text: string | undefined;
    try {
      text = JSON.stringify(data ?? null);
    } catch (error) {
      misuse(this, `preExec: the data is nothing that JSON can carry: ${reasonOf(error)}`);
    }
    if (notes(this).preExec !== undefined) misuse(this, "preExec: a hook was set before");
    else if (url === undefined) misuse(this, "preExec: expected a URL or a path");
    else if (text === undefined) misuse(this, "preExec: the data is nothing that JSON can carry");
    else notes(this).preExec = { module: url, data: text };
    return this;
  }

  /**
   * Has the child wait, with everything done but exec, until the parent lets it go: `spawn()`
   * resolves when it waits, `child.handshakeNotify()` starts the program. If the parent dies, the
   * program never runs.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * const child = await new Command("true").handshake().spawn();
   * await child.handshakeWait();
   * console.log(`${child.pid} waits`); // the place to put it into a cgroup
   * await child.handshakeNotify();
   * await child.wait();
   * ```
   */
  handshake(): this {
    if (notes(this).handshake) misuse(this, "handshake: it was asked for before");
    notes(this).handshake = true;
    return this;
  }

  /**
   * Sends the program a signal when this process ends, however it ends, also while the program is
   * being started; see PR_SET_PDEATHSIG in prctl(2). What the program has started itself gets none.
   * With `exec()`, it is about the parent of this process.
   *
   * The kernel watches the thread that has started the program: of a worker, the end of the worker
   * counts. It forgets all about it when the program gains rights by an exec, as set-uid programs do,
   * or changes its ids. A label would have the same effect, and is an UnsupportedError; a daemon is
   * meant to outlive this process, which makes both a UsageError.
   *
   * @param signal Default SIGKILL, which cannot be ignored.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * const child = await new Command("sleep", 1000).dieWithParent("SIGTERM").spawn();
   * console.log(`${child.pid} ends with us`);
   * await child.abort();
   * ```
   */
  dieWithParent(signal: SignalName | number = "SIGKILL"): this {
    const number = signalNumber(signal);
    if (number === undefined || number === 0) {
      misuse(this, `dieWithParent(${displayValue(signal)}): expected a signal`);
    } else {
      notes(this).dieWithParent = number;
    }
    return this;
  }

  /**
   * Starts the program as a daemon: in a session of its own that it does not lead, without a
   * controlling terminal, in the folder `/`, as no child of this process. Its standard streams
   * are /dev/null unless they were set to files or descriptors; buffers and passed descriptors
   * are there. `run()` resolves when the daemon has exec'ed, with its pid in `daemonPid`.
   *
   * @example
   * ```ts
   * import process from "node:process";
   * import { Command } from "@vircommand/vircommand";
   *
   * const { daemonPid } = await new Command("sleep", "60").daemonize().run();
   * process.kill(daemonPid!);
   * ```
   */
  daemonize(): this {
    if (notes(this).grouping !== undefined) {
      misuse(this, "daemonize: session or process group was set before");
    } else {
      notes(this).grouping = { kind: "daemon" };
    }
    return this;
  }

  /**
   * The daemon writes its pid there, in decimal, and holds a POSIX record lock on the file as long
   * as it lives: F_GETLK names its pid. A file that a living process has locked is a SpawnError
   * that names that process; one that was left behind is taken over. Symbolic links, files with
   * another name and files that belong neither to this user nor to root are refused.
   */
  pidFile(path: string): this {
    const problem = pathProblem(path);
    if (problem !== undefined) misuse(this, `pidFile: ${problem}`);
    else notes(this).pidFile = path;
    return this;
  }

  /**
   * For those who come from libvirt: the parent's ends of pipes never block here, whether this is
   * called or not. The child's ends do, as programs expect.
   */
  nonblocking(): this {
    notes(this).nonblocking = true;
    return this;
  }
}

/** Why a value cannot be made JSON; its own `toJSON` may throw anything. */
function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : displayValue(error);
}

/** A module's URL. Paths are taken from the current folder of now, not of the run. */
function moduleUrl(module: unknown): string | undefined {
  if (module instanceof URL) return module.href;
  if (typeof module !== "string" || pathProblem(module) !== undefined) return undefined;
  if (/^[a-z][a-z0-9+.-]+:/i.test(module)) return module;
  const path = absolute(module, currentFolder());
  const escaped = path.split("/").map(encodeURIComponent).join("/");
  return new URL(`file://${escaped}`).href;
}
