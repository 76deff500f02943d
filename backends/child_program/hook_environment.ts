/**
 * The environment that a hook's runtime is started with. A hook sees the variables of this
 * process, but its runtime is not started with all of them: those that make a runtime load code or
 * take options are added to the environment only when the hook runs.
 *
 * @module
 */

/** The environment of a hook, in two parts. */
export interface HookEnvironment {
  /** What its runtime is started with. */
  readonly started: readonly string[];
  /** What is added before the hook runs. */
  readonly added: Readonly<Record<string, string>>;
}

/** What the runtimes read for themselves: NODE_OPTIONS, BUN_OPTIONS, BUN_INSPECT_PRELOAD, … */
const FOR_RUNTIMES = /^(NODE|BUN|DENO|OTEL)_/;

/** Where Deno finds what it has compiled: without it, modules would be fetched again. */
const NEEDED = new Set(["DENO_DIR"]);

/** What a set-uid process passes on: only variables that name a user, a language or a terminal. */
const HARMLESS = /^(LANG|LANGUAGE|LC_\w+|TERM|TZ|USER|LOGNAME)$/;

/** Deno looks for one beside the module that it is started with, and for its node_modules. */
const NO_PACKAGE = "DENO_NO_PACKAGE_JSON=1";

/** Divides the variables of this process; `elevated`: see elevated.ts. */
export function hookEnvironment(
  variables: Readonly<Record<string, string>>,
  { elevated }: { readonly elevated: boolean },
): HookEnvironment {
  const started = [NO_PACKAGE];
  const added: Record<string, string> = {};
  for (const [name, value] of Object.entries(variables)) {
    if (elevated) {
      if (HARMLESS.test(name)) started.push(`${name}=${value}`);
    } else if (FOR_RUNTIMES.test(name) && !NEEDED.has(name)) added[name] = value;
    else started.push(`${name}=${value}`);
  }
  return { started, added };
}
