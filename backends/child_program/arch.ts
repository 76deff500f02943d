/**
 * What differs between processor architectures, as data. One file each under arch/.
 *
 * @module
 */

/** The system calls that child programs, the engine and the palette use. */
export type SyscallName =
  | "capget"
  | "capset"
  | "chdir"
  | "chroot"
  | "clone"
  | "clone3"
  | "close"
  | "close_range"
  | "dup3"
  | "epoll_create1"
  | "epoll_ctl"
  | "epoll_pwait"
  | "execve"
  | "execveat"
  | "exit_group"
  | "faccessat"
  | "faccessat2"
  | "fchdir"
  | "fchmod"
  | "fcntl"
  | "fstat"
  | "ftruncate"
  | "futex"
  | "getdents64"
  | "getegid"
  | "geteuid"
  | "getgid"
  | "getpid"
  | "getppid"
  | "getresgid"
  | "getresuid"
  | "getrusage"
  | "getuid"
  | "ioctl"
  | "ioprio_set"
  | "keyctl"
  | "kill"
  | "landlock_restrict_self"
  | "lseek"
  | "memfd_create"
  | "mkdirat"
  | "mlockall"
  | "mmap"
  | "mount"
  | "mprotect"
  | "munmap"
  | "nanosleep"
  | "newfstatat"
  | "openat"
  | "personality"
  | "pidfd_open"
  | "pidfd_send_signal"
  | "pipe2"
  | "pivot_root"
  | "ppoll"
  | "prctl"
  | "pread64"
  | "prlimit64"
  | "process_vm_readv"
  | "pwrite64"
  | "read"
  | "readlinkat"
  | "recvfrom"
  | "rt_sigaction"
  | "rt_sigprocmask"
  | "sched_get_priority_max"
  | "sched_setaffinity"
  | "sched_setscheduler"
  | "seccomp"
  | "sendto"
  | "setdomainname"
  | "setgroups"
  | "sethostname"
  | "setns"
  | "setpgid"
  | "setpriority"
  | "setresgid"
  | "setresuid"
  | "setsid"
  | "socketpair"
  | "signalfd4"
  | "splice"
  | "timerfd_create"
  | "timerfd_settime"
  | "umask"
  | "umount2"
  | "unlinkat"
  | "unshare"
  | "waitid"
  | "write"
  | "writev";

/** One architecture. */
export interface Arch {
  /** As `uname -m` prints it. */
  readonly name: "x86_64" | "aarch64";
  /** e_machine of its ELF files, see elf(5). */
  readonly elfMachine: number;
  readonly numbers: Readonly<Record<SyscallName, number>>;
  /**
   * Machine code that loads an address into the register where the interpreter expects it, and
   * goes on behind itself: what stands before and after the eight bytes of the address.
   */
  readonly entry: readonly [before: string, after: string];
  /** What a program file does before its first call, in hexadecimal: the end of its entry. */
  readonly prologue: string;
  /** The interpreter of child programs as machine code, in hexadecimal. */
  readonly interpreter: string;
  /** The function that starts a child with the interpreter, which has to stand behind it. */
  readonly starter: string;
  /** Size of struct epoll_event, and where its data stands. */
  readonly epollEvent: { readonly size: number; readonly data: number };
  /** Size of struct stat, and where its fields stand. */
  readonly stat: {
    readonly size: number;
    readonly dev: number;
    readonly ino: number;
    readonly nlink: number;
    readonly mode: number;
    readonly uid: number;
  };
  /** O_NOFOLLOW, which is one of the few flags of open(2) that differ. */
  readonly noFollow: number;
}
