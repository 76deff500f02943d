/**
 * The classes of the web platform that the core uses. Not every global scope has them: that of jsdom
 * has neither TextEncoder nor streams. The runtime has them all the same, in its own modules, and
 * mod.ts supplies those. Nothing is looked for before it is used.
 *
 * @module
 */

/** The classes. */
export interface Web {
  readonly TextEncoder: typeof TextEncoder;
  readonly TextDecoder: typeof TextDecoder;
  readonly ReadableStream: typeof ReadableStream;
  readonly WritableStream: typeof WritableStream;
  readonly ByteLengthQueuingStrategy: typeof ByteLengthQueuingStrategy;
}

let supplied: (name: keyof Web) => unknown = () => undefined;

/** Sets where a class comes from that the global scope lacks. Called once, by mod.ts. */
export function useWeb(classOf: (name: keyof Web) => unknown): void {
  supplied = classOf;
}

function lacking<K extends keyof Web>(name: K): Web[K] {
  const found = supplied(name);
  if (found === undefined) throw new ReferenceError(`${name} is not defined`);
  return found as Web[K];
}

/** Those of the global scope, else of the runtime. */
export const web: Web = {
  get TextEncoder() {
    return typeof TextEncoder === "undefined" ? lacking("TextEncoder") : TextEncoder;
  },
  get TextDecoder() {
    return typeof TextDecoder === "undefined" ? lacking("TextDecoder") : TextDecoder;
  },
  get ReadableStream() {
    return typeof ReadableStream === "undefined" ? lacking("ReadableStream") : ReadableStream;
  },
  get WritableStream() {
    return typeof WritableStream === "undefined" ? lacking("WritableStream") : WritableStream;
  },
  get ByteLengthQueuingStrategy() {
    return typeof ByteLengthQueuingStrategy === "undefined"
      ? lacking("ByteLengthQueuingStrategy")
      : ByteLengthQueuingStrategy;
  },
};
