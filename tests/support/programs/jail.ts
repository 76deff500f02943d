// Executes a program under a seccomp filter that refuses system calls, as an old kernel or a sandbox
// does. For Bun, whose FFI needs no permission and stays on one thread.
//
//   bun jail.ts '{"errno": 38, "calls": [436], "newerThan": 334}' PROGRAM ARGUMENT…
//
// `calls` are refused by number, `newerThan` refuses all numbers above it. Calls with `flags` of an
// argument set, or with an argument that `equals` a number, can be refused as well.
import { dlopen, type Pointer, ptr } from "bun:ffi";
import process from "node:process";

/** What is refused, see seccomp(2). */
export interface Refusals {
  readonly errno: number;
  readonly calls?: readonly number[];
  readonly newerThan?: number;
  /** Numbers that fail with ENOSYS whatever `errno` is. */
  readonly unknown?: readonly number[];
  readonly arguments?: readonly {
    readonly call: number;
    readonly argument: number;
    readonly equals?: number;
    readonly flags?: number;
    readonly errno: number;
  }[];
}

const [BPF_LD_W_ABS, BPF_JEQ, BPF_JGT, BPF_JSET, BPF_RET] = [0x20, 0x15, 0x25, 0x45, 0x06];
const SECCOMP_RET_ALLOW = 0x7fff_0000;
const SECCOMP_RET_ERRNO = 0x0005_0000;
const [PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER] = [22, 38, 2];
const ENOSYS = 38;

/** struct seccomp_data: the number, and the low half of an argument. */
const NUMBER_AT = 0;
const argumentAt = (index: number) => 16 + 8 * index;

type Instruction = [code: number, jt: number, jf: number, k: number];

function filterFor(refusals: Refusals): Instruction[] {
  const refuse = (errno: number): Instruction => [BPF_RET, 0, 0, SECCOMP_RET_ERRNO | errno];
  const program: Instruction[] = [];
  for (const { call, argument, equals, flags, errno } of refusals.arguments ?? []) {
    const compare: Instruction = equals === undefined
      ? [BPF_JSET, 0, 1, flags ?? 0]
      : [BPF_JEQ, 0, 1, equals];
    program.push([BPF_LD_W_ABS, 0, 0, NUMBER_AT], [BPF_JEQ, 0, 3, call]);
    program.push([BPF_LD_W_ABS, 0, 0, argumentAt(argument)], compare, refuse(errno));
  }
  program.push([BPF_LD_W_ABS, 0, 0, NUMBER_AT]);
  for (const call of refusals.unknown ?? []) program.push([BPF_JEQ, 0, 1, call], refuse(ENOSYS));
  for (const call of refusals.calls ?? []) {
    program.push([BPF_JEQ, 0, 1, call], refuse(refusals.errno));
  }
  if (refusals.newerThan !== undefined) {
    program.push([BPF_JGT, 0, 1, refusals.newerThan], refuse(refusals.errno));
  }
  program.push([BPF_RET, 0, 0, SECCOMP_RET_ALLOW]);
  return program;
}

const { symbols } = dlopen("libc.so.6", {
  prctl: { args: ["i32", "u64", "u64", "u64", "u64"], returns: "i32" },
  execv: { args: ["ptr", "ptr"], returns: "i32" },
});

function install(refusals: Refusals): void {
  const program = filterFor(refusals);
  const filter = new DataView(new ArrayBuffer(program.length * 8));
  program.forEach(([code, jt, jf, k], i) => {
    filter.setUint16(i * 8, code, true);
    filter.setUint8(i * 8 + 2, jt);
    filter.setUint8(i * 8 + 3, jf);
    filter.setUint32(i * 8 + 4, k >>> 0, true);
  });
  const fprog = new DataView(new ArrayBuffer(16));
  fprog.setUint16(0, program.length, true);
  fprog.setBigUint64(8, BigInt(ptr(filter)), true);
  if (symbols.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) !== 0) throw new Error("no_new_privs");
  if (symbols.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ptr(fprog), 0, 0) !== 0) {
    throw new Error("the filter was refused");
  }
}

const text = (value: string) => Buffer.from(`${value}\0`);
const [refusals = "", file = "", ...args] = process.argv.slice(2);
const argv = [file, ...args].map(text);
const pointers = new BigUint64Array([...argv.map((each) => BigInt(ptr(each))), 0n]);
const path = argv[0];
if (path === undefined) throw new Error("no program");
const before: Pointer = ptr(path);
install(JSON.parse(refusals) as Refusals);
symbols.execv(before, ptr(pointers));
throw new Error(`${file} was not executed`);
