import { assert, assertEquals } from "@std/assert";
import { test } from "node:test";
import { isPolluted, own, shielded } from "../../core/own.ts";

/** Does something while all objects inherit a property. */
function polluted(key: string, value: unknown, action: () => void): void {
  Object.defineProperty(Object.prototype, key, { value, configurable: true });
  try {
    action();
  } finally {
    Reflect.deleteProperty(Object.prototype, key);
  }
}

const seen = (options: object) => (options as Record<string, unknown>)["evil"];

test("own properties are copied, and nothing is inherited", () => {
  polluted("evil", 1, () => {
    assertEquals(seen({}), 1);
    assertEquals(seen(own({})), undefined);
    assertEquals({ ...own({ a: 1 }) }, { a: 1 });
  });
});

test("what everybody has from birth is no pollution, and anything else is", () => {
  assert(!isPolluted());
  polluted("evil", 1, () => assert(isPolluted()));
  assert(!isPolluted());
});

test("nothing is inherited while something is shielded, and afterwards it is there again", () => {
  polluted("evil", 1, () => {
    assertEquals(shielded(() => seen({})), undefined);
    assertEquals(seen({}), 1);
    assertEquals(Object.getOwnPropertyDescriptor(Object.prototype, "evil"), {
      value: 1,
      configurable: true,
      enumerable: false,
      writable: false,
    });
  });
});

test("it is there again also after an error", () => {
  polluted("evil", 1, () => {
    try {
      shielded(() => {
        throw new RangeError("mine");
      });
    } catch (error) {
      assert(error instanceof RangeError);
    }
    assertEquals(seen({}), 1);
  });
});
