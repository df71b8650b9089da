/**
 * How many prompt tokens a step may take, so that those who decode in the same step do not feel it, and whose they are.
 * Used by the scheduler.
 */

export interface PrefillBudget {
  /** Prompt tokens for the next step, beside `decoding` requests. */
  tokens(decoding: number): number;
  /**
   * Whether a prompt waits until those who decode have ended. Beside them it would be read in short slices, at twice the
   * price, while they have one token a step; alone it is read in tiles. It waits for half of the time at most that reading
   * it alone takes: `waitedMillis` until now, and as long as `outputTokens` more of each take.
   */
  isDeferred(prompt: { promptTokens: number; outputTokens: number; waitedMillis: number }): boolean;
  /** What reading so many tokens takes alone, in milliseconds; 0 before anything was measured. */
  readingMillis(promptTokens: number): number;
  /** Learns from a step that was done. */
  measure(step: { decoding: number; promptTokens: number; millis: number }): void;
}

/** What a step is expected to take at most while someone decodes; 500 are promised, and expectations err. */
const stallMillis = 320;
/** Below the first of these a prompt hardly moves, so a step may take longer for as many; below the second not at all. */
const fewTokens = 8;
const fewestTokens = 2;
const fewTokensMillis = 450;
/**
 * From 64 on llama.cpp's attention works in tiles (GGML_FA_TILE_Q of ggml-cpu): 1,500 tokens into a prompt of a 0.5B model a
 * token costs 13 ms in a slice of 64, and 25 in one of 57. One more goes along with those who decode, in a batch of its own.
 */
export const tileTokens = 65;
/**
 * Weight of the newest step. High enough to follow a growing context: 1,300 tokens into a prompt of a 0.5B model a token
 * costs 1.6 times what the first one did.
 */
const newestWeight = 0.5;

interface Cost {
  /** Infinite before the first measurement. */
  millisPerToken(): number;
  measure(tokens: number, millis: number): void;
}

/** Of a prompt token, from two decaying sums: a slice of ten tokens must not weigh as much as one of a hundred. */
function createCost(): Cost {
  let sumTokens = 0;
  let sumMillis = 0;
  return {
    millisPerToken: () => (sumTokens === 0 ? Infinity : sumMillis / sumTokens),
    measure(tokens, millis) {
      // A step that another program disturbed may take ten times as long; the next ones are not to pay for it.
      const most = sumTokens === 0 ? millis : (2 * tokens * sumMillis) / sumTokens;
      sumMillis = (1 - newestWeight) * sumMillis + Math.min(millis, most);
      sumTokens = (1 - newestWeight) * sumTokens + tokens;
    },
  };
}

export function createPrefillBudget(options: { batchTokens: number }): PrefillBudget {
  const inTiles = createCost();
  /** Since the last tile: what was measured before says nothing of this place in a context. */
  let inShortSlices = createCost();
  let decodeMillis = 0;
  /** To the step that is measured next. */
  let offered = 0;

  const tiledMillis = (): number =>
    Math.min(inTiles.millisPerToken(), inShortSlices.millisPerToken());
  /** Tokens beside those who decode, at the price of whole tiles. */
  const fitting = (): number => Math.floor((stallMillis - decodeMillis) / tiledMillis());

  function offer(decoding: number): number {
    const most = Math.max(1, options.batchTokens - decoding);
    const short = inShortSlices.millisPerToken();
    const tiled = tiledMillis();
    if (decoding === 0 || tiled === Infinity) return most;
    if (fitting() >= tileTokens) return Math.min(most, fitting());
    const price = short === Infinity ? 2 * tiled : short;
    const fittingIn = (millis: number): number => Math.floor((millis - decodeMillis) / price);
    const few = Math.min(fewTokens, fittingIn(fewTokensMillis));
    return Math.min(most, tileTokens - 1, Math.max(fewestTokens, few, fittingIn(stallMillis)));
  }

  return {
    tokens: (decoding) => (offered = offer(decoding)),
    isDeferred({ promptTokens, outputTokens, waitedMillis }) {
      const tiled = tiledMillis();
      if (promptTokens < tileTokens || tiled === Infinity || fitting() >= tileTokens) return false;
      return waitedMillis + outputTokens * decodeMillis <= (promptTokens * tiled) / 2;
    },
    readingMillis: (promptTokens) =>
      tiledMillis() === Infinity ? 0 : promptTokens * tiledMillis(),
    measure({ decoding, promptTokens, millis }) {
      if (promptTokens === 0) {
        decodeMillis =
          decodeMillis === 0 ? millis : decodeMillis + newestWeight * (millis - decodeMillis);
        return;
      }
      // A prompt's last tokens hide in what it costs to decode beside them.
      if (promptTokens < Math.min(fewTokens, offered)) return;
      const own = decoding === 0 ? millis : Math.max(0, millis - decodeMillis);
      if (promptTokens < tileTokens) {
        // After a decode that was disturbed it may seem to have cost nothing.
        const tiled = inTiles.millisPerToken();
        // Ends of prompts that came together are many short slices at once, and cheaper than one beside those who decode.
        if (decoding === 0 && tiled !== Infinity) return;
        const least = tiled === Infinity ? own : (promptTokens * tiled) / 2;
        inShortSlices.measure(promptTokens, Math.max(least, own));
      } else {
        inTiles.measure(promptTokens, own);
        inShortSlices = createCost();
      }
    },
  };
}

/**
 * The slices of one step, of prompts in order of admission of which so many tokens are left. One after the other, since a
 * token costs llama.cpp 10 to 20 % more in eight slices of 16 than in one of 128; what is left of a step that is half full
 * is not worth a second slice that is not the prompt's last. Those at most half as long as the oldest do not wait for it: half
 * of the step is theirs.
 * The oldest leaves no rest that would be shorter than a tile.
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
  const rest = remaining[oldest]! - left;
  const leavesTile = rest > 0 && rest < tileTokens && remaining[oldest]! >= 2 * tileTokens;
  give(oldest, leavesTile ? remaining[oldest]! - tileTokens : left);
  for (const at of others) if (left > tokens / 2 || remaining[at]! <= left) give(at, left);
  return slices;
}
