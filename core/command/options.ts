/**
 * The options of a run: checks them and adds the defaults.
 *
 * @module
 */

import { startTimer } from "../clock.ts";
import { type DriverName, DRIVERS } from "../drivers.ts";
import { areOptions, displayValue } from "./builder.ts";
import { typeName } from "./type_name.ts";
import { UsageError } from "../errors.ts";
import { own } from "../own.ts";
import { type SignalName, signalNumber } from "../tables/signals.ts";
import { isAbortSignal } from "./stdio.ts";
import { DRAIN, SIGTERM } from "../timing.ts";

/** How a program is watched, and which ends are errors. */
export interface RunOptions {
  /** Whether a status other than success is an error. With false, any is returned. Default true. */
  readonly check?: boolean;
  /** The exit codes that count as success. Default `[0]`. */
  readonly okCodes?: readonly number[];
  /**
   * Milliseconds until the child is killed and the run ends. Data that a stream of the caller has
   * not accepted by then is lost, and outputs that a descendant of the program still holds are
   * closed. Default, and 0: no limit.
   */
  readonly timeout?: number;
  /** Does the same when it fires. If it has fired already, nothing is started. */
  readonly signal?: AbortSignal;
  /** What a timeout, an abort or too much output sends first. Default `"SIGTERM"`. */
  readonly killSignal?: SignalName | number;
  /** Milliseconds from `killSignal` to SIGKILL. Default 2000. */
  readonly grace?: number;
  /**
   * The most bytes to capture of each stream; more kills the child. For `lines`, `runRegex` and
   * `runNul`, the most bytes of one line or value. Default: no bound.
   */
  readonly maxBuffer?: number;
  /**
   * Milliseconds to wait, after the program has ended, for a descendant that still holds a
   * captured stream. Each byte that arrives starts the time again, up to four times in all. Default
   * 1000.
   */
  readonly drain?: number;
  /**
   * The driver that starts the program: `"native"`, `"launcher"` or `"portable"`. Default: the one
   * that `backendInfo()` names.
   */
  readonly driver?: DriverName;
}

/** Checked options. */
export interface CheckedOptions {
  readonly check: boolean;
  readonly okCodes: readonly number[];
  readonly timeout: number | undefined;
  readonly signal: AbortSignal | undefined;
  readonly killSignal: number;
  readonly grace: number;
  readonly maxBuffer: number;
  readonly drain: number;
  readonly driver: DriverName | undefined;
}

/** No options: the defaults. */
export const NO_OPTIONS: RunOptions = own({});

const DEFAULTS: CheckedOptions = {
  check: true,
  okCodes: [0],
  timeout: undefined,
  signal: undefined,
  killSignal: SIGTERM,
  grace: 2000,
  maxBuffer: Infinity,
  drain: DRAIN,
  driver: undefined,
};

/** The longest delay of a JavaScript timer; a longer one would fire at once. */
const MAX_TIMER_MS = 0x7fff_ffff;

/** Checks options; `base` holds the options of an earlier call. Throws a UsageError. */
export function checkOptions(given: RunOptions, base: CheckedOptions = DEFAULTS): CheckedOptions {
  if (given === NO_OPTIONS) return base;
  if (!areOptions(given)) throw new UsageError(`expected options, not ${typeName(given)}`);
  const options = own(given);
  const { killSignal = base.killSignal, okCodes = base.okCodes, signal = base.signal } = options;
  const number = signalNumber(killSignal);
  if (number === undefined || number === 0) {
    throw new UsageError(
      `killSignal: ${displayValue(killSignal)} is not a signal that ends a program`,
    );
  }
  if (!Array.isArray(okCodes) || !okCodes.every(isExitCode)) {
    throw new UsageError(`okCodes: expected exit codes from 0 to 255, not ${displayList(okCodes)}`);
  }
  if (signal !== undefined && !isAbortSignal(signal)) {
    throw new UsageError("signal: expected an AbortSignal");
  }
  const { driver = base.driver } = options;
  if (driver !== undefined && !DRIVERS.includes(driver)) {
    throw new UsageError(`driver: expected ${DRIVERS.join(", ")}, not ${displayValue(driver)}`);
  }
  return {
    driver,
    check: options.check ?? base.check,
    okCodes,
    signal,
    killSignal: number,
    timeout: options.timeout === undefined ? base.timeout : amount("timeout", options.timeout),
    grace: amount("grace", options.grace ?? base.grace),
    drain: amount("drain", options.drain ?? base.drain),
    maxBuffer: amount("maxBuffer", options.maxBuffer ?? base.maxBuffer),
  };
}

/** Returns the time limit; undefined if there is none, as for 0. */
export function limitOf(timeout: number | undefined): number | undefined {
  return timeout === 0 ? undefined : timeout;
}

/**
 * Runs `action` after `delay` milliseconds; returns a function that stops the timer. No delay is too
 * long. If not `ref`, the event loop need not stay alive for it.
 */
export function after(
  delay: number,
  action: () => void,
  { ref }: { readonly ref: boolean } = { ref: true },
): () => void {
  if (delay > MAX_TIMER_MS) return () => {};
  const timer = startTimer(delay, action, ref);
  return () => timer.stop();
}

/** Formats a list, or a value that should be one. */
function displayList(value: unknown): string {
  return Array.isArray(value) ? value.map(displayValue).join() : displayValue(value);
}

function isExitCode(code: unknown): boolean {
  return typeof code === "number" && Number.isInteger(code) && code >= 0 && code <= 255;
}

function amount(name: string, value: unknown): number {
  if (typeof value === "number" && value >= 0) return value;
  throw new UsageError(`${name}: expected a number from 0, not ${displayValue(value)}`);
}
