/**
 * Turns output tokens into text that can be sent: whole characters only, and nothing that may belong to a stop sequence. Used by
 * job.ts, one for each generation.
 */
import type { BareCalls } from './bare-calls.ts';

// A UTF-8 decoder writes it for bytes of an incomplete character.
const incomplete = '\uFFFD';
// Bounds the work per token for a model that emits invalid bytes without end.
const maxPendingTokens = 64;

export interface AnswerText {
  /** The text that is certain after this token, and the stop sequence that the token completed. */
  push(token: number): { text: string; stopped: string | undefined };
  /** The text held back when the answer ends without another token; an incomplete character is dropped. */
  flush(): string;
}

/**
 * `opening` begins a tool call: neither it nor the calls after it are searched for stop sequences, which end the content only. A call that
 * `bareCalls` finds gets the opening that it lacks.
 */
export function createAnswerText(options: {
  stop: readonly string[];
  opening?: string | undefined;
  bareCalls?: BareCalls | undefined;
  detokenize: (tokens: readonly number[], previous: readonly number[]) => string;
}): AnswerText {
  /** Tokens whose text ends within a character, and how much of that text was returned already. */
  let pending: number[] = [];
  let shown = 0;
  let previous: number[] = [];
  let held = '';
  /** Characters at the end of `held` that may belong to a call without its opening. */
  let undecided = 0;
  let isCall = false;

  /** The part of `held` that is content for certain. White space before a call is not. */
  function contentLength(): number {
    const { opening } = options;
    if (isCall) return 0;
    if (opening === undefined) return held.length;
    const at = held.indexOf(opening);
    isCall = at !== -1;
    const end = isCall
      ? at
      : held.length - Math.max(undecided, possibleStopLength(held, [opening]));
    return held.slice(0, end).trimEnd().length;
  }

  function take(length: number): string {
    const text = held.slice(0, length);
    held = held.slice(length);
    return text;
  }

  function findBareCall(text: string): void {
    if (isCall || options.bareCalls === undefined) return;
    const found = options.bareCalls.push(text);
    undecided = found.undecided;
    if (found.call !== undefined) held = held.slice(0, held.length - undecided) + found.call;
  }

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
      const fresh = decode(token);
      held += fresh;
      findBareCall(fresh);
      const content = held.slice(0, contentLength());
      const cut = firstStop(content, options.stop);
      if (cut !== -1) {
        held = '';
        return {
          text: content.slice(0, cut),
          stopped: options.stop.find((stop) => content.startsWith(stop, cut)),
        };
      }
      if (isCall) return { text: take(held.length), stopped: undefined };
      const safe = content.length - possibleStopLength(content, options.stop);
      return { text: take(safe), stopped: undefined };
    },
    flush() {
      const text = take(held.length);
      const cut = isCall ? -1 : firstStop(text, options.stop);
      return cut === -1 ? text : text.slice(0, cut);
    },
  };
}

function firstStop(text: string, stops: readonly string[]): number {
  const found = stops.map((stop) => text.indexOf(stop)).filter((index) => index !== -1);
  return found.length === 0 ? -1 : Math.min(...found);
}

/** Length of the longest suffix of `text` that is a prefix of a stop sequence. */
function possibleStopLength(text: string, stops: readonly string[]): number {
  let longest = 0;
  for (const stop of stops) {
    for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
      if (text.endsWith(stop.slice(0, length))) longest = length;
    }
  }
  return longest;
}
