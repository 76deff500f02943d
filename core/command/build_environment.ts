/**
 * The environment of a command. Any call of these functions, even one that adds nothing, ends
 * inheritance: the child gets what was chosen and nothing else.
 *
 * @module
 */

import { areOptions, type Builder, displayValue, word } from "./builder.ts";
import { typeName } from "./type_name.ts";
import { envNameProblem, type EnvOp, passCommonOps, xdgOps } from "./env_ops.ts";
import { own } from "../own.ts";
import { reveal, Secret } from "../text/secret.ts";

/** A value of a variable. */
export type EnvValue = string | number | bigint | Secret;

/** How `envPass` treats a variable. */
export interface EnvPassOptions {
  /** The value if the parent does not have the variable, or must not pass it. */
  readonly default?: EnvValue;
  /** Under setuid or setgid: `"pass"` (default) all the same, or `"block"` it. */
  readonly setuid?: "pass" | "block";
}

/** Sets one variable, or each entry of a record. */
export function setEnv(
  builder: Builder,
  first: string | Readonly<Record<string, EnvValue>>,
  value: EnvValue | undefined,
): void {
  if (typeof first === "string") return setVariable(builder, "env", first, value);
  if (typeof first !== "object" || first === null) {
    builder.misuse(`env: expected a name or a record, not ${typeName(first)}`);
    return;
  }
  // An empty record ends inheritance, too.
  if (builder.fields.envOps.length === 0) addEnvOp(builder, { op: "clear" });
  for (const [name, each] of Object.entries(first)) setVariable(builder, "env", name, each);
}

/** Sets a variable from `NAME=VALUE`. */
export function setEnvString(builder: Builder, assignment: unknown): void {
  const at = typeof assignment === "string" ? assignment.indexOf("=") : -1;
  if (typeof assignment !== "string" || at < 0) {
    builder.misuse(`envString(${displayAssignment(assignment)}): expected NAME=VALUE`);
    return;
  }
  setVariable(builder, "envString", assignment.slice(0, at), assignment.slice(at + 1));
}

/** Passes a variable of the parent on. */
export function passEnv(builder: Builder, name: string, options: EnvPassOptions): void {
  if (!isVariableName(builder, "envPass", name)) return;
  const call = `envPass(${displayValue(name)})`;
  if (!areOptions(options)) {
    builder.misuse(`${call}: expected options, not ${typeName(options)}`);
    return;
  }
  const { setuid = "pass", default: fallback } = own(options);
  if (setuid !== "pass" && setuid !== "block") {
    builder.misuse(`${call}: setuid is "pass" or "block"`);
    return;
  }
  if (fallback === undefined) return addEnvOp(builder, { op: "pass", name, setuid });
  const checked = word(builder, `${call}: default`, fallback);
  if (checked === undefined || builder.error !== undefined) return;
  // The parent's value is masked, too: it is just as secret as the default.
  if (checked instanceof Secret) markSecret(builder, name, { secret: true });
  addEnvOp(builder, { op: "pass", name, setuid, default: reveal(checked) });
}

/** Adds the variables of `envPassCommon()`. */
export function passCommonEnv(builder: Builder): void {
  for (const op of passCommonOps()) addEnvOp(builder, op);
}

/** Sets the base folders of the XDG specification. */
export function setXdgEnv(builder: Builder, dir: unknown): void {
  const checked = word(builder, "envXdg", dir);
  if (checked === undefined) return;
  for (const op of xdgOps(reveal(checked))) addEnvOp(builder, op);
}

/** Drops every variable and ends inheritance. */
export function clearEnv(builder: Builder): void {
  addEnvOp(builder, { op: "clear" });
}

function setVariable(builder: Builder, call: string, name: unknown, value: unknown): void {
  if (!isVariableName(builder, call, name)) return;
  const checked = word(builder, `${call}(${displayValue(name)})`, value);
  if (checked === undefined || builder.error !== undefined) return;
  markSecret(builder, name, { secret: checked instanceof Secret });
  addEnvOp(builder, { op: "set", name, value: reveal(checked) });
}

/** Sets whether the value of a variable is shown as `***`. */
function markSecret(builder: Builder, name: string, { secret }: { secret: boolean }): void {
  const { secretEnv } = builder.fields;
  if (secret === secretEnv.has(name)) return;
  const others = [...secretEnv].filter((each) => each !== name);
  builder.set("secretEnv", new Set(secret ? [...others, name] : others));
}

function isVariableName(builder: Builder, call: string, name: unknown): name is string {
  const problem = typeof name === "string" ? envNameProblem(name) : "the name must be text";
  const display = call === "envPass" ? displayValue : displayName;
  if (problem !== undefined) builder.misuse(`${call}(${display(name)}): ${problem}`);
  return problem === undefined;
}

function addEnvOp(builder: Builder, op: EnvOp): void {
  if (builder.error === undefined) builder.add("envOps", op);
}

/** A name in a message, without what follows an `=`, which may be a secret value. */
function displayName(name: unknown): string {
  const at = typeof name === "string" ? name.indexOf("=") : -1;
  return typeof name !== "string" || at < 0
    ? displayValue(name)
    : displayValue(`${name.slice(0, at)}=…`);
}

/** A wrong assignment in a message. It is shown only if it looks like a name, not like a value. */
function displayAssignment(given: unknown): string {
  if (typeof given !== "string") return typeName(given);
  return given === "" || /^[A-Z_][A-Z0-9_]{0,31}$/.test(given) ? displayValue(given) : '"…"';
}
