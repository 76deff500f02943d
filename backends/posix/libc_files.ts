/**
 * The file of the C library, for runtimes that open it by name.
 *
 * @module
 */

/** glibc's, which musl's loader takes for its own; and those of musl. */
const FILES = ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"];

/** Opens the C library by the first of its names that there is. Throws the error of the first. */
export function openLibc<T>(open: (file: string) => T): T {
  let first: unknown;
  for (const file of FILES) {
    try {
      return open(file);
    } catch (error) {
      first ??= error;
    }
  }
  throw first;
}
