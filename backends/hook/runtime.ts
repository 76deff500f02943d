/**
 * Which runtime runs a hook, and how it is executed. In a program that is one file with its runtime
 * inside (`bun build --compile`, `deno compile`, Node's single executable applications), the
 * executable of this process is the application: executed again, it would run the code of its
 * author, with the rights of the parent, and start hooks again. Such a program needs another runtime.
 *
 * @module
 */

import { realpathSync } from "node:fs";
import { type RuntimeName, runtimeNamed } from "../../core/command/hook_runtime.ts";
import { UnsupportedError } from "../../core/errors.ts";
import type { HookCommand, HookRequest, HookStart } from "../child_program/hook_start.ts";
import { HOOK_CODE } from "./code.ts";

/** The runtime of this process, as far as hooks are concerned. */
export interface OwnRuntime {
  readonly name: RuntimeName;
  /** Returns the executable of this process. */
  path(): string;
  /** Returns why that is an application and not a runtime; undefined if it is one. */
  application(): string | undefined;
  /** Whether a module is inside this program, where no other process finds it. */
  embeds?(module: string): boolean;
  /** Returns the flags that give another process the permissions of this one. */
  permissions?(): readonly string[];
  /** Whether this process may do less than its user. */
  isRestricted?(): boolean;
  /** Returns the value of VIRCOMMAND_RUNTIME, if it is to be trusted. */
  variable(): string | undefined;
}

/** The arguments before the code of a hook. Nothing is loaded but the hook. */
const ISOLATION_FLAGS: Readonly<Record<RuntimeName, readonly string[]>> = {
  // Nobody is asked for permissions: standard input is the program's.
  deno: ["run", "--quiet", "--no-check", "--no-config", "--no-lock", "--no-prompt"],
  // No bunfig.toml, no .env, no package that is not installed.
  bun: ["--config=/dev/null", "--env-file=/dev/null", "--no-install"],
  node: ["--no-warnings"],
};

/** What gives a runtime all permissions. */
const ALL: Readonly<Record<RuntimeName, readonly string[]>> = {
  deno: ["--allow-all"],
  bun: [],
  node: [],
};

/**
 * Returns the runtime that runs a hook.
 *
 * @throws {UnsupportedError} There is none.
 */
export function hookCommandOf(own: OwnRuntime, request: HookRequest): HookCommand {
  const { hook, driver, command } = request;
  const refuse = (reason: string, remedy: string) =>
    new UnsupportedError({ feature: "preExec", driver, reason, remedy, command });
  if (own.embeds?.(hook.module) === true) {
    throw refuse("its module is inside this program", "give the path of a file on disk");
  }
  const chosen = hook.runtime ?? own.variable();
  if (chosen === undefined || chosen === "") {
    const application = own.application();
    if (application === undefined) return commandOf(own.name, own.path(), true, own.permissions);
    throw refuse(
      `${application}, and executed again it would not run the hook but itself`,
      "name a runtime: preExec(module, data, { runtime }), or VIRCOMMAND_RUNTIME",
    );
  }
  const name = runtimeNamed(chosen);
  if (name === undefined || !chosen.startsWith("/")) {
    throw refuse(
      `VIRCOMMAND_RUNTIME is ${JSON.stringify(chosen)}`,
      "give the absolute path of deno, bun or node",
    );
  }
  if (own.application() !== undefined && isSame(chosen, own.path())) {
    throw refuse(`${chosen} is this program`, "name a runtime that stands alone");
  }
  if (name === own.name) return commandOf(name, chosen, false, own.permissions);
  if (own.isRestricted?.() === true) {
    throw refuse(
      `the permissions of this process cannot be given to ${name}`,
      `name a runtime that is ${own.name}, or grant all permissions`,
    );
  }
  return commandOf(name, chosen, false);
}

function isSame(a: string, b: string): boolean {
  const real = (path: string) => {
    try {
      return realpathSync(path);
    } catch {
      // It is not there, or may not be read.
      return path;
    }
  };
  return real(a) === real(b);
}

function commandOf(
  name: RuntimeName,
  path: string,
  isOwn: boolean,
  permissions: () => readonly string[] = () => ALL[name],
): HookCommand {
  return {
    path,
    isOwn,
    argv(start) {
      const code = codeFor(start);
      const program = name === "deno"
        ? [`data:application/javascript,${encodeURIComponent(code)}`]
        : ["-e", code];
      return [path, ...ISOLATION_FLAGS[name], ...permissions(), ...program];
    },
  };
}

/**
 * The program that runs a hook. Its module is named by a literal: that is how Deno knows it for a
 * part of the program, which needs no permission to be read.
 */
function codeFor({ module, ...numbers }: HookStart): string {
  return `${HOOK_CODE}\nhookMain(${JSON.stringify(numbers)},()=>import(${JSON.stringify(module)}))`;
}
