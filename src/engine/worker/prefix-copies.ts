/**
 * Starts a prompt from the longest prefix that any sequence holds, busy or idle, or that the prefix cache holds, and keeps the
 * conversation that gives up its sequence. Runs between the steps of scheduler.ts.
 */
import type { PrefixReport } from '../engine.ts';
import type { LoadedModel, SavedState, Sequence, StateMemory } from './loaded-model.ts';
import { commonLength, createPrefixCache, type CachedPrefix } from './prefix-cache.ts';
import type { SequencePool } from './sequences.ts';

export interface Prefixes {
  /**
   * Makes `target` hold as much of `prompt` as possible and nothing else.
   * @returns how many tokens it holds, and how many of them were copied.
   */
  place(target: Target, prompt: Prompt): Promise<{ cachedTokens: number; copiedTokens: number }>;
  /** Whether a copy of a state of `sourceTokens` costs less than it takes to evaluate `savedTokens`. */
  isWorthCopying(savedTokens: number, sourceTokens: number): boolean;
  /** Whether a prompt may take another sequence than the one that holds `reused` tokens of it: `lost` tokens there are kept. */
  readonly isWorthMoving: (tokens: { reused: number; lost: number }) => boolean;
  /** What happened since the last call; undefined where it is nothing. */
  takeReport(): PrefixReport | undefined;
}

interface Prompt {
  readonly owner: string;
  readonly tokens: readonly number[];
}

/** `reusable` tokens of the prompt are in the sequence already; the tokens after them are of `owner`. */
interface Target {
  readonly sequence: Sequence;
  readonly reusable: number;
  readonly owner: string;
}

/** `length` of its tokens are a prefix of the prompt. */
type Source = { readonly length: number; readonly tokens: readonly number[] } & (
  | { readonly kind: 'sequence'; readonly from: Sequence }
  | { readonly kind: 'cache'; readonly from: CachedPrefix }
);

/** Before both are measured, copy as soon as this many tokens are saved; and never keep a conversation that is shorter. */
const fewestTokens = 24;
/** A copy costs about as much for its file as for this many tokens: 33 tokens took 2.5 to 5 ms, 441 took 7 to 9 (measured). */
const fileTokens = 256;
/** Weight of the newest copy in the average. */
const newestWeight = 0.3;
/** What the copies of a move may take: as much as sequences that are evaluated together save in five steps. */
const maxMoveMillis = 50;

interface Copies {
  readonly memory: StateMemory;
  readonly cache: ReturnType<typeof createPrefixCache>;
  readonly pool: SequencePool;
  /** Estimated time to evaluate prompt tokens; 0 before it was measured. */
  readonly evaluateMillis: (tokens: number) => number;
  /** Of a copy, per token of the source and `fileTokens`; 0 before the first. */
  millisPerToken: number;
  copies: PrefixReport['copies'][number][];
  reportedBytes: number;
}

export function createPrefixes(
  model: LoadedModel,
  pool: SequencePool,
  evaluateMillis: (tokens: number) => number,
): Prefixes {
  const memory = model.stateMemory;
  if (memory === undefined) return withoutCopies;
  const cache = createPrefixCache(memory.cacheBytes);
  const before = { millisPerToken: 0, copies: [], reportedBytes: 0 };
  const state: Copies = { memory, cache, pool, evaluateMillis, ...before };
  return {
    place: (target, prompt) => place(state, target, prompt),
    isWorthCopying: (saved, source) => isWorthCopying(state, saved, source),
    isWorthMoving: (tokens) => isWorthMoving(state, tokens),
    takeReport: () => takeReport(state),
  };
}

const withoutCopies: Prefixes = {
  async place({ sequence, reusable }) {
    await truncate(sequence, reusable);
    return { cachedTokens: reusable, copiedTokens: 0 };
  },
  isWorthCopying: () => false,
  isWorthMoving: () => false,
  takeReport: () => undefined,
};

async function place(state: Copies, target: Target, prompt: Prompt) {
  const { sequence, reusable } = target;
  // Other programs may have taken the memory since the last copy.
  while (state.memory.freeBytes() === 0 && state.cache.evict(undefined));
  const found = findSource(state, sequence, prompt);
  const source =
    found !== undefined && isWorthCopying(state, found.length - reusable, found.tokens.length)
      ? found
      : undefined;
  await keep(state, target, source);
  const isCopied = source !== undefined && (await copy(state, source, sequence));
  // A failed copy may have emptied the sequence.
  const cachedTokens = isCopied ? source.length : Math.min(reusable, sequence.tokens().length);
  await truncate(sequence, cachedTokens);
  return { cachedTokens, copiedTokens: isCopied ? cachedTokens : 0 };
}

