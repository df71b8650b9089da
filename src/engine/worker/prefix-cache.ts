/** The states of conversations that gave up their sequence, in memory. Used by prefix-copies.ts. */
import type { SavedState } from './loaded-model.ts';

export interface CachedPrefix {
  readonly owner: string;
  readonly tokens: readonly number[];
  readonly state: SavedState;
}

/** Each entry is an open file. */
const maxEntries = 256;

interface Ranked {
  readonly entry: CachedPrefix;
  readonly uses: number;
  readonly priority: number;
}

/**
 * Greedy Dual-Size with Frequency (Cherkasova 1998): the priority is the tokens that an entry saves per byte, times its uses, plus
 * the priority of the last evicted entry, which ages the others. Equal ones leave in the order of their last use.
 */
export function createPrefixCache(limitBytes: number) {
  let ranked: readonly Ranked[] = [];
  let age = 0;
  let evictions = 0;
  const bytes = (): number => ranked.reduce((sum, { entry }) => sum + entry.state.bytes, 0);

  function rank(entry: CachedPrefix, uses: number): Ranked {
    return { entry, uses, priority: age + (uses * entry.tokens.length) / entry.state.bytes };
  }

  /** Drops the entry with the lowest priority. @returns false when there is none but `spared`. */
  function evict(spared: CachedPrefix | undefined): boolean {
    const [lowest] = ranked
      .filter(({ entry }) => entry !== spared)
      .toSorted((a, b) => a.priority - b.priority);
    if (lowest === undefined) return false;
    age = lowest.priority;
    evictions += 1;
    lowest.entry.state.drop();
    ranked = ranked.filter((other) => other !== lowest);
    return true;
  }

  return {
    /** The prefixes that prompts of `owner` may start from. */
    prefixesOf: (owner: string) =>
      ranked.map(({ entry }) => entry).filter((entry) => entry.owner === owner),
    /** Evicts until `more` bytes fit. @returns false when they cannot. */
    makeRoom(more: number, spared: CachedPrefix | undefined) {
      if (more > limitBytes) return false;
      while (bytes() + more > limitBytes || ranked.length >= maxEntries) {
        if (!evict(spared)) return false;
      }
      return true;
    },
    /** Replaces the entries that are prefixes of `added`. */
    add(added: CachedPrefix) {
      const replaced = ranked.filter(
        ({ entry }) =>
          entry.owner === added.owner &&
          commonLength(entry.tokens, added.tokens) === entry.tokens.length,
      );
      for (const { entry } of replaced) entry.state.drop();
      const uses = Math.max(0, ...replaced.map((each) => each.uses));
      ranked = [...ranked.filter((each) => !replaced.includes(each)), rank(added, uses + 1)];
    },
    /** Marks an entry as used. */
    use(entry: CachedPrefix) {
      const used = ranked.find((each) => each.entry === entry);
      if (used === undefined) return;
      ranked = [...ranked.filter((each) => each !== used), rank(entry, used.uses + 1)];
    },
    evict,
    bytes,
    /** Entries dropped for lack of memory since the last call. */
    takeEvictions() {
      const taken = evictions;
      evictions = 0;
      return taken;
    },
  };
}

export function commonLength(a: readonly number[], b: readonly number[]): number {
  const limit = Math.min(a.length, b.length);
  let length = 0;
  while (length < limit && a[length] === b[length]) length += 1;
  return length;
}
