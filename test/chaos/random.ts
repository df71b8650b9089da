/** Random choices of a round, from its seed. */
import { createRandom } from '../support/random.ts';

export function random(seed: number) {
  const next = createRandom(seed);
  const integer = (least: number, most: number): number =>
    least + Math.floor(next() * (most - least + 1));
  return {
    integer,
    pick: <T>(items: readonly T[]): T => items[integer(0, items.length - 1)]!,
  };
}
