/**
 * The part of the builder that gathers the environment. Any call here, even one that adds nothing,
 * ends inheritance: the child gets what was chosen and nothing else.
 *
 * @module
 */

import { ArgumentsDraft } from "./build_arguments.ts";
import { add, areOptions, displayValue, misuse, notes, typeName, word } from "./builder.ts";
import { envNameProblem, type EnvOp, passCommonOps, xdgOps } from "./env_ops.ts";
import { own } from "../own.ts";
import { reveal, Secret } from "../text/secret.ts";

/** A name in a message, without what follows an `=`: that is a value, put in the wrong place. */
function displayName(name: unknown): string {
  const at = typeof name === "string" ? name.indexOf("=") : -1;
  return typeof name !== "string" || at < 0
    ? displayValue(name)
    : displayValue(`${name.slice(0, at)}=…`);
}

/** What came in place of an assignment: only what reads as a name, for else it may be a value. */
function displayAssignment(given: unknown): string {
  if (typeof given !== "string") return typeName(given);
  return given === "" || /^[A-Z_][A-Z0-9_]{0,31}$/.test(given) ? displayValue(given) : '"…"';
}

/** A value of a variable. */
export type EnvValue = string | number | bigint | Secret;

/** How `envPass` treats a variable. */
export interface EnvPassOptions {
  /** The value if the parent does not have the variable, or must not pass it. */
  readonly default?: EnvValue;
  /** Under setuid or setgid: `"pass"` (default) all the same, or `"block"` it. */
  readonly setuid?: "pass" | "block";
}

/** A draft that takes variables. Base of {@linkcode Command}. */
export abstract class EnvironmentDraft extends ArgumentsDraft {
  /**
   * Sets one variable, or each entry of a record. A name that was set before keeps its place and
   * gets the new value.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * const { stdout } = await new Command("env").env("A", 1).env({ B: "two" }).run();
   * console.log(stdout); // A=1\nB=two\n
   * ```
   */
  env(name: string, value: EnvValue): this;
  /** Sets each variable of a record. */
  env(variables: Readonly<Record<string, EnvValue>>): this;
  env(first: string | Readonly<Record<string, EnvValue>>, value?: EnvValue): this {
    if (typeof first === "string") return this.#set("env", first, value);
    if (typeof first !== "object" || first === null) {
      misuse(this, `env: expected a name or a record, not ${typeName(first)}`);
      return this;
    }
    this.#end();
    for (const [name, each] of Object.entries(first)) this.#set("env", name, each);
    return this;
  }

  /** Sets a variable from `NAME=VALUE`. */
  envString(assignment: string): this {
    const at = typeof assignment === "string" ? assignment.indexOf("=") : -1;
    if (at < 0) {
      misuse(this, `envString(${displayAssignment(assignment)}): expected NAME=VALUE`);
      return this;
    }
    return this.#set("envString", assignment.slice(0, at), assignment.slice(at + 1));
  }

  /**
   * Passes a variable of the parent on, if the parent has it when the command runs.
   *
   * @example
   * ```ts
   * import { Command } from "@vircommand/vircommand";
   *
   * const cmd = new Command("env").envPass("NO_SUCH_VARIABLE", { default: "none" });
   * console.log((await cmd.run()).stdout); // NO_SUCH_VARIABLE=none\n
   * ```
   */
  envPass(name: string, options: EnvPassOptions = {}): this {
    if (!this.#named("envPass", name)) return this;
    const call = `envPass(${displayValue(name)})`;
    if (!areOptions(options)) {
      misuse(this, `${call}: expected options, not ${typeName(options)}`);
      return this;
    }
    const { setuid = "pass", default: otherwise } = own(options);
    if (setuid !== "pass" && setuid !== "block") {
      misuse(this, `${call}: setuid is "pass" or "block"`);
      return this;
    }
    if (otherwise === undefined) return this.#push({ op: "pass", name, setuid });
    const checked = word(this, `${call}: default`, otherwise);
    if (checked === undefined || this.error !== undefined) return this;
    // Shown as *** from then on, also if the parent has another value: it is one just as much.
    if (checked instanceof Secret) this.#keep(name, { secret: true });
    return this.#push({ op: "pass", name, setuid, default: reveal(checked) });
  }

  /**
   * Sets LC_ALL=C and passes LD_PRELOAD, LD_LIBRARY_PATH, PATH, HOME, USER, LOGNAME and TMPDIR.
   * Under setuid the LD_* are dropped and PATH is /bin:/usr/bin.
   */
  envPassCommon(): this {
    for (const op of passCommonOps()) this.#push(op);
    return this;
  }

  /** Sets XDG_DATA_HOME, XDG_CACHE_HOME and XDG_CONFIG_HOME to the usual places under `dir`. */
  envXdg(dir: string): this {
    const checked = word(this, "envXdg", dir);
    if (checked === undefined) return this;
    for (const op of xdgOps(reveal(checked))) this.#push(op);
    return this;
  }

  /** Drops every variable that was chosen so far and ends inheritance. */
  envClear(): this {
    return this.#push({ op: "clear" });
  }

  #set(call: string, name: unknown, value: unknown): this {
    if (!this.#named(call, name)) return this;
    const checked = word(this, `${call}(${displayValue(name)})`, value);
    if (checked === undefined || this.error !== undefined) return this;
    this.#keep(name, { secret: checked instanceof Secret });
    return this.#push({ op: "set", name, value: reveal(checked) });
  }

  /** Has the variable shown as `***`, or as it is. */
  #keep(name: string, { secret }: { secret: boolean }): void {
    const kept = notes(this);
    if (secret === kept.secretEnv.has(name)) return;
    const others = [...kept.secretEnv].filter((each) => each !== name);
    kept.secretEnv = new Set(secret ? [...others, name] : others);
  }

  #named(call: string, name: unknown): name is string {
    const problem = typeof name === "string" ? envNameProblem(name) : "the name must be text";
    const display = call === "envPass" ? displayValue : displayName;
    if (problem !== undefined) misuse(this, `${call}(${display(name)}): ${problem}`);
    return problem === undefined;
  }

  #push(op: EnvOp): this {
    if (this.error === undefined) add(this, "envOps", op);
    return this;
  }

  /** An empty record says "nothing of the parent's", as any other call here does. */
  #end(): void {
    const { envOps } = notes(this);
    if (envOps.length === 0) this.#push({ op: "clear" });
  }
}
