/**
 * How many prompt tokens a step takes without delaying the sequences that decode, and how they are split among the prompts: pure
 * functions over the measured cost of a token. Used by plan-step.ts and scheduler.ts.
 */

/** Decaying sums, because a slice of 10 tokens must not weigh as much as one of 100. Both are 0 before the first measurement. */
interface Cost {
  readonly tokens: number;
  readonly millis: number;
}

export interface PrefillBudget {
  /** The most tokens that one decode of llama.cpp takes. */
  readonly batchTokens: number;
  /** Cost of prompt tokens in slices of at least `tileTokens`. */
  readonly tiled: Cost;
  /** Cost in shorter slices next to a decode, since the last tile: it depends on the position in the context. */
  readonly short: Cost;
  /** How long a step without prompt tokens takes; 0 before the first one. */
  readonly decodeMillis: number;
}

/** Target step time while anything is decoding. The promise is 500 ms; the rest is margin for estimation error. */
const stallMillis = 320;
/** Fewer than `fewTokens` per step is no progress, so such a step may take `fewTokensMillis`. Never go below `fewestTokens`. */
const fewTokens = 8;
const fewestTokens = 2;
const fewTokensMillis = 450;
/**
 * From 64 tokens on llama.cpp's attention works in tiles (GGML_FA_TILE_Q of ggml-cpu): 1,500 tokens into a prompt of a 0.5B model
 * a token costs 13 ms in a slice of 64 and 25 ms in one of 57. One more than 64, because llama.cpp evaluates one prompt token
 * together with the sequences that decode, in a batch of its own.
 */
export const tileTokens = 65;
/** llama.cpp multiplies this many prompt tokens at a time (repacked weights of ggml-cpu); the remainder costs more per token. */
export const tokensAtATime = 16;
/**
 * Target time of a step that only prefills, twice as much for a tile: a step that is longer than CHAT_HANG_SECONDS counts as a hang.
 * On a starved machine a token took 270 ms, and a slice of 128 tokens 35 s (measured).
 */
const progressMillis = 2000;
/**
 * Weight of the newest step. High enough to follow a growing context: 1,300 tokens into a prompt of a 0.5B model a token costs 1.6
 * times as much as the first one.
 */
const newestWeight = 0.5;

const unmeasured: Cost = { tokens: 0, millis: 0 };

export function createPrefillBudget(batchTokens: number): PrefillBudget {
  return { batchTokens, tiled: unmeasured, short: unmeasured, decodeMillis: 0 };
}

/** Prompt tokens for the next step, in which `decoding` sequences decode. */
export function stepTokens(budget: PrefillBudget, decoding: number): number {
  const most = Math.max(1, budget.batchTokens - decoding);
  const tiled = cheapestMillis(budget);
  if (tiled === Infinity) return most;
  if (decoding === 0) return tokensUntilProgress(tiled, most);
  const tiledTokens = tokensBesideDecode(budget);
  if (tiledTokens >= tileTokens) return Math.min(most, tiledTokens);
  const measured = millisPerToken(budget.short);
  // Twice the cost of a tiled token, until a short slice is measured.
  const millis = measured === Infinity ? 2 * tiled : measured;
  const tokensWithin = (limit: number): number =>
    Math.floor((limit - budget.decodeMillis) / millis);
  const few = Math.min(fewTokens, tokensWithin(fewTokensMillis));
  return Math.min(most, tileTokens - 1, Math.max(fewestTokens, few, tokensWithin(stallMillis)));
}

/** Whole blocks of llama.cpp's matrix multiplication, and a whole tile where that is not much longer. */
function tokensUntilProgress(millis: number, most: number): number {
  const tokens = Math.floor(progressMillis / millis);
  if (tokens >= most) return most;
  if (tokens >= tileTokens) return tokens - (tokens % tokensAtATime);
  const isTileShort = tileTokens * millis <= 2 * progressMillis;
  return isTileShort ? Math.min(most, tileTokens) : Math.max(fewestTokens, tokens);
}

