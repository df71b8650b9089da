/** Prompts with an exact number of tokens that are in no cache, the same for every contender. */
import { createRandom } from '../support/random.ts';

// Each is one token in Qwen's vocabulary, with and without a space before it.
const words =
  'time people way water word day part number sound place year work back thing name sentence man line boy farm end men land home hand picture air play point page letter mother answer study world food city tree'.split(
    ' ',
  );

/** `count` words, which are `count` tokens. Prompts of other seeds differ from the first words on, so that no prefix is cached. */
export function writePrompt(count: number, seed: number): string {
  const random = createRandom(seed);
  return Array.from({ length: count }, () => words[Math.floor(random() * words.length)]).join(' ');
}
