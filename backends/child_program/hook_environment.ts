/**
 * The environment that a hook's runtime is started with. The variables of this process are the
 * hook's to see, but not all are its runtime's: those that have a runtime load code, or take other
 * options than it is given, reach only the hook, which finds them in its environment.
 *
 * @module
 */

/** The environment of a hook, in two parts. */
export interface HookEnvironment {
  /** What its runtime is started with. */
  readonly started: readonly string[];
  /** What the hook finds besides. */
  readonly added: Readonly<Record<string, string>>;
}

/** What the runtimes read for themselves: NODE_OPTIONS, BUN_OPTIONS, BUN_INSPECT_PRELOAD, … */
const FOR_RUNTIMES = /^(NODE|BUN|DENO|OTEL)_/;

/** Where Deno finds what it has compiled: without it, modules would be fetched again. */
const NEEDED = new Set(["DENO_DIR"]);

/** What of the environment of a set-uid process says who is served in which language, no more. */
const HARMLESS = /^(LANG|LANGUAGE|LC_\w+|TERM|TZ|USER|LOGNAME)$/;

/** Deno looks for one beside the module that it is started with, and for its node_modules. */
const NO_PACKAGE = "DENO_NO_PACKAGE_JSON=1";

/** Divides the variables of this process; `elevated` is what elevated.ts says of it. */
export function hookEnvironment(
  variables: Readonly<Record<string, string>>,
  elevated: boolean,
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
