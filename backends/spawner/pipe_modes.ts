/**
 * The modes of pipes for programs of other users.
 *
 * @module
 */

/**
 * The mode of a pipe that a child of another user reads. Without it, the child could not open
 * /dev/stdin or /dev/fd/N: to open a descriptor by its name is to open the pipe, which belongs to
 * the user of this process. Nobody else can open it: /proc/<pid>/fd is only for processes that may
 * trace that one, see proc_pid_fd(5).
 */
export const READABLE = 0o644;

/** The mode of a pipe that a child of another user writes to, for the same reason. */
export const WRITABLE = 0o622;
