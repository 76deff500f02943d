/**
 * Constants of the kernel's interface, from its uapi headers: the same on x86-64 and aarch64.
 *
 * @module
 */

/** Flags of open(2), without `O_`. */
export const O = {
  RDONLY: 0,
  WRONLY: 1,
  RDWR: 2,
  CREAT: 0o100,
  EXCL: 0o200,
  NOCTTY: 0o400,
  TRUNC: 0o1000,
  APPEND: 0o2000,
  NONBLOCK: 0o4000,
  CLOEXEC: 0o2000000,
  PATH: 0o10000000,
} as const;

/** fcntl(2) commands. */
export const F = {
  DUPFD_CLOEXEC: 1030,
  GETFD: 1,
  SETFD: 2,
  GETFL: 3,
  SETFL: 4,
  SETPIPE_SZ: 1031,
} as const;

/** The error numbers that the code compares with. System calls return them negated. */
export const E = {
  EPERM: 1,
  ENOENT: 2,
  ESRCH: 3,
  EINTR: 4,
  EIO: 5,
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
  ECANCELED: 125,
} as const;

/** openat(2): relative to the current folder. */
export const AT_FDCWD = -100;

/** newfstatat(2): of a symbolic link itself. */
export const AT_SYMLINK_NOFOLLOW = 0x100;

/** The bits of st_mode for the type of a file, see inode(7). */
export const S_IFMT = 0o170000;

/** The type of a regular file in st_mode. */
export const S_IFREG = 0o100000;

/** execveat(2): the file is the descriptor itself. */
export const AT_EMPTY_PATH = 0x1000;

/** The signal of a child that has ended. */
export const SIGCHLD = 17;

/**
 * futex(2): if no thread waits, the result is 0 if a word has the value of the last argument, and
 * otherwise an error. A child program compares numbers with it.
 */
export const FUTEX_CMP_REQUEUE_PRIVATE: number = 4 | 128;

/** prctl(2): whether a capability is in the bounding set. */
export const PR_CAPBSET_READ = 23;

/** prctl(2): reads and changes the ambient set. */
export const PR_CAP_AMBIENT = 47;
