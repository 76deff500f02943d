/**
 * Random numbers that are the same for the same seed.
 *
 * @module
 */

/** Numbers from 0 to 1, by mulberry32. */
export function random(seed: string): () => number {
  let state = 0x811c_9dc5;
  // FNV-1a: seeds that differ in one character have nothing else in common.
  for (const unit of seed) state = Math.imul(state ^ unit.charCodeAt(0), 0x0100_0193);
  return () => {
    state = (state + 0x6d2b_79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}