/**
 * Whether to defer a prompt until the current decodes finish. Alongside them it is prefilled in short slices at twice the cost;
 * alone, in full tiles. It waits at most half its solo prefill time: `waitedMillis` so far plus `outputTokens` more decode steps.
 */
export function isDeferred(
  budget: PrefillBudget,
  prompt: { promptTokens: number; outputTokens: number; waitedMillis: number },
): boolean {
  const { promptTokens, outputTokens, waitedMillis } = prompt;
  const millis = prefillMillis(budget, promptTokens);
  if (promptTokens < tileTokens || millis === 0) return false;
  if (tokensBesideDecode(budget) >= tileTokens) return false;
  return waitedMillis + outputTokens * budget.decodeMillis <= millis / 2;
}

/** Estimated time to prefill a prompt while nothing decodes; 0 before anything was measured. */
export function prefillMillis(budget: PrefillBudget, promptTokens: number): number {
  const millis = cheapestMillis(budget);
  return millis === Infinity ? 0 : promptTokens * millis;
}

/** The budget after a step that evaluated `promptTokens` next to `decoding` sequences. */
export function measureStep(
  budget: PrefillBudget,
  { decoding, promptTokens, millis }: { decoding: number; promptTokens: number; millis: number },
): PrefillBudget {
  if (promptTokens === 0) {
    const average = budget.decodeMillis || millis;
    return { ...budget, decodeMillis: average + newestWeight * (millis - average) };
  }
  // Too few tokens to measure next to a decode.
  if (promptTokens < Math.min(fewTokens, stepTokens(budget, decoding))) return budget;
  const own = decoding === 0 ? millis : Math.max(0, millis - budget.decodeMillis);
  if (promptTokens >= tileTokens) {
    return { ...budget, tiled: addStep(budget.tiled, promptTokens, own), short: unmeasured };
  }
  const tiled = millisPerToken(budget.tiled);
  if (tiled === Infinity) return { ...budget, short: addStep(budget.short, promptTokens, own) };
  // Held-back tails are many short slices in one step, which cost less than one short slice next to a decode. A slice that fills a
  // step is short only where a token takes long.
  if (decoding === 0 && promptTokens < stepTokens(budget, 0)) return budget;
  if (decoding === 0) return { ...budget, tiled: addStep(budget.tiled, promptTokens, own) };
  // `decodeMillis` is too high after a disturbed decode; the slice then seems to cost nothing.
  const least = (promptTokens * tiled) / 2;
  return { ...budget, short: addStep(budget.short, promptTokens, Math.max(least, own)) };
}

/**
 * Splits a step's tokens among prompts, given how many tokens each has left in order of admission. Oldest first, because many
 * small slices cost 10 to 20 % more than one large one (8 x 16 against 128 tokens). A step that is at least half full takes another
 * slice only if it is a prompt's last. Prompts at most half as long as the oldest share half of the step. The oldest keeps no
 * remainder shorter than a tile.
 */
export function splitAmongPrompts(tokens: number, remaining: readonly number[]): number[] {
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

/** Infinite before the first measurement. */
function millisPerToken({ tokens, millis }: Cost): number {
  return tokens === 0 ? Infinity : millis / tokens;
}

function cheapestMillis({ tiled, short }: PrefillBudget): number {
  return Math.min(millisPerToken(tiled), millisPerToken(short));
}

/** Tokens that fit next to a decode at the cost of whole tiles. */
function tokensBesideDecode(budget: PrefillBudget): number {
  return Math.floor((stallMillis - budget.decodeMillis) / cheapestMillis(budget));
}

/** A step counts at most as twice the expected cost: one that another program disturbed may take ten times as long. */
function addStep(cost: Cost, tokens: number, millis: number): Cost {
  const most = cost.tokens === 0 ? millis : 2 * tokens * millisPerToken(cost);
  return {
    tokens: (1 - newestWeight) * cost.tokens + tokens,
    millis: (1 - newestWeight) * cost.millis + Math.min(millis, most),
  };
}
