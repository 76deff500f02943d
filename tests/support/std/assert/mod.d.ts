/** The assertions of the standard library that the tests use. */
export declare class AssertionError extends Error {}
export declare function assert(value: unknown, message?: string): asserts value;
export declare function assertEquals<T>(actual: T, expected: T, message?: string): void;
export declare function assertNotEquals<T>(actual: T, expected: T, message?: string): void;
export declare function assertStrictEquals<T>(actual: unknown, expected: T, message?: string): void;
export declare function assertNotStrictEquals<T>(
  actual: T,
  expected: T,
  message?: string,
): void;
export declare function assertExists<T>(
  actual: T,
  message?: string,
): asserts actual is NonNullable<T>;
export declare function assertGreater<T>(actual: T, expected: T, message?: string): void;
export declare function assertGreaterOrEqual<T>(actual: T, expected: T, message?: string): void;
export declare function assertLess<T>(actual: T, expected: T, message?: string): void;
export declare function assertLessOrEqual<T>(actual: T, expected: T, message?: string): void;
export declare function assertMatch(actual: string, expected: RegExp, message?: string): void;
export declare function assertNotMatch(actual: string, expected: RegExp, message?: string): void;
export declare function assertStringIncludes(actual: string, part: string, message?: string): void;
export declare function assertArrayIncludes<T>(
  actual: ArrayLike<T>,
  expected: ArrayLike<T>,
  message?: string,
): void;
export declare function assertObjectMatch(
  actual: object,
  expected: Record<PropertyKey, unknown>,
  message?: string,
): void;
// deno-lint-ignore no-explicit-any -- any class at all: its parameters do not matter
type AnyClass<T> = abstract new (...args: any[]) => T;
export declare function assertInstanceOf<T>(
  actual: unknown,
  expected: AnyClass<T>,
  message?: string,
): asserts actual is T;
export declare function assertThrows<T extends Error = Error>(
  fn: () => unknown,
  expected?: AnyClass<T>,
  includes?: string,
  message?: string,
): T;
export declare function assertRejects<T extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  expected?: AnyClass<T>,
  includes?: string,
  message?: string,
): Promise<T>;
export declare function fail(message?: string): never;
export declare function unreachable(message?: string): never;
