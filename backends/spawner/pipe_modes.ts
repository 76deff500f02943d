/**
 * The modes of pipes for programs of other users.
 *
 * @module
 */

/**
 * Modes of pipes for a child of another user, who could else not open /dev/stdin or /dev/fd/N: to
 * open a descriptor by its name is to open the pipe, which belongs to us. Nobody else gets that far:
 * /proc/<pid>/fd is for those who may trace the process.
 */
export const READABLE = 0o644;

/** The same for pipes that the child writes to. */
export const WRITABLE = 0o622;
