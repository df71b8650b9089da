/** Assigns prompts to sequences so that as much KV cache as possible is reused and as little as possible lost. Used by scheduler.ts. */
import type { Sequence } from './loaded-model.ts';
import { commonLength } from './prefix-cache.ts';

export interface SequencePool {
  /**
   * Takes the best free sequence for a prompt of `owner`; `reusable` is how many tokens of it the sequence holds already. The rest of
   * its state, which is of the returned `owner`, is the caller's to drop. Undefined when no sequence is free.
   *
   * `isWorthMoving` tells whether the prompt may instead go beside a busy sequence: then the caller copies `reused` tokens, and keeps
   * `lost` ones elsewhere. llama.cpp evaluates only sequences with consecutive ids together: two that are not take 64 ms a step
   * instead of 54 (0.5B model, 2 cores).
   */
  take(
    prompt: readonly number[],
    owner: string,
    isWorthMoving?: (tokens: { reused: number; lost: number }) => boolean,
  ): { sequence: Sequence; reusable: number; owner: string } | undefined;
  give(sequence: Sequence): void;
  /** The sequences, busy or free, whose state is of `owner`: prompts of others must not start from it. */
  sequencesOf(owner: string): readonly Sequence[];
}

/** A conversation that was used within this time is expected to continue. */
const activeMillis = 5 * 60_000;

interface Slot {
  sequence: Sequence;
  owner: string;
  usedAt: number;
  /** Length of the prompt that began the conversation in this sequence: the system prompt and the first message. */
  openingTokens: number;
  /** Length of the last prompt; the tokens after it are the answer. */
  promptTokens: number;
}

/**
 * In order of preference:
 * - `continues`: the prompt extends all that the sequence holds; or it extends the last prompt (the next turn of the conversation,
 *   even if its answer has other tokens now); or it extends the opening and loses no more than it reuses (an edited conversation).
 *   Most reused tokens first.
 * - `idle`: empty, or unused for so long that its state counts as lost. Most reused tokens first, then empty ones.
 * - `active`: a recent conversation that shares at most a system prompt. Largest difference of reused and lost tokens first, then
 *   the least recently used.
 */
const ranks = ['continues', 'idle', 'active'] as const;

interface Candidate {
  slot: Slot;
  reusable: number;
  rank: (typeof ranks)[number];
  /** Compared within a rank, in tokens. */
  gain: number;
  /** Tokens of the sequence that the prompt does not share. */
  lost: number;
  isEmpty: boolean;
}

export function createSequencePool(
  sequences: readonly Sequence[],
  now: () => number = () => performance.now(),
): SequencePool {
  // Least recently used first; at the start in ascending order of ids.
  const free = sequences.map((sequence): Slot => {
    return { sequence, owner: '', usedAt: -Infinity, openingTokens: 0, promptTokens: 0 };
  });
  const taken = new Map<Sequence, Slot>();

  return {
    take(prompt, owner, isWorthMoving = () => false) {
      const rated = free.map((slot) => rateSlot(slot, prompt, owner, now())).toSorted(compare);
      const [best] = rated;
      if (best === undefined) return undefined;
      const busyIds = new Set([...taken.keys()].map(({ id }) => id));
      const [beside = best] = rated.toSorted(
        (a, b) => countNeighbours(b, busyIds) - countNeighbours(a, busyIds),
      );
      const isMoved = isWorthMoving({ reused: best.reusable, lost: beside.lost });
      const { slot, reusable, rank } = isMoved ? beside : best;
      free.splice(free.indexOf(slot), 1);
      taken.set(slot.sequence, slot);
      if (rank !== 'continues') slot.openingTokens = prompt.length;
      slot.promptTokens = prompt.length;
      const previous = slot.owner;
      slot.owner = owner;
      return { sequence: slot.sequence, reusable, owner: previous };
    },
    give(sequence) {
      const slot = taken.get(sequence)!;
      taken.delete(sequence);
      slot.usedAt = now();
      free.push(slot);
    },
    sequencesOf: (owner) =>
      [...free, ...taken.values()]
        .filter((slot) => slot.owner === owner)
        .map(({ sequence }) => sequence),
  };
}

function rateSlot(slot: Slot, prompt: readonly number[], owner: string, now: number): Candidate {
  const held = slot.sequence.tokens();
  // The last prompt token is always evaluated, because its logits give the first output token.
  const reusable =
    slot.owner === owner ? Math.min(commonLength(held, prompt), prompt.length - 1) : 0;
  const lost = held.length - reusable;
  const isEmpty = held.length === 0;
  const isNextTurn = lost === 0 || reusable >= slot.promptTokens - 1;
  const isEdited = reusable >= slot.openingTokens - 1 && lost <= reusable;
  if (reusable > 0 && (isNextTurn || isEdited)) {
    return { slot, reusable, rank: 'continues', gain: reusable, lost, isEmpty };
  }
  if (isEmpty || now - slot.usedAt > activeMillis) {
    return { slot, reusable, rank: 'idle', gain: reusable, lost, isEmpty };
  }
  return { slot, reusable, rank: 'active', gain: Math.max(0, reusable - lost), lost, isEmpty };
}

function countNeighbours({ slot }: Candidate, busyIds: ReadonlySet<number>): number {
  const { id } = slot.sequence;
  return Number(busyIds.has(id - 1)) + Number(busyIds.has(id + 1));
}

/** The better one first. Equal ones stay in order of last use, because sorting is stable. */
function compare(a: Candidate, b: Candidate): number {
  return (
    ranks.indexOf(a.rank) - ranks.indexOf(b.rank) ||
    b.gain - a.gain ||
    Number(b.isEmpty) - Number(a.isEmpty) ||
    (a.isEmpty ? a.slot.sequence.id - b.slot.sequence.id : 0)
  );
}
