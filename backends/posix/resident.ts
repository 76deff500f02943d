/**
 * How much memory a child has used itself. The largest resident size that Linux reports includes
 * the time before exec(2), see exec_mmap() in the kernel's fs/exec.c: a child that was made without
 * copying memory starts with the size of its parent.
 *
 * @module
 */

/**
 * How much two readings of the same size may differ: the kernel counts for each processor, and only
 * sums up now and then.
 */
const RSS_ERROR = 2 * 1024 * 1024;

/**
 * Returns the size up to which a child's largest resident size may be that of its parent, given the
 * parent's largest size before the child ended. Sizes are in bytes.
 */
export function boundOf(largestOfParent: number): number {
  return largestOfParent + largestOfParent / 32 + RSS_ERROR;
}
