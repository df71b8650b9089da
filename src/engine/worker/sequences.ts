/** Which sequence serves a prompt: the one whose state saves the most and hurts the least. Used by the scheduler. */
import type { Sequence } from './loaded-model.ts';

export interface SequencePool {
  /**
   * The best free sequence and how many tokens of `prompt` its state already holds; undefined when none is free.
   * Taking it means that the rest of its state will be forgotten.
   */
  take(prompt: readonly number[]): { sequence: Sequence; reusable: number } | undefined;
  give(sequence: Sequence): void;
}

/** Somebody who reads and types comes back within this; a conversation that rests for longer may make room. */
const liveMillis = 5 * 60_000;

interface Slot {
  sequence: Sequence;
  usedAt: number;
  /** Length of the prompt that began what the sequence holds: the system prompt and what was said first. */
  opening: number;
  /** Length of the prompt it served last; what it holds beyond is the answer. */
  latest: number;
}

interface Candidate {
  slot: Slot;
  reusable: number;
  /** Who gets it is decided by rank first, the higher the better. */
  rank: 'own' | 'spare' | 'live';
  /** Tokens. */
  gain: number;
  empty: boolean;
}

const rankOrder = { own: 2, spare: 1, live: 0 } as const;

export function createSequencePool(
  sequences: readonly Sequence[],
  now: () => number = () => performance.now(),
): SequencePool {
  // Least recently used first; at the start in ascending order of ids.
  const free: Slot[] = sequences.map((sequence) => ({
    sequence,
    usedAt: -Infinity,
    opening: 0,
    latest: 0,
  }));
  const taken = new Map<Sequence, Slot>();

  /**
   * What counts is what a choice saves (tokens of the prompt that need no evaluation) against what it destroys (state
   * beyond them, which its owner would have to evaluate again):
   * - own: nothing is lost; or the prompt goes on from the one before, and is the next turn of that conversation,
   *   whatever becomes of an answer that has other tokens now; or it goes on from the opening, an edited conversation
   *   perhaps, and loses no more than it saves. The longest reusable prefix wins.
   * - spare: empty, or at rest for so long that the loss counts nothing. What is saved decides, then emptiness.
   * - live: someone's conversation that shares a system prompt at most. Only when there is no other: the one whose
   *   loss is outweighed most by what it saves; where none is, the least recently used.
   */
  function judge(slot: Slot, prompt: readonly number[]): Candidate {
    const held = slot.sequence.tokens();
    // The last prompt token is evaluated again: the first output token comes from its logits.
    const reusable = Math.min(commonLength(held, prompt), prompt.length - 1);
    const lost = held.length - reusable;
    const empty = held.length === 0;
    const isNext = lost === 0 || reusable >= slot.latest - 1;
    const isEdited = reusable >= slot.opening - 1 && lost <= reusable;
    if (reusable > 0 && (isNext || isEdited))
      return { slot, reusable, rank: 'own', gain: reusable, empty };
    if (empty || now() - slot.usedAt > liveMillis) {
      return { slot, reusable, rank: 'spare', gain: reusable, empty };
    }
    return { slot, reusable, rank: 'live', gain: Math.max(0, reusable - lost), empty };
  }

  return {
    take(prompt) {
      const [best] = free.map((slot) => judge(slot, prompt)).toSorted(compare);
      if (best === undefined) return undefined;
      const { slot, reusable, rank } = best;
      free.splice(free.indexOf(slot), 1);
      taken.set(slot.sequence, slot);
      if (rank !== 'own') slot.opening = prompt.length;
      slot.latest = prompt.length;
      return { sequence: slot.sequence, reusable };
    },
    give(sequence) {
      const slot = taken.get(sequence)!;
      taken.delete(sequence);
      slot.usedAt = now();
      free.push(slot);
    },
  };
}

/** The better first. Sorting is stable: what is equal stays in order of last use. */
function compare(a: Candidate, b: Candidate): number {
  return (
    rankOrder[b.rank] - rankOrder[a.rank] ||
    b.gain - a.gain ||
    Number(b.empty) - Number(a.empty) ||
    (a.empty ? a.slot.sequence.id - b.slot.sequence.id : 0)
  );
}

function commonLength(a: readonly number[], b: readonly number[]): number {
  const limit = Math.min(a.length, b.length);
  let length = 0;
  while (length < limit && a[length] === b[length]) length += 1;
  return length;
}
