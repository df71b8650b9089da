/**
 * Turns output tokens into text that may be shown: whole characters only, and nothing that belongs to a stop
 * sequence. The scheduler has one for each generation.
 */

// What a decoder writes for bytes that are not a whole character yet.
const incomplete = '\uFFFD';
// A model that writes rubbish bytes for ever must not make every token dearer than the last.
const maxPendingTokens = 64;

export interface AnswerText {
  /** Text that is certain after this token, and whether a stop sequence was completed by it. */
  push(token: number): { text: string; stopped: boolean };
  /** What was held back, when the answer ends without another token; not a character that it ends within. */
  flush(): string;
}

export function createAnswerText(options: {
  stop: readonly string[];
  detokenize: (tokens: readonly number[], previous: readonly number[]) => string;
}): AnswerText {
  /** Tokens whose text ends within a character, and how much of that text is out already. */
  let pending: number[] = [];
  let shown = 0;
  let previous: number[] = [];
  let held = '';

  function decode(token: number): string {
    pending.push(token);
    const text = options.detokenize(pending, previous);
    const isWhole = !text.endsWith(incomplete) || pending.length >= maxPendingTokens;
    const fresh = text.slice(shown, isWhole ? undefined : -1);
    shown += fresh.length;
    if (isWhole) {
      previous = pending;
      pending = [];
      shown = 0;
    }
    return fresh;
  }

  return {
    push(token) {
      held += decode(token);
      const cut = firstStop(held, options.stop);
      if (cut !== -1) {
        const text = held.slice(0, cut);
        held = '';
        return { text, stopped: true };
      }
      const safe = held.length - possibleStopLength(held, options.stop);
      const text = held.slice(0, safe);
      held = held.slice(safe);
      return { text, stopped: false };
    },
    flush() {
      const text = held;
      held = '';
      return text;
    },
  };
}

function firstStop(text: string, stops: readonly string[]): number {
  const found = stops.map((stop) => text.indexOf(stop)).filter((index) => index !== -1);
  return found.length === 0 ? -1 : Math.min(...found);
}

/** Length of the longest end of `text` that is the beginning of a stop sequence. */
function possibleStopLength(text: string, stops: readonly string[]): number {
  let longest = 0;
  for (const stop of stops) {
    for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
      if (text.endsWith(stop.slice(0, length))) longest = length;
    }
  }
  return longest;
}
