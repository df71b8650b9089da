/** Which sequence serves a prompt: the one whose state saves the most work. Used by the scheduler. */
import type { Sequence } from './llama.ts';

export interface SequencePool {
  /** The best free sequence and how many tokens of `prompt` its state already holds; undefined when none is free. */
  take(prompt: readonly number[]): { sequence: Sequence; reusable: number } | undefined;
  give(sequence: Sequence): void;
}

export function createSequencePool(sequences: readonly Sequence[]): SequencePool {
  // Least recently used first; at the start in ascending order of ids.
  const free = [...sequences];

  return {
    take(prompt) {
      let best: { sequence: Sequence; reusable: number } | undefined;
      for (const sequence of free) {
        // The last prompt token is evaluated again: the first output token comes from its logits.
        const reusable = Math.min(commonLength(sequence.tokens(), prompt), prompt.length - 1);
        if (best === undefined || isBetter({ sequence, reusable }, best))
          best = { sequence, reusable };
      }
      if (best !== undefined) free.splice(free.indexOf(best.sequence), 1);
      return best;
    },
    give(sequence) {
      free.push(sequence);
    },
  };
}

type Candidate = { sequence: Sequence; reusable: number };

/** Longest reusable prefix, then the lowest empty one, then the least recently used (the earlier one stays). */
function isBetter(candidate: Candidate, best: Candidate): boolean {
  if (candidate.reusable !== best.reusable) return candidate.reusable > best.reusable;
  const empty = candidate.sequence.tokens().length === 0;
  const bestEmpty = best.sequence.tokens().length === 0;
  if (empty !== bestEmpty) return empty;
  return empty && candidate.sequence.id < best.sequence.id;
}

function commonLength(a: readonly number[], b: readonly number[]): number {
  const limit = Math.min(a.length, b.length);
  let length = 0;
  while (length < limit && a[length] === b[length]) length += 1;
  return length;
}
