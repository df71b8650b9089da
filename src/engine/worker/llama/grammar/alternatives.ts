/**
 * Bounds what sampling under a grammar costs: llama.cpp tries every token of the vocabulary with each alternative that is open at one
 * place. Used by gbnf.ts.
 */
import type { Part, Sequence } from './gbnf.ts';
import { work } from './work.ts';

/**
 * Milliseconds for 152,000 tokens (measured): an alternative that begins with a text of its own takes 1.2, a character class takes 7,
 * because it accepts many tokens that are then read to their ends. Alternatives that begin alike stay open together.
 */
const costs = { text: 1, shared: 5, characters: 6 } as const;
/** 240 ms for one token of one request. */
export const maxOpenCost = 200;
/** Of alternatives that are read side by side, each with its own open ones: 360 ms. */
export const maxOpenTogether = 300;

type RuleMap = ReadonlyMap<string, readonly Sequence[]>;

/** Costs in units of `costs.text`. */
export interface OpenCosts {
  /** Of the alternatives that are open at the part at `index` of a sequence. */
  at(sequence: Sequence, index: number): number;
  /** Of those at the beginning of a rule. */
  first(rule: string): number;
}

export function createOpenCosts(rules: RuleMap): OpenCosts {
  const first = new Map<string, number>();
  const empty = emptyRules(rules);

  const isEmpty = (part: Part): boolean =>
    'rule' in part && (part.min === 0 || empty.has(part.rule));
  const costOf = (part: Part): number => {
    if ('rule' in part) return firstOf(part.rule);
    return part.text.startsWith('"') ? costs.text : costs.characters;
  };
  /** From the part at `index` on, up to the first one that cannot be empty. */
  const openAt = (sequence: Sequence, index: number): number => {
    let sum = 0;
    for (let at = index; at < sequence.length; at++) {
      work(1);
      const part = sequence[at]!;
      sum += costOf(part);
      const isRepeated = at === index && 'rule' in part && (part.max ?? 1) > 1;
      if (!isRepeated && !isEmpty(part)) break;
    }
    return sum;
  };
  const firstOf = (name: string): number => {
    const known = first.get(name);
    if (known !== undefined) return known;
    first.set(name, 0);
    const alternatives = rules.get(name) ?? [];
    const alike = countBy(alternatives, ([part]) => startOf(part));
    const sum = alternatives.reduce((total, sequence) => {
      const isShared = (alike.get(startOf(sequence[0]) ?? '') ?? 0) > 1;
      const open = openAt(sequence, 0);
      return total + (isShared && open === costs.text ? costs.shared : open);
    }, 0);
    first.set(name, sum);
    return sum;
  };
  return { at: openAt, first: firstOf };
}

/** The cost of the place with the most open alternatives. */
export function mostOpen(rules: RuleMap, costs = createOpenCosts(rules)): number {
  let most = 0;
  for (const [name, alternatives] of rules) {
    most = Math.max(most, costs.first(name));
    for (const sequence of alternatives) {
      for (let at = 0; at < sequence.length; at++) most = Math.max(most, costs.at(sequence, at));
    }
  }
  return most;
}

/** The first character of a literal; undefined for anything else. */
function startOf(part: Part | undefined): string | undefined {
  return part !== undefined && 'text' in part && part.text.startsWith('"')
    ? part.text.slice(0, 3)
    : undefined;
}

function countBy<T>(items: readonly T[], keyOf: (item: T) => string | undefined) {
  const counts = new Map<string, number>();
  for (const item of items) {
    const key = keyOf(item);
    if (key !== undefined) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

function emptyRules(rules: RuleMap): ReadonlySet<string> {
  const empty = new Set<string>();
  for (let before = -1; before < empty.size;) {
    before = empty.size;
    work(rules.size);
    for (const [name, alternatives] of rules) {
      const canBeEmpty = alternatives.some((sequence) =>
        sequence.every((part) => 'rule' in part && (part.min === 0 || empty.has(part.rule))),
      );
      if (canBeEmpty) empty.add(name);
    }
  }
  return empty;
}
