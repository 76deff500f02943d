/**
 * The layout of a child's descriptors: the calls that turn a copy of the parent's table into the
 * child's table, also if the numbers overlap.
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
  /** dup3(2): `to` becomes a copy of `from`, and what it was before is closed. */
  | { readonly kind: "dup"; readonly from: number; readonly to: number; readonly cloexec: boolean }
  /** The descriptor stays where it is, and survives exec. */
  | { readonly kind: "keep"; readonly fd: number }
  /** close_range(2): everything from `first` to `last`. */
  | { readonly kind: "closeRange"; readonly first: number; readonly last: number };

/** How the descriptors of a child are laid out. */
export interface Layout {
  /** The moves in order. */
  readonly moves: readonly FdMove[];
  /** Where the reserved descriptors are afterwards. */
  readonly reserved: readonly number[];
  /** Returns numbers that are not in use afterwards, the lowest first. */
  free(): number[];
}

/** The largest number that close_range(2) takes. */
export const LAST_FD = 0xffff_ffff;

/** The first number after the standard streams. */
const FIRST_FREE = 3;

/**
 * Lays descriptors out. The child starts with a copy of the parent's table. After the moves, exactly
 * the targets are open, and each of the `reserved` descriptors (channels to the parent), which are
 * closed on exec, at a number that is returned.
 *
 * A source that a target would overwrite is moved first, to a number that is no source and no target.
 * The child may have something else there, which would be closed anyway, unless `isTaken` reports
 * that it stays. All numbers are known in advance, so that later steps are plain data.
 *
 * @throws {RangeError} Two mappings have the same target.
 */
export function layout(
  mappings: readonly Mapping[],
  reserved: readonly number[] = [],
  isTaken: (fd: number) => boolean = () => false,
): Layout {
  const targets = mappings.map(({ to }) => to);
  const kept = new Set(targets);
  if (kept.size !== mappings.length) throw new RangeError("two mappings have the same target");
  const stays = (fd: number) => mappings.some(({ from, to }) => from === fd && to === fd);
  const moves: FdMove[] = [];
  let moved: Map<number, number> | undefined;
  let used: Set<number> | undefined;
  const moveAway = (fd: number) => {
    moved ??= new Map();
    const already = moved.get(fd);
    if (already !== undefined) return already;
    used ??= new Set([...targets, ...mappings.map(({ from }) => from), ...reserved]);
    let to = FIRST_FREE;
    while (used.has(to) || isTaken(to)) to++;
    used.add(to);
    moved.set(fd, to);
    moves.push({ kind: "dup", from: fd, to, cloexec: true });
    return to;
  };
  const channels = reserved.map((fd) => kept.has(fd) ? moveAway(fd) : fd);
  const sources = mappings.map(({ from }) =>
    kept.has(from) && !stays(from) ? moveAway(from) : from
  );
  mappings.forEach(({ to }, index) => {
    const from = sources[index] ?? to;
    moves.push(from === to ? { kind: "keep", fd: to } : { kind: "dup", from, to, cloexec: false });
  });
  closeAllBut([...targets, ...channels], moves);
  return { moves, reserved: channels, free: () => lowestFree([...targets, ...channels]) };
}

/** How many files a child opens itself at most. */
const FREE = 3;

/** Returns the lowest numbers that are not taken. */
export function lowestFree(taken: readonly number[]): number[] {
  const free: number[] = [];
  for (let fd = 0; free.length < FREE; fd++) if (!taken.includes(fd)) free.push(fd);
  return free;
}

/** Closes the gaps between the kept numbers, and everything above. */
function closeAllBut(kept: number[], moves: FdMove[]): void {
  let first = 0;
  for (const fd of kept.sort((a, b) => a - b)) {
    if (fd > first) moves.push({ kind: "closeRange", first, last: fd - 1 });
    first = Math.max(first, fd + 1);
  }
  moves.push({ kind: "closeRange", first, last: LAST_FD });
}
