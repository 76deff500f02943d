/**
 * The layout of a child's descriptors: which calls turn a copy of the parent's table into exactly
 * the one that the child is to have, whatever overlaps.
 *
 * @module
 */

/** A descriptor of the parent, and its number in the child. */
export interface Mapping {
  readonly from: number;
  readonly to: number;
}

/** One move. */
export type FdMove =
  /** dup3(2): `to` becomes a copy of `from`, whatever it was before. */
  | { readonly kind: "dup"; readonly from: number; readonly to: number; readonly cloexec: boolean }
  /** The descriptor stays where it is, and survives exec. */
  | { readonly kind: "keep"; readonly fd: number }
  /** close_range(2): everything from `first` to `last`. */
  | { readonly kind: "closeRange"; readonly first: number; readonly last: number };

/** The largest number that close_range(2) takes. */
const LAST = 0xffff_ffff;

/** Below this, programs look for their standard streams. */
const FIRST_FREE = 3;

/**
 * Lays descriptors out. The child starts with a copy of the parent's table; after the moves,
 * exactly the targets are open, and each of the `reserved` descriptors (channels to the parent),
 * which are closed on exec, at a number that is returned.
 *
 * A source that a target would overwrite is first moved away, to a number that is nobody's source
 * or target. That number may be in use for something else in the child's table; everything else is
 * going to be closed anyway. Knowing all numbers beforehand is what lets later steps be plain data.
 *
 * @throws {RangeError} Two mappings have the same target.
 */
export function layout(
  mappings: readonly Mapping[],
  reserved: readonly number[] = [],
): { moves: FdMove[]; reserved: number[] } {
  const targets = new Set(mappings.map((each) => each.to));
  if (targets.size !== mappings.length) throw new RangeError("two mappings have the same target");
  const used = new Set([...targets, ...mappings.map((each) => each.from), ...reserved]);
  let next = FIRST_FREE;
  const free = () => {
    while (used.has(next)) next++;
    used.add(next);
    return next;
  };

  const moves: FdMove[] = [];
  const moved = new Map<number, number>();
  const moveAway = (fd: number) => {
    const to = moved.get(fd) ?? free();
    if (!moved.has(fd)) moves.push({ kind: "dup", from: fd, to, cloexec: true });
    moved.set(fd, to);
    return to;
  };
  const stays = new Set(mappings.filter(({ from, to }) => from === to).map(({ from }) => from));
  const channels = reserved.map((fd) => targets.has(fd) ? moveAway(fd) : fd);
  const inPlace = mappings.map(({ from, to }) => ({
    from: targets.has(from) && !stays.has(from) ? moveAway(from) : from,
    to,
  }));
  for (const { from, to } of inPlace) {
    if (from === to) moves.push({ kind: "keep", fd: to });
    else moves.push({ kind: "dup", from, to, cloexec: false });
  }
  return { moves: [...moves, ...closeAllBut([...targets, ...channels])], reserved: channels };
}

/** The gaps between the kept numbers, and all that is above. */
function closeAllBut(kept: readonly number[]): FdMove[] {
  const gaps: FdMove[] = [];
  let first = 0;
  for (const fd of [...new Set(kept)].sort((a, b) => a - b)) {
    if (fd > first) gaps.push({ kind: "closeRange", first, last: fd - 1 });
    first = fd + 1;
  }
  return [...gaps, { kind: "closeRange", first, last: LAST }];
}
