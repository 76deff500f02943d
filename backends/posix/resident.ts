/**
 * How much memory a child has used itself. Linux counts the largest resident size of a process from
 * before its exec(2) on, see exec_mmap() in the kernel's fs/exec.c: a child that was made without
 * copying memory starts with its parent's.
 *
 * @module
 */

/**
 * What the kernel adds up for each processor is put together only now and then: what two looks at
 * the same memory may differ by.
 */
const RSS_ERROR = 2 * 1024 * 1024;

/**
 * The largest size above which a child's is its own: what its parent has had, at any time before
 * the child has ended, and somewhat more.
 */
export function boundOf(largestOfParent: number): number {
  return largestOfParent + largestOfParent / 32 + RSS_ERROR;
}
