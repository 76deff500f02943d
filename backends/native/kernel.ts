/**
 * System calls by name, for the parent: what the engine itself asks of the kernel. Results are
 * checked here; a failure that callers expect (EAGAIN, ENOENT) is returned, any other thrown.
 *
 * @module
 */

import { SystemCallError } from "../../core/errors.ts";
import type { Arch, SyscallName } from "../child_program/arch.ts";
import type { Libc } from "./libc.ts";
import type { Word } from "../child_program/word.ts";
import { SCRATCH } from "./scratch.ts";
import { AT_FDCWD, E, F, MAP, O, PROT } from "../../core/tables/kernel.ts";
import { utf8Encoder } from "../../core/utf8.ts";

/** The first number that is no standard stream's. */
const FIRST_OWN = 3;

/** How much of the scratch memory a path takes at most: twice PATH_MAX, see path_resolution(7). */
export const PATH_SIZE = 8192;

/** The kernel, as the parent talks to it. */
export class Kernel {
  readonly arch: Arch;
  readonly libc: Libc;
  /** Scratch memory outside the garbage-collected heap, for one call at a time. */
  readonly scratch: Word;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /**
   * Whether this thread lasts as long as its process. Another one keeps nothing from one child to
   * the next that would be left when it is terminated.
   */
  readonly lasting: boolean;
  #nullFd = -1;

  /** Maps the scratch memory; throws if not even that is allowed. */
  constructor(libc: Libc, arch: Arch, { lasting = true }: { readonly lasting?: boolean } = {}) {
    this.libc = libc;
    this.arch = arch;
    this.lasting = lasting;
    const { address, buffer } = this.memory(SCRATCH);
    this.scratch = address;
    this.bytes = new Uint8Array(buffer);
    this.view = new DataView(buffer);
  }

  /** The raw call: the result, or the negative errno. */
  raw(
    name: SyscallName,
    a: Word = 0,
    b: Word = 0,
    c: Word = 0,
    d: Word = 0,
    e: Word = 0,
    f: Word = 0,
  ): number {
    return this.libc.syscall(this.arch.numbers[name], a, b, c, d, e, f);
  }

  /** The call, if it must succeed. */
  call(name: SyscallName, ...args: Word[]): number {
    const result = this.raw(name, ...args);
    if (result < 0) throw this.error(name, result);
    return result;
  }

  /** The error for a negative result. */
  error(name: SyscallName, result: number): SystemCallError {
    return new SystemCallError(name, -result);
  }

  /** Anonymous memory, readable and writable. */
  map(length: number): Word {
    const protection = PROT.READ | PROT.WRITE;
    return this.call("mmap", 0, length, protection, MAP.PRIVATE | MAP.ANONYMOUS, -1, 0);
  }

  /** Memory for as long as this thread lasts, zero at first. */
  memory(length: number): { readonly address: Word; readonly buffer: ArrayBuffer } {
    const own = this.libc.memory?.(length);
    if (own !== undefined) return own;
    const address = this.map(length);
    return { address, buffer: this.libc.view(address, length) };
  }

  unmap(address: Word, length: number): void {
    this.call("munmap", address, length);
  }

  /**
   * A descriptor of our own, at a number above the standard streams. If this process has closed one
   * of those, the kernel gives its number to whatever is opened next, and a child that inherits the
   * stream would be handed that. Takes and returns the result of a call: a negative errno is passed
   * through. If there is no other number, the descriptor is closed.
   */
  aboveStandard(fd: number): number {
    if (fd < 0 || fd >= FIRST_OWN) return fd;
    const moved = this.raw("fcntl", fd, F.DUPFD_CLOEXEC, FIRST_OWN);
    this.close(fd);
    return moved;
  }

