/**
 * Finds grammars in which alternatives stay open together while they nest. llama.cpp follows each of them, and their number multiplies
 * with each level: two kinds of arrays that contain themselves have 2^15 after 15 brackets. Used by gbnf.ts.
 */
import type { Part, Sequence } from './gbnf.ts';
import { mostOpen, type OpenCosts } from './alternatives.ts';
import { work } from './work.ts';

type RuleMap = ReadonlyMap<string, readonly Sequence[]>;

/** Rules of texts and numbers: equal ones are read alike, and nothing nests in them. */
const plain = new Set(['space', 'string', 'character', 'number', 'integer']);
/** Rules of automata, which have one way to read a text, too. */
function isPlain(name: string): boolean {
  return plain.has(name) || name.startsWith('text-');
}

/** Parts that are compared until two alternatives count as open together. */
const maxCompared = 60;

/** The most alternatives that can be open together after any nesting; Infinity where rules nest without end. */
export function mostTogether(rules: RuleMap, root: string): number {
  const products = new Map<string, number>();
  const path: { name: string; together: number }[] = [];
  const productOf = (name: string): number => {
    const known = products.get(name);
    if (known !== undefined) return known;
    const from = path.findIndex((each) => each.name === name);
    if (from !== -1) {
      return path.slice(from).some(({ together }) => together > 1) ? Infinity : 1;
    }
    const alternatives = rules.get(name) ?? [];
    const together = isPlain(name) ? 1 : countTogether(rules, alternatives);
    path.push({ name, together });
    let most = 1;
    for (const part of alternatives.flat()) {
      work(1);
      if ('rule' in part && most < Infinity) most = Math.max(most, productOf(part.rule));
    }
    path.pop();
    products.set(name, together * most);
    return together * most;
  };
  return productOf(root);
}

/** How many of the alternatives one of them stays open together with, itself included. */
function countTogether(rules: RuleMap, alternatives: readonly Sequence[]): number {
  const nesting = alternatives.filter((sequence) =>
    sequence.some((part) => 'rule' in part && !isPlain(part.rule)),
  );
  return mostOfGroup(rules, nesting, () => 1);
}

/** The largest sum over one alternative and those that it stays open together with. */
function mostOfGroup(
  rules: RuleMap,
  alternatives: readonly Sequence[],
  weightOf: (sequence: Sequence) => number,
): number {
  const byStart = Map.groupBy(alternatives, ([first]) =>
    first !== undefined && 'text' in first && first.text.startsWith('"')
      ? first.text.slice(0, 2)
      : '',
  );
  let most = 0;
  for (const group of byStart.values()) {
    for (const one of group) {
      const others = group.filter((two) => one !== two && !differ(rules, one, two));
      most = Math.max(most, sum([one, ...others].map((each) => weightOf(each))));
    }
  }
  return most;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/**
 * The cost of the place where the most alternatives are open in all alternatives that are read side by side: 39 kinds of lists of 26
 * values have 1,014, which take 1.5 s for one token of 152,000.
 */
export function mostOpenTogether(rules: RuleMap, root: string, costs: OpenCosts): number {
  const weights = new Map<string, number>();
  const most = mostOpen(rules, costs);
  const weightOf = (name: string): number => {
    const known = weights.get(name);
    if (known !== undefined) return known;
    // Until it is known, for rules that contain themselves.
    weights.set(name, most);
    const alternatives = rules.get(name) ?? [];
    const deep = new Map(alternatives.map((each) => [each, deepest(each)]));
    const together = isPlain(name)
      ? 0
      : mostOfGroup(rules, alternatives, (each) => deep.get(each) ?? 0);
    const weight = Math.max(costs.first(name), together, ...deep.values());
    weights.set(name, weight);
    return weight;
  };
  const deepest = (sequence: Sequence): number =>
    sequence.reduce((largest, part, at) => {
      const within = 'rule' in part ? weightOf(part.rule) : 0;
      return Math.max(largest, costs.at(sequence, at), within);
    }, 0);
  return weightOf(root);
}

/** Whether two sequences begin with texts that differ before anything nests. In doubt they do not. */
function differ(rules: RuleMap, one: Sequence, two: Sequence): boolean {
  const fuel = { left: maxCompared };
  return walk(rules, [...one], [...two], fuel);
}

function walk(rules: RuleMap, one: Part[], two: Part[], fuel: { left: number }): boolean {
  work(1);
  fuel.left -= 1;
  const [a, b] = [one[0], two[0]];
  if (fuel.left < 0) return false;
  // The end of an alternative: what follows is the same for both.
  if (a === undefined || b === undefined) return true;
  if ('text' in a && 'text' in b) return differInText(rules, one, two, fuel);
  if ('rule' in a && 'rule' in b && a.rule === b.rule && a.min === b.min && a.max === b.max) {
    return isPlain(a.rule) && walk(rules, one.slice(1), two.slice(1), fuel);
  }
  const [expanded, other] = 'rule' in a ? [one, two] : [two, one];
  const [first, ...rest] = expanded as [Extract<Part, { rule: string }>, ...Part[]];
  const options: Part[][] = (rules.get(first.rule) ?? []).map((each) => each.concat(rest));
  if (first.min === 0) options.push(rest);
  return options.every((each) => walk(rules, each, other, fuel));
}

function differInText(
  rules: RuleMap,
  [a, ...one]: Part[],
  [b, ...two]: Part[],
  fuel: { left: number },
): boolean {
  const [left, right] = [textOf(a), textOf(b)];
  // Classes of characters.
  if (left === undefined || right === undefined) return false;
  if (left.startsWith(right)) {
    return walk(rules, withText(left.slice(right.length), one), two, fuel);
  }
  if (right.startsWith(left)) {
    return walk(rules, one, withText(right.slice(left.length), two), fuel);
  }
  return true;
}

function withText(text: string, rest: Part[]): Part[] {
  return text === '' ? rest : [{ text: `"${text}"` }, ...rest];
}

/** The literal as it is written, without its quotes; equal texts are written alike. */
function textOf(part: Part | undefined): string | undefined {
  const text = part !== undefined && 'text' in part ? part.text : '';
  return /^"(?:[^"\\]|\\.)*"$/.test(text) ? text.slice(1, -1) : undefined;
}
