/**
 * libc on Bun, through bun:ffi.
 *
 * @module
 */

import type * as Ffi from "bun:ffi";
import type { Pointer } from "bun:ffi";
import { process } from "../process.ts";
import { environOf } from "./environ.ts";
import type { Libc } from "../native/libc.ts";
import { openLibc } from "../posix/libc_files.ts";

/**
 * Returns bun:ffi, or undefined where it cannot be had. An import would be one of a module that the
 * other runtimes and the bundlers do not know.
 */
export function bunFfi(): typeof Ffi | undefined {
  return process.getBuiltinModule?.("bun:ffi") as typeof Ffi | undefined;
}

/** Opens libc. */
export function bunLibc({ dlopen, FFIType, toArrayBuffer }: typeof Ffi): Libc {
  const { symbols } = openLibc((file) =>
    dlopen(file, {
      syscall: {
        args: ["i64", "i64", "i64", "i64", "i64", "i64", "i64"],
        returns: FFIType.i64_fast,
      },
      bsearch: { args: ["i64", "i64", "u64", "u64", "i64"], returns: "ptr" },
      getauxval: { args: ["u64"], returns: FFIType.u64_fast },
      getpwnam_r: { args: ["i64", "i64", "i64", "i64", "i64"], returns: "i32" },
      getpwuid_r: { args: ["u32", "i64", "i64", "i64", "i64"], returns: "i32" },
      getgrouplist: { args: ["i64", "u32", "i64", "i64"], returns: "i32" },
      __errno_location: { args: [], returns: "ptr" },
      malloc: { args: ["u64"], returns: FFIType.u64_fast },
      free: { args: ["u64"], returns: "void" },
    })
  );
  const location = symbols.__errno_location();
  if (location === null) throw new Error("libc has no errno");
  // That of this thread. Its address does not change.
  const errno = new Int32Array(toArrayBuffer(location, 0, 4));
  const result = (value: number) => value === -1 ? -(errno[0] ?? 0) : value;
  const view = (address: number, length: number) => toArrayBuffer(address as Pointer, 0, length);
  const environ = environOf({
    malloc: (size) => Number(symbols.malloc(size)),
    free: (address) => symbols.free(address),
    view,
  });
  return {
    environ,
    sharesEnviron: false,
    syscall: (number, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0) =>
      result(Number(symbols.syscall(number, a, b, c, d, e, f))),
    invoke: (address, argument) => void symbols.bsearch(argument, argument, 1, 8, address),
    getauxval: (type) => Number(symbols.getauxval(type)),
    getpwnam_r: (name, entry, strings, size, found) =>
      symbols.getpwnam_r(name, entry, strings, size, found),
    getpwuid_r: (uid, entry, strings, size, found) =>
      symbols.getpwuid_r(uid, entry, strings, size, found),
    getgrouplist: (name, gid, groups, count) => symbols.getgrouplist(name, gid, groups, count),
    view,
  };
}