  /** The same for a descriptor that must not be lost: if there is no other number, it stays. */
  aboveStandardOrSame(fd: number): number {
    if (fd < 0 || fd >= FIRST_OWN) return fd;
    const moved = this.raw("fcntl", fd, F.DUPFD_CLOEXEC, FIRST_OWN);
    if (moved < 0) return fd;
    this.close(fd);
    return moved;
  }

  /** Both ends of a new pipe, closed on exec; or the negative errno. */
  tryPipe(): { read: number; write: number } | number {
    const result = this.raw("pipe2", this.scratch, O.CLOEXEC);
    if (result < 0) return result;
    const ends = [this.view.getInt32(0, true), this.view.getInt32(4, true)];
    const [read = -1, write = -1] = ends.map((fd) => this.aboveStandard(fd));
    if (read >= 0 && write >= 0) return { read, write };
    for (const fd of [read, write]) if (fd >= 0) this.close(fd);
    return Math.min(read, write);
  }

  /** Both ends of a new pipe, closed on exec. */
  pipe(): { read: number; write: number } {
    const ends = this.tryPipe();
    if (typeof ends === "number") throw this.error("pipe2", ends);
    return ends;
  }

  /**
   * A descriptor of /dev/null, closed on exec; or the negative errno. In a lasting thread it is the
   * same each time, and stays open; elsewhere the caller closes it.
   */
  nullFd(): number {
    if (this.#nullFd >= 0) return this.#nullFd;
    const path = this.path("/dev/null");
    const fd = this.aboveStandard(this.raw("openat", AT_FDCWD, path, O.RDWR | O.CLOEXEC, 0));
    if (this.lasting) this.#nullFd = fd;
    return fd;
  }

  /** Closes that descriptor, if it is open. */
  closeNull(): void {
    if (this.#nullFd >= 0) this.close(this.#nullFd);
    this.#nullFd = -1;
  }

  /** Makes reads and writes return EAGAIN instead of waiting. */
  setNonblocking(fd: number): void {
    const flags = this.call("fcntl", fd, F.GETFL);
    this.call("fcntl", fd, F.SETFL, flags | O.NONBLOCK);
  }

  /** Blocks this thread. */
  sleep(ms: number): void {
    this.view.setBigInt64(0, 0n, true);
    this.view.setBigInt64(8, BigInt(ms) * 1_000_000n, true);
    this.raw("nanosleep", this.scratch, 0);
  }

  /** Closes a descriptor. Linux frees the number whatever close(2) returns. */
  close(fd: number): void {
    this.raw("close", fd);
  }

  /**
   * Puts a path at the start of the scratch memory, NUL-terminated; returns its address. Of one
   * that is longer than any can be, only as much that the kernel refuses it (ENAMETOOLONG).
   */
  path(path: string): Word {
    const { written } = utf8Encoder().encodeInto(path, this.bytes.subarray(0, PATH_SIZE - 1));
    this.bytes[written] = 0;
    return this.scratch;
  }

  /** Reads what is there, at most as much as the scratch memory holds; lent until the next call. */
  readInto(fd: number): Uint8Array | number {
    for (;;) {
      const n = this.raw("read", fd, this.scratch, SCRATCH);
      if (n >= 0) return this.bytes.subarray(0, n);
      if (n !== -E.EINTR) return n;
    }
  }

  /** Writes a part of `bytes`, as much as fits; the count, or the negative errno. */
  writeFrom(fd: number, bytes: Uint8Array): number {
    const part = bytes.subarray(0, SCRATCH);
    this.bytes.set(part);
    for (;;) {
      const n = this.raw("write", fd, this.scratch, part.length);
      if (n !== -E.EINTR) return n;
    }
  }

  /** Writes all of `bytes`, waiting where the descriptor does; throws if it cannot. */
  writeAll(fd: number, bytes: Uint8Array): void {
    let rest = bytes;
    while (rest.length > 0) {
      const n = this.writeFrom(fd, rest);
      if (n < 0) throw this.error("write", n);
      rest = rest.subarray(n);
    }
  }
}
