/**
 * The runtime's timers, replaced as its own test runner or library does it: time stands still.
 *
 * @module
 */

/** What is replaced where a test library does that by assignment, as Deno's FakeTime. */
const NAMES = ["setTimeout", "setInterval", "clearTimeout", "clearInterval"] as const;

/** Replaces the timers; returns what puts them back. */
export async function mockTimers(): Promise<() => void> {
  if ("Bun" in globalThis) {
    const name: string = "bun:test";
    const { jest } = await import(name) as {
      jest: { useFakeTimers(): void; useRealTimers(): void };
    };
    jest.useFakeTimers();
    return () => jest.useRealTimers();
  }
  if (!("Deno" in globalThis)) {
    const { mock } = await import("node:test");
    mock.timers.enable({ apis: ["setTimeout", "setInterval", "setImmediate", "Date"] });
    return () => mock.timers.reset();
  }
  const globals = globalThis as unknown as Record<string, unknown>;
  const before = NAMES.map((name) => [name, globals[name]] as const);
  for (const name of NAMES) globals[name] = function fake() {};
  return () => {
    for (const [name, value] of before) globals[name] = value;
  };
}
