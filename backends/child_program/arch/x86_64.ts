/**
 * Linux on x86-64: system call numbers, struct layouts, and the interpreter of child programs.
 *
 * @module
 */

import type { Arch } from "../arch.ts";

/*
  The interpreter: runs the operations of a child program, 96 bytes each (see ../encode.ts).
  rdi = header. tests/backends/interpreter.test.ts assembles this listing and compares.

    mov rbx, [rdi]
1:  mov rax, [rbx]
    mov rdi, [rbx+8]
    mov rsi, [rbx+16]
    mov rdx, [rbx+24]
    mov r10, [rbx+32]
    mov r8, [rbx+40]
    mov r9, [rbx+48]
    syscall
    mov rcx, [rbx+56]
    mov [rcx], rax
    test rax, rax
    jz 2f
    js 3f
    mov rbx, [rbx+80]
    jmp 1b
2:  mov rbx, [rbx+72]
    jmp 1b
3:  mov rcx, [rbx+88]
    mov [rcx], rbx
    mov [rcx+8], rax
    mov rbx, [rbx+64]
    jmp 1b
*/
const interpreter =
  "488b1f488b03488b7b08488b7310488b53184c8b53204c8b43284c8b4b300f05488b4b3848890148" +
  "85c07408780c488b5b50ebcf488b5b48ebc9488b4b5848891948894108488b5b40ebb8";

/*
  The prologue of a program file: stores where its environment stands, behind argc, one argument and
  a NULL on the stack, at the address that the header names. rdi = header (see ../encoded.ts).

    mov rax, [rdi+56]
    lea rcx, [rsp+24]
    mov [rax], rcx
*/
const prologue = "488b4738488d4c2418488908";

/*
  The starter: makes a child that goes on into the interpreter, which stands behind it, and returns
  in the parent. rdi = ticket (see ../ticket.ts). All signals are blocked meanwhile.

    mov r9, rdi
    mov eax, 14
    mov edi, 2
    mov rsi, r9
    lea rdx, [r9+8]
    mov r10d, 8
    syscall
    mov rax, [r9+16]
    mov rdi, [r9+24]
    mov rsi, [r9+32]
    mov rdx, [r9+40]
    mov r8, [r9+56]
    syscall
    test rax, rax
    jz 1f
    mov [r9+48], rax
    mov eax, 14
    mov edi, 2
    lea rsi, [r9+8]
    xor edx, edx
    syscall
    xor eax, eax
    ret
1:  mov rdi, r8
*/
const starter = "4989f9b80e000000bf020000004c89ce498d510841ba080000000f05498b4110498b7918498b7120" +
  "498b51284d8b41380f054885c0741949894130b80e000000bf02000000498d710831d20f0531c0c3" +
  "4c89c7";

/** From the kernel's arch/x86/entry/syscalls/syscall_64.tbl. */
const numbers = {
  capget: 125,
  capset: 126,
  chdir: 80,
  chroot: 161,
  clone: 56,
  clone3: 435,
  close: 3,
  close_range: 436,
  dup3: 292,
  epoll_create1: 291,
  epoll_ctl: 233,
  epoll_pwait: 281,
  execve: 59,
  execveat: 322,
  exit_group: 231,
  faccessat2: 439,
  faccessat: 269,
  fchdir: 81,
  fchmod: 91,
  fcntl: 72,
  fstat: 5,
  ftruncate: 77,
  futex: 202,
  getdents64: 217,
  getegid: 108,
  geteuid: 107,
  getgid: 104,
  getpid: 39,
  getppid: 110,
  getresgid: 120,
  getresuid: 118,
  getrusage: 98,
  getuid: 102,
  ioctl: 16,
  ioprio_set: 251,
  keyctl: 250,
  kill: 62,
  landlock_restrict_self: 446,
  lseek: 8,
  memfd_create: 319,
  mkdirat: 258,
  mlockall: 151,
  mmap: 9,
  mount: 165,
  mprotect: 10,
  munmap: 11,
  nanosleep: 35,
  newfstatat: 262,
  openat: 257,
  personality: 135,
  pidfd_open: 434,
  pidfd_send_signal: 424,
  pipe2: 293,
  pivot_root: 155,
  ppoll: 271,
  prctl: 157,
  pread64: 17,
  prlimit64: 302,
  process_vm_readv: 310,
  pwrite64: 18,
  read: 0,
  readlinkat: 267,
  recvfrom: 45,
  rt_sigaction: 13,
  rt_sigprocmask: 14,
  sched_get_priority_max: 146,
  sched_setaffinity: 203,
  sched_setscheduler: 144,
  seccomp: 317,
  sendto: 44,
  setdomainname: 171,
  setgroups: 116,
  sethostname: 170,
  setns: 308,
  setpgid: 109,
  setpriority: 141,
  setresgid: 119,
  setresuid: 117,
  setsid: 112,
  socketpair: 53,
  signalfd4: 289,
  splice: 275,
  timerfd_create: 283,
  timerfd_settime: 286,
  umask: 95,
  umount2: 166,
  unlinkat: 263,
  unshare: 272,
  waitid: 247,
  write: 1,
  writev: 20,
} as const;

/** Linux on x86-64. */
export const x86_64: Arch = {
  name: "x86_64",
  elfMachine: 62,
  numbers,
  interpreter,
  starter,
  // movabs rdi, imm64
  entry: ["48bf", prologue],
  prologue,
  // struct epoll_event is packed on this architecture only.
  epollEvent: { size: 12, data: 4 },
  stat: { size: 144, dev: 0, ino: 8, nlink: 16, mode: 24, uid: 28 },
  noFollow: 0o400000,
};
