/** Seeded dice: the same seed rolls the same. */

/** mulberry32, https://gist.github.com/tommyettinger/46a874533244883189143505d203312c, public domain. */
export function random(seed: number) {
  let state = seed;

  function next(): number {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  const integer = (least: number, most: number): number =>
    least + Math.floor(next() * (most - least + 1));
  return {
    integer,
    pick: <T>(items: readonly T[]): T => items[integer(0, items.length - 1)]!,
  };
}
