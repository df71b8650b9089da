/** Prompts of an exact number of tokens that no cache has seen, the same for every contender. */
import { createRandom } from '../support/random.ts';

// One token each in Qwen's vocabulary, with a space before it and without.
const words =
  'time people way water word day part number sound place year work back thing name sentence man line boy farm end men land home hand picture air play point page letter mother answer study world food city tree'.split(
    ' ',
  );

/**
 * `count` words, which are `count` tokens. It differs from any other seed's from the first words on, so that no prefix
 * cache shortens it.
 */
export function writePrompt(count: number, seed: number): string {
  const random = createRandom(seed);
  return Array.from({ length: count }, () => words[Math.floor(random() * words.length)]).join(' ');
}
