/**
 * libc on Deno, through Deno.dlopen (needs --allow-ffi).
 *
 * @module
 */

import type { Libc } from "../native/libc.ts";
import { openLibc } from "../posix/libc_files.ts";
import { isWorker } from "./worker.ts";

/** Opens libc. Throws without --allow-ffi. */
export function denoLibc(): Libc {
  const library = openLibc((file) =>
    Deno.dlopen(file, {
      syscall: { parameters: ["i64", "i64", "i64", "i64", "i64", "i64", "i64"], result: "i64" },
      bsearch: { parameters: ["i64", "i64", "u64", "u64", "i64"], result: "pointer" },
      getauxval: { parameters: ["u64"], result: "u64" },
      getpwnam_r: { parameters: ["i64", "i64", "i64", "i64", "i64"], result: "i32" },
      getpwuid_r: { parameters: ["u32", "i64", "i64", "i64", "i64"], result: "i32" },
      getgrouplist: { parameters: ["i64", "u32", "i64", "i64"], result: "i32" },
      __errno_location: { parameters: [], result: "pointer" },
      environ: { type: "pointer" },
    })
  );
  const { symbols } = library;
  const view = (pointer: Deno.PointerValue, length: number) => {
    if (pointer === null) throw new Error("a null pointer has no memory");
    return Deno.UnsafePointerView.getArrayBuffer(pointer, length);
  };
  // That of this thread. Its address does not change.
  const errno = new Int32Array(view(symbols.__errno_location(), 4));
  // Deno.env changes the variables of libc. The value of the symbol is the address of the variable.
  const environ = new BigUint64Array(view(symbols.environ, 8));
  // Nobody could close it later, and `deno test` reports it as a leak of the test that has opened it.
  // The functions stay where they are: Deno itself is linked to libc.
  library.close();
  const result = (value: number) => value === -1 ? -(errno[0] ?? 0) : value;
  const word = (value: number) => value as unknown as bigint; // Deno takes either for an i64
  return {
    syscall: (number, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0) =>
      result(Number(
        symbols.syscall(word(number), word(a), word(b), word(c), word(d), word(e), word(f)),
      )),
    invoke: (address, argument) =>
      void symbols.bsearch(word(argument), word(argument), 1n, 8n, word(address)),
    environ: () => Number(environ[0]),
    sharesEnviron: true,
    getauxval: (type) => Number(symbols.getauxval(BigInt(type))),
    getpwnam_r: (name, entry, strings, size, found) =>
      symbols.getpwnam_r(word(name), word(entry), word(strings), word(size), word(found)),
    getpwuid_r: (uid, entry, strings, size, found) =>
      symbols.getpwuid_r(uid, word(entry), word(strings), word(size), word(found)),
    getgrouplist: (name, gid, groups, count) =>
      symbols.getgrouplist(word(name), gid, word(groups), word(count)),
    ...(isWorker ? { memory } : {}),
    view: (address, length) => view(Deno.UnsafePointer.create(BigInt(address)), length),
  };
}

/** Allocates the memory of a buffer. V8 does not move it, and frees it with the isolate. */
function memory(length: number): { address: number; buffer: ArrayBuffer } {
  const buffer = new ArrayBuffer(length);
  const pointer = Deno.UnsafePointer.of(new Uint8Array(buffer));
  return { address: Number(Deno.UnsafePointer.value(pointer)), buffer };
}
