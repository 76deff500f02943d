/**
 * Signals of Linux on x86-64 and aarch64, see signal(7).
 *
 * @module
 */

/** Signal numbers by name. */
export const signals = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGSTKFLT: 16,
  SIGCHLD: 17,
  SIGCONT: 18,
  SIGSTOP: 19,
  SIGTSTP: 20,
  SIGTTIN: 21,
  SIGTTOU: 22,
  SIGURG: 23,
  SIGXCPU: 24,
  SIGXFSZ: 25,
  SIGVTALRM: 26,
  SIGPROF: 27,
  SIGWINCH: 28,
  SIGIO: 29,
  SIGPWR: 30,
  SIGSYS: 31,
  SIGRTMIN: 34,
  SIGRTMAX: 64,
} as const;

/** The name of a signal, such as `SIGTERM`. */
export type SignalName = keyof typeof signals;

const numbers: Readonly<Record<string, number>> = signals;

/**
 * The number of a signal that is given by name (`"SIGTERM"`, `"term"`) or by number; undefined if
 * there is none. 0 is the signal that only asks whether a process is there.
 */
export function signalNumber(signal: SignalName | number | string): number | undefined {
  if (typeof signal === "number") {
    return Number.isInteger(signal) && signal >= 0 && signal <= signals.SIGRTMAX
      ? signal
      : undefined;
  }
  if (typeof signal !== "string") return undefined;
  const upper = signal.toUpperCase();
  const name = upper.startsWith("SIG") ? upper : `SIG${upper}`;
  return Object.hasOwn(numbers, name) ? numbers[name] : undefined;
}

/** The name of a signal: `SIGTERM`, `SIGRTMIN+3`. */
export function signalName(number: number): string {
  const known = Object.keys(numbers).find((name) => numbers[name] === number);
  if (known !== undefined) return known;
  if (number > signals.SIGRTMIN && number < signals.SIGRTMAX) {
    return `SIGRTMIN+${number - signals.SIGRTMIN}`;
  }
  return `signal ${number}`;
}
