/**
 * How many prompt tokens a step may take, so that those who decode in the same step do not feel it, and whose they are.
 * Used by the scheduler.
 */

export interface PrefillBudget {
  /** Prompt tokens for the next step, beside `decoding` requests. */
  tokens(decoding: number): number;
  /** Learns from a step that was done. */
  measure(step: { decoding: number; promptTokens: number; millis: number }): void;
}

/** What a step is expected to take at most while someone decodes; 500 are promised, and expectations err. */
const stallMillis = 320;
/** Below this a prompt would hardly move: the fixed cost of a step outweighs what it does. */
const fewestTokens = 16;
/**
 * Weight of the newest step. High enough to follow a growing context: 1,300 tokens into a prompt of a 0.5B model a token
 * costs 1.6 times what the first one did.
 */
const newestWeight = 0.5;

export function createPrefillBudget(options: { batchTokens: number }): PrefillBudget {
  let decodeMillis = 0;
  // Two decaying sums: a slice of ten tokens must not weigh as much as one of a hundred.
  let prefillMillis = 0;
  let prefillTokens = 0;

  return {
    tokens(decoding) {
      const most = Math.max(1, options.batchTokens - decoding);
      if (decoding === 0 || prefillTokens === 0) return most;
      const millisPerToken = prefillMillis / prefillTokens;
      const fitting = Math.floor((stallMillis - decodeMillis) / millisPerToken);
      return Math.min(most, Math.max(fewestTokens, fitting));
    },
    measure({ decoding, promptTokens, millis }) {
      if (promptTokens === 0) {
        decodeMillis =
          decodeMillis === 0 ? millis : decodeMillis + newestWeight * (millis - decodeMillis);
        return;
      }
      const measured = decoding === 0 ? millis : Math.max(0, millis - decodeMillis);
      // A step that another program disturbed may take ten times as long; the next ones are not to pay for it.
      const expected = (promptTokens * prefillMillis) / prefillTokens;
      const own = prefillTokens === 0 ? measured : Math.min(measured, 2 * expected);
      prefillMillis = (1 - newestWeight) * prefillMillis + own;
      prefillTokens = (1 - newestWeight) * prefillTokens + promptTokens;
    },
  };
}

/**
 * The slices of one step, of prompts in order of admission of which so many tokens are left. One after the other, since a
 * token costs llama.cpp 10 to 20 % more in eight slices of 16 than in one of 128; what is left of a step that is half full
 * is not worth a second slice. Those at most half as long as the oldest do not wait for it: half of the step is theirs.
 */
export function shareOut(tokens: number, remaining: readonly number[]): number[] {
  const slices = remaining.map(() => 0);
  const [oldest, ...others] = [...remaining.keys()].filter((at) => remaining[at]! > 0);
  if (oldest === undefined) return slices;
  const short = others
    .filter((at) => remaining[at]! <= remaining[oldest]! / 2)
    .toSorted((a, b) => remaining[a]! - remaining[b]!);
  let left = tokens;
  const give = (at: number, most: number): void => {
    const more = Math.min(remaining[at]! - slices[at]!, most);
    slices[at]! += more;
    left -= more;
  };
  for (const at of short) give(at, left - Math.ceil(tokens / 2));
  give(oldest, left);
  for (const at of others) if (left > tokens / 2) give(at, left);
  return slices;
}
