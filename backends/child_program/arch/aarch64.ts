/**
 * Linux on aarch64: system call numbers, struct layouts, and the interpreter of child programs.
 *
 * @module
 */

import type { Arch } from "../arch.ts";

/*
  The interpreter: runs the operations of a child program, 96 bytes each (see ../encode.ts).
  x0 = header. tests/backends/interpreter.test.ts assembles this listing and compares.

    ldr x20, [x0]
1:  ldp x8, x0, [x20]
    ldp x1, x2, [x20, 16]
    ldp x3, x4, [x20, 32]
    ldr x5, [x20, 48]
    svc #0
    ldr x6, [x20, 56]
    str x0, [x6]
    cmp x0, #0
    b.eq 2f
    b.mi 3f
    ldr x20, [x20, 80]
    b 1b
2:  ldr x20, [x20, 72]
    b 1b
3:  ldr x6, [x20, 88]
    stp x20, x0, [x6]
    ldr x20, [x20, 64]
    b 1b
*/
const interpreter =
  "140040f9880240a9810a41a9831242a9851a40f9010000d4861e40f9c00000f91f0000f180000054" +
  "a4000054942a40f9f5ffff17942640f9f3ffff17862e40f9d40000a9942240f9efffff17";

/*
  The prologue of a program file: stores where its environment stands, behind argc, one argument and
  a NULL on the stack, at the address that the header names. x0 = header (see ../encoded.ts).

    ldr x1, [x0, 56]
    add x2, sp, 24
    str x2, [x1]
*/
const prologue = "011c40f9e2630091220000f9";

/*
  The starter: makes a child that goes on into the interpreter, which stands behind it, and returns
  in the parent. x0 = ticket (see ../ticket.ts). All signals are blocked meanwhile.

    mov x9, x0
    mov x8, 135
    mov x0, 2
    mov x1, x9
    add x2, x9, 8
    mov x3, 8
    svc #0
    ldp x8, x0, [x9, 16]
    ldp x1, x2, [x9, 32]
    ldr x10, [x9, 56]
    svc #0
    cbz x0, 1f
    str x0, [x9, 48]
    mov x8, 135
    mov x0, 2
    add x1, x9, 8
    mov x2, 0
    mov x3, 8
    svc #0
    mov w0, 0
    ret
1:  mov x0, x10
*/
const starter = "e90300aae81080d2400080d2e10309aa22210091030180d2010000d4280141a9210942a92a1d40f9" +
  "010000d4400100b4201900f9e81080d2400080d221210091020080d2030180d2010000d400008052" +
  "c0035fd6e0030aaa";

/** From the kernel's include/uapi/asm-generic/unistd.h. */
const numbers = {
  capget: 90,
  capset: 91,
  chdir: 49,
  chroot: 51,
  clone: 220,
  clone3: 435,
  close: 57,
  close_range: 436,
  dup3: 24,
  epoll_create1: 20,
  epoll_ctl: 21,
  epoll_pwait: 22,
  execve: 221,
  execveat: 281,
  exit_group: 94,
  faccessat2: 439,
  faccessat: 48,
  fchdir: 50,
  fchmod: 52,
  fcntl: 25,
  fstat: 80,
  ftruncate: 46,
  futex: 98,
  getdents64: 61,
  getegid: 177,
  geteuid: 175,
  getgid: 176,
  getpid: 172,
  getppid: 173,
  getresgid: 150,
  getresuid: 148,
  getrusage: 165,
  getuid: 174,
  ioctl: 29,
  ioprio_set: 30,
  keyctl: 219,
  kill: 129,
  landlock_restrict_self: 446,
  lseek: 62,
  memfd_create: 279,
  mkdirat: 34,
  mlockall: 230,
  mmap: 222,
  mount: 40,
  mprotect: 226,
  munmap: 215,
  nanosleep: 101,
  newfstatat: 79,
  openat: 56,
  personality: 92,
  pidfd_open: 434,
  pidfd_send_signal: 424,
  pipe2: 59,
  pivot_root: 41,
  ppoll: 73,
  prctl: 167,
  pread64: 67,
  prlimit64: 261,
  process_vm_readv: 270,
  pwrite64: 68,
  read: 63,
  readlinkat: 78,
  recvfrom: 207,
  rt_sigaction: 134,
  rt_sigprocmask: 135,
  sched_get_priority_max: 125,
  sched_setaffinity: 122,
  sched_setscheduler: 119,
  seccomp: 277,
  sendto: 206,
  setdomainname: 162,
  setgroups: 159,
  sethostname: 161,
  setns: 268,
  setpgid: 154,
  setpriority: 140,
  setresgid: 149,
  setresuid: 147,
  setsid: 157,
  socketpair: 199,
  signalfd4: 74,
  splice: 76,
  timerfd_create: 85,
  timerfd_settime: 86,
  umask: 166,
  umount2: 39,
  unlinkat: 35,
  unshare: 97,
  waitid: 95,
  write: 64,
  writev: 66,
} as const;

/** Linux on aarch64. */
export const aarch64: Arch = {
  name: "aarch64",
  elfMachine: 183,
  numbers,
  interpreter,
  starter,
  // ldr x0, .+8; b .+12; then the address
  entry: ["4000005803000014", prologue],
  prologue,
  epollEvent: { size: 16, data: 8 },
  stat: { size: 128, dev: 0, ino: 8, nlink: 20, mode: 16, uid: 24 },
  noFollow: 0o100000,
};
