/**
 * Turns output tokens into text that may be shown: whole characters only, and nothing that belongs to a stop
 * sequence. The scheduler has one for each generation.
 */

// What a decoder writes for bytes that are not a whole character yet.
const INCOMPLETE = '\uFFFD';
// A UTF-8 character is at most 4 bytes, so 4 tokens of one byte each; past that it is the model's own rubbish.
const MAX_PENDING_TOKENS = 4;

export interface AnswerText {
  /** Text that is certain after this token, and whether a stop sequence was completed by it. */
  push(token: number): { text: string; stopped: boolean };
  /** What was held back, when the answer ends without another token. */
  flush(): string;
}

export function createAnswerText(options: {
  stop: readonly string[];
  detokenize: (tokens: readonly number[], previous: readonly number[]) => string;
}): AnswerText {
  let pending: number[] = [];
  let previous: number[] = [];
  let held = '';

  function decode(token: number): string {
    pending.push(token);
    const text = options.detokenize(pending, previous);
    if (text.endsWith(INCOMPLETE) && pending.length < MAX_PENDING_TOKENS) return '';
    previous = pending;
    pending = [];
    return text;
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
      const text = held + (pending.length > 0 ? options.detokenize(pending, previous) : '');
      held = '';
      pending = [];
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
