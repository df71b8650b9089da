/**
 * How many prompt tokens a step may take, so that those who decode in the same step do not feel it. Used by the
 * scheduler.
 */

export interface PrefillBudget {
  /** Prompt tokens for the next step, beside `decoding` requests. */
  tokens(decoding: number): number;
  /** Learns from a step that was done. */
  measure(step: { decoding: number; promptTokens: number; millis: number }): void;
}

/** What a step is expected to take at most while someone decodes; 500 are promised, and expectations err. */
const stallMillis = 400;
/** Below this a prompt would hardly move: the fixed cost of a step outweighs what it does. */
const fewestTokens = 16;
/** Weight of the newest step. Low enough for one disturbed step, high enough to follow a growing context. */
const newestWeight = 0.25;

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
      const own = decoding === 0 ? millis : Math.max(0, millis - decodeMillis);
      prefillMillis = (1 - newestWeight) * prefillMillis + own;
      prefillTokens = (1 - newestWeight) * prefillTokens + promptTokens;
    },
  };
}
