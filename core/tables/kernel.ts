/**
 * Constants of the kernel's interface, from its uapi headers: the same on x86-64 and aarch64.
 *
 * @module
 */

/** open(2) flags, without their prefix `O_`; so are the others. */
export const O = {
  RDONLY: 0,
  WRONLY: 1,
  RDWR: 2,
  ACCMODE: 3,
  CREAT: 0o100,
  EXCL: 0o200,
  NOCTTY: 0o400,
  TRUNC: 0o1000,
  APPEND: 0o2000,
  NONBLOCK: 0o4000,
  ASYNC: 0o20000,
  CLOEXEC: 0o2000000,
  PATH: 0o10000000,
} as const;

/** fcntl(2) commands, and the type of a write lock. */
export const F = {
  DUPFD_CLOEXEC: 1030,
  GETFD: 1,
  SETFD: 2,
  GETFL: 3,
  SETFL: 4,
  GETLK: 5,
  SETLK: 6,
  WRLCK: 1,
  SETPIPE_SZ: 1031,
} as const;

/** fcntl(2) F_SETFD: closed by execve(2). */
export const FD_CLOEXEC = 1;

/** lseek(2): from the current offset. */
export const SEEK_CUR = 1;

/** The error numbers that the code looks for; system calls return them negative. */
export const E = {
  EPERM: 1,
  ENOENT: 2,
  ESRCH: 3,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  E2BIG: 7,
  ENOEXEC: 8,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  ENOTDIR: 20,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ETXTBSY: 26,
  EFBIG: 27,
  ENOSPC: 28,
  EMLINK: 31,
  EPIPE: 32,
  ENOSYS: 38,
  ELOOP: 40,
  ECANCELED: 125,
} as const;

/** openat(2): relative to the current folder. */
export const AT_FDCWD = -100;

/** newfstatat(2): of a symbolic link itself. */
export const AT_SYMLINK_NOFOLLOW = 0x100;

/** faccessat2(2): with the effective ids. */
export const AT_EACCESS = 0x200;

/** execveat(2): the file is the descriptor itself. */
export const AT_EMPTY_PATH = 0x1000;

/** access(2): whether a file may be executed. */
export const X_OK = 1;

/** st_mode: the bits of the file type, and its values, see inode(7). */
export const S_IFMT = 0o170000;
export const S_IFIFO = 0o010000;
export const S_IFDIR = 0o040000;
export const S_IFREG = 0o100000;

/** The signal of a child that has ended. */
export const SIGCHLD = 17;

/** rt_sigprocmask(2): what becomes of the mask. */
export const SIG = { BLOCK: 0, SETMASK: 2 } as const;

/** rt_sigaction(2): the handler that ignores a signal. */
export const SIG_IGN = 1;

/** clone(2) flags; what namespaces are made with is in constants.ts. */
export const CLONE = {
  VM: 0x100,
  PIDFD: 0x1000,
  VFORK: 0x4000,
  /** Of clone3(2) only. */
  CLEAR_SIGHAND: 0x1_0000_0000,
} as const;

/** waitid(2): which children, of all, or by what. */
export const P = { ALL: 0, PID: 1, PIDFD: 3 } as const;

/** waitid(2) options. */
export const W = { NOHANG: 1, EXITED: 4, NOWAIT: 0x100_0000 } as const;

/** getrusage(2): of this process. */
export const RUSAGE_SELF = 0;

/** poll(2) events. */
export const POLL = { IN: 1, OUT: 4, HUP: 0x10 } as const;

/** epoll_create1(2) and epoll_ctl(2). */
export const EPOLL = { CLOEXEC: 0o2000000, CTL_ADD: 1, IN: 1 } as const;

/** mmap(2) protection and flags. */
export const PROT = { READ: 1, WRITE: 2, EXEC: 4 } as const;
export const MAP = { PRIVATE: 2, ANONYMOUS: 0x20 } as const;

/** memfd_create(2) flags. */
export const MFD = {
  CLOEXEC: 1,
  /** Executable whatever the sysctl vm.memfd_noexec says, short of 2. Since Linux 6.3. */
  EXEC: 0x10,
} as const;

/**
 * futex(2): if no thread waits, the result is 0 if a word has the value of the last argument, and
 * otherwise an error. A child program compares numbers with it.
 */
export const FUTEX_CMP_REQUEUE_PRIVATE: number = 4 | 128;

/** futex(2): with nobody to wake, changes a word, and returns 0. */
export const FUTEX_WAKE_OP_PRIVATE: number = 5 | 128;

/** What FUTEX_WAKE_OP does to the word; OPARG_SHIFT: its operand is the number of a bit. */
export const FUTEX_OP = { ANDN: 3, OPARG_SHIFT: 8 } as const;

/** prctl(2) options that the palette does not have; the others are in constants.ts. */
export const PR_GET_SECUREBITS = 27;

/** prctl(2) PR_CAP_AMBIENT: the operations. */
export const CAP_AMBIENT = { IS_SET: 1, RAISE: 2, LOWER: 3, CLEAR_ALL: 4 } as const;

/** prctl(2) PR_SCHED_CORE: the operation, and what it is for: PIDTYPE_PID and PIDTYPE_TGID. */
export const PR_SCHED_CORE = {
  CREATE: 1,
  SHARE_FROM: 3,
  SCOPE_THREAD: 0,
  SCOPE_THREAD_GROUP: 1,
} as const;

/** capabilities(7), "The securebits flags". */
export const SECBIT = { NOROOT: 0x1, NO_CAP_AMBIENT_RAISE: 0x40 } as const;

/** capset(2): sets of 64 bits. */
export const LINUX_CAPABILITY_VERSION_3 = 0x2008_0522;

/** ioprio_set(2): where the class begins; the level is below it. */
export const IOPRIO_CLASS_SHIFT = 13;

/** ioctl_tty(2): succeeds on the master of a pseudoterminal only. */
export const TIOCGPTN = 0x8004_5430;

/** getauxval(3): whether a program was executed with more rights than its caller had. */
export const AT_SECURE = 23;

/** ELF files, see elf(5). */
export const ET_EXEC = 2;
export const PT = { LOAD: 1, INTERP: 3, GNU_STACK: 0x6474_e551 } as const;
export const PF = { X: 1, W: 2, R: 4 } as const;
