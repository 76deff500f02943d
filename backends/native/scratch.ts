/**
 * How the scratch memory of the kernel's callers is laid out. A caller that needs more than one
 * structure for a call names each as a region of one layout: they are placed one behind the other, so
 * that no two overlap, and the layout throws if they do not fit.
 *
 * @module
 */

/** How much scratch memory there is for arguments and results of one call, in bytes. */
export const SCRATCH: number = 64 * 1024;

/** What structures with 64-bit words need. */
const ALIGNMENT = 8;

/** A part of the scratch memory. */
export interface Region {
  /** Where it begins, from the start of the scratch memory. */
  readonly at: number;
  /** Its size, in bytes. */
  readonly size: number;
}

/** Regions of the given sizes, in this order. Throws if they do not fit the scratch memory. */
export function regions<const Name extends string>(
  sizes: Readonly<Record<Name, number>>,
): Readonly<Record<Name, Region>> {
  let end = 0;
  const entries = Object.entries<number>(sizes).map(([name, size]): [string, Region] => {
    const at = Math.ceil(end / ALIGNMENT) * ALIGNMENT;
    end = at + size;
    return [name, { at, size }];
  });
  if (end > SCRATCH) throw new RangeError(`scratch memory: ${end} bytes of ${SCRATCH} are needed`);
  return Object.fromEntries(entries) as Record<Name, Region>;
}

/** The address of a region. Throws if what is to be there would reach beyond it. */
export function place(scratch: number, region: Region, length: number = region.size): number {
  if (length <= region.size) return scratch + region.at;
  throw new RangeError(`scratch memory: ${length} bytes do not fit a region of ${region.size}`);
}