function findSource({ pool, cache }: Copies, target: Sequence, prompt: Prompt): Source | undefined {
  // The last prompt token is always evaluated, because its logits give the first output token.
  const most = prompt.tokens.length - 1;
  const common = (tokens: readonly number[]): number =>
    Math.min(most, commonLength(tokens, prompt.tokens));
  const sequences = pool.sequencesOf(prompt.owner).filter((sequence) => sequence !== target);
  const sources: Source[] = [
    ...sequences.map((from): Source => {
      const tokens = from.tokens();
      return { kind: 'sequence', from, tokens, length: common(tokens) };
    }),
    ...cache.prefixesOf(prompt.owner).map((from): Source => {
      return { kind: 'cache', from, tokens: from.tokens, length: common(from.tokens) };
    }),
  ];
  return sources.toSorted((a, b) => b.length - a.length || a.tokens.length - b.tokens.length)[0];
}

function isWorthCopying(state: Copies, savedTokens: number, sourceTokens: number): boolean {
  const evaluation = state.evaluateMillis(savedTokens);
  if (evaluation === 0 || state.millisPerToken === 0) return savedTokens >= fewestTokens;
  return state.millisPerToken * (sourceTokens + fileTokens) < evaluation;
}

function isWorthMoving(state: Copies, { reused, lost }: { reused: number; lost: number }): boolean {
  const { memory, millisPerToken } = state;
  const tokens = reused + lost + 2 * fileTokens;
  return memory.bytesOf(lost) <= memory.cacheBytes && tokens * millisPerToken <= maxMoveMillis;
}

/** @returns false when it failed: the target then holds what it held before, or nothing. */
async function copy(state: Copies, source: Source, target: Sequence): Promise<boolean> {
  const startedAt = performance.now();
  let saved: SavedState | undefined;
  try {
    if (source.kind === 'cache') {
      await target.load(source.from.state);
      state.cache.use(source.from);
      state.copies.push({ source: 'cache', bytes: source.from.state.bytes });
    } else {
      saved = await save(state, source.from);
      if (saved === undefined) return false;
      await target.load(saved);
      state.copies.push({ source: 'sequence', bytes: saved.bytes });
    }
  } catch {
    state.copies.push({ source: 'failed', bytes: 0 });
    return false;
  } finally {
    saved?.drop();
  }
  const newest = (performance.now() - startedAt) / (source.tokens.length + fileTokens);
  const average = state.millisPerToken || newest;
  state.millisPerToken = average + newestWeight * (newest - average);
  return true;
}

/** Undefined when there is no memory. @throws Error when it cannot be written. */
async function save(
  { memory, cache }: Copies,
  sequence: Sequence,
  spared?: CachedPrefix,
): Promise<SavedState | undefined> {
  const bytes = memory.bytesOf(sequence.tokens().length);
  while (bytes > memory.freeBytes()) if (!cache.evict(spared)) return undefined;
  return sequence.save();
}

/** Keeps what the target holds in the cache, if the tokens after `reusable` would be lost otherwise. */
async function keep(state: Copies, target: Target, source: Source | undefined): Promise<void> {
  const { cache, memory, pool } = state;
  const { sequence, reusable, owner } = target;
  const tokens = [...sequence.tokens()];
  if (tokens.length - reusable < fewestTokens) return;
  const others = [
    ...pool.sequencesOf(owner).map((other) => (other === sequence ? [] : other.tokens())),
    ...cache.prefixesOf(owner).map((entry) => entry.tokens),
  ];
  if (others.some((held) => commonLength(held, tokens) === tokens.length)) return;
  const spared = source?.kind === 'cache' ? source.from : undefined;
  if (!cache.makeRoom(memory.bytesOf(tokens.length), spared)) return;
  try {
    const saved = await save(state, sequence, spared);
    if (saved !== undefined) cache.add({ owner, tokens, state: saved });
  } catch {
    state.copies.push({ source: 'failed', bytes: 0 });
  }
}

async function truncate(sequence: Sequence, length: number): Promise<void> {
  if (sequence.tokens().length > length) await sequence.truncate(length);
}

function takeReport(state: Copies): PrefixReport | undefined {
  const evictions = state.cache.takeEvictions();
  const cacheBytes = state.cache.bytes();
  const { copies, reportedBytes } = state;
  if (copies.length === 0 && evictions === 0 && cacheBytes === reportedBytes) return undefined;
  state.copies = [];
  state.reportedBytes = cacheBytes;
  return { copies, evictions, cacheBytes };
}
