/**
 * libc on Node, through node:ffi (26.9 or newer; from 26.1 on with --experimental-ffi).
 *
 * @module
 */

import { process as nodes } from "./signals.ts";
import type { Libc } from "../native/libc.ts";

/**
 * The parts of node:ffi that are used, with their types: not all tools that check the sources have
 * them.
 */
export interface Ffi {
  dlopen<const D extends Readonly<Record<string, Signature>>>(
    path: string | null,
    definitions: D,
  ): {
    lib: { getSymbol(name: string): bigint };
    functions: { [K in keyof D]: (...args: Word[]) => ReturnOf<D[K]["return"]> };
  };
  toArrayBuffer(address: bigint, length: number, copy: boolean): ArrayBuffer;
}

type Word = number | bigint;

interface Signature {
  readonly arguments: readonly string[];
  readonly return: "i32" | "i64" | "u64" | "pointer";
}

type ReturnOf<T> = T extends "i32" ? number : bigint;

/** Returns the module node:ffi; undefined if this Node does not have or not allow it. */
export function nodeFfi(): Ffi | undefined {
  const { permission } = process as { permission?: { has(scope: string): boolean } };
  // The module exists without the permission as well, but all its functions throw.
  if (permission?.has("ffi") === false) return undefined;
  try {
    return withoutWarnings(() => process.getBuiltinModule?.("node:ffi") as Ffi | undefined);
  } catch {
    return undefined;
  }
}

/**
 * Calls `action` without Node's warning about an experimental feature. The users of a program did
 * not choose the feature, so the warning is not for them.
 */
export function withoutWarnings<T>(action: () => T): T {
  const { emitWarning } = nodes;
  nodes.emitWarning = () => {};
  try {
    return action();
  } finally {
    nodes.emitWarning = emitWarning;
  }
}

/** Opens libc, by the symbols that are linked into Node itself. */
export function nodeLibc(ffi: Ffi): Libc {
  const { lib, functions } = ffi.dlopen(null, {
    syscall: { arguments: ["i64", "i64", "i64", "i64", "i64", "i64", "i64"], return: "i64" },
    bsearch: { arguments: ["i64", "i64", "u64", "u64", "i64"], return: "pointer" },
    getauxval: { arguments: ["u64"], return: "u64" },
    getpwnam_r: { arguments: ["i64", "i64", "i64", "i64", "i64"], return: "i32" },
    getpwuid_r: { arguments: ["u32", "i64", "i64", "i64", "i64"], return: "i32" },
    getgrouplist: { arguments: ["i64", "u32", "i64", "i64"], return: "i32" },
    __errno_location: { arguments: [], return: "pointer" },
  });
  const { syscall, bsearch, getauxval } = functions;
  // That of this thread. Its address does not change.
  const errno = new Int32Array(ffi.toArrayBuffer(functions.__errno_location(), 4, false));
  // process.env changes the variables of libc.
  const environ = new BigUint64Array(ffi.toArrayBuffer(lib.getSymbol("environ"), 8, false));
  const result = (value: number) => value === -1 ? -(errno[0] ?? 0) : value;
  return {
    syscall: (number, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0) =>
      result(Number(
        syscall(
          BigInt(number),
          BigInt(a),
          BigInt(b),
          BigInt(c),
          BigInt(d),
          BigInt(e),
          BigInt(f),
        ),
      )),
    invoke: (address, argument) =>
      void bsearch(BigInt(argument), BigInt(argument), 1n, 8n, BigInt(address)),
    environ: () => Number(environ[0]),
    sharesEnviron: true,
    getauxval: (type) => Number(getauxval(BigInt(type))),
    getpwnam_r: (name, entry, strings, size, found) =>
      functions.getpwnam_r(
        BigInt(name),
        BigInt(entry),
        BigInt(strings),
        BigInt(size),
        BigInt(found),
      ),
    getpwuid_r: (uid, entry, strings, size, found) =>
      functions.getpwuid_r(uid, BigInt(entry), BigInt(strings), BigInt(size), BigInt(found)),
    getgrouplist: (name, gid, groups, count) =>
      functions.getgrouplist(BigInt(name), gid, BigInt(groups), BigInt(count)),
    view: (address, length) => ffi.toArrayBuffer(BigInt(address), length, false),
  };
}
