/** The rules of an array. Used by json-schema.ts. */
import { baseRule } from './base-rules.ts';
import type { Case } from './cases.ts';
import type { Node } from './document.ts';
import { literal, type Sequence } from './gbnf.ts';
import type { Compilation } from './json-schema.ts';
import { writeList } from './sequence.ts';
import { valuesOf } from './types-of.ts';
import { isValid, itemNode } from './values.ts';

/** llama.cpp's limit on repetitions is below 2,000, and half of that for recursive rules. */
const maxItems = 1000;
/** Items without repetition are written in the order of their values. */
const maxUniqueValues = 256;

export function writeArray(compilation: Compilation, leaves: Case): Sequence {
  const { rules, options } = compilation;
  const space = baseRule(rules, 'space');
  const least = limit(leaves, 'minItems', Math.max, 0);
  const most = limit(leaves, 'maxItems', Math.min, Infinity);
  const unique = leaves.find(({ schema }) => schema['uniqueItems'] === true);
  const isWritten = unique !== undefined && most > 1;
  const content = (isWritten && writeUnique(compilation, leaves, least, most)) || undefined;
  if (isWritten && content === undefined) options.cannotEnforce(unique, 'uniqueItems');
  return [
    literal('['),
    space,
    ...(content ?? writeItems(compilation, leaves, least, most)),
    literal(']'),
  ];
}

function limit(
  leaves: Case,
  keyword: string,
  choose: (...values: number[]) => number,
  none: number,
): number {
  return choose(none, ...leaves.map(({ schema }) => Number(schema[keyword] ?? none)));
}

/** The schemas of the item at an index. */
function nodesAt({ cases }: Compilation, leaves: Case, at: number): Node[] {
  return leaves.flatMap((leaf) => {
    const { contains, minContains, maxContains } = leaf.schema;
    const item = itemNode(cases, leaf, at);
    const own = item === undefined ? [] : [item];
    if (contains === undefined) return own;
    const contained = cases.below(leaf, contains, 'contains');
    // The first items are those that it has to contain.
    if (at < Number(minContains ?? 1)) return [...own, contained];
    return maxContains === undefined ? own : [...own, { ...contained, schema: negated(contains) }];
  });
}

const negations = new WeakMap<object, object>();

function negated(schema: unknown): unknown {
  if (typeof schema !== 'object' || schema === null) return schema !== true;
  const known = negations.get(schema) ?? { not: schema };
  negations.set(schema, known);
  return known;
}

/** How many items have a schema of their own. */
function prefixLength(leaves: Case): number {
  return Math.max(
    0,
    ...leaves.flatMap(({ schema }) => {
      const { prefixItems, items, contains, minContains } = schema;
      const lists = [prefixItems, items].filter((list) => Array.isArray(list));
      return [
        ...lists.map((list) => list.length),
        ...(contains === undefined ? [] : [Number(minContains ?? 1)]),
      ];
    }),
  );
}

function writeItems(compilation: Compilation, leaves: Case, least: number, most: number): Sequence {
  const { rules, options } = compilation;
  const space = baseRule(rules, 'space');
  const between = [literal(','), space];
  const needed = Math.max(least, ...leaves.map((leaf) => leastContained(leaf.schema)));
  const prefix = Math.min(prefixLength(leaves), most);
  const rest = nodesAt(compilation, leaves, prefixLength(leaves));
  // Items after those with a schema of their own are written only where they have a schema, or are needed.
  const isOpen = rest.length > 0 || prefixLength(leaves) === 0 || needed > prefix;
  const last = isOpen ? most : Math.min(most, prefix);
  const [leaf] = leaves;
  if (Math.max(needed, prefix) > maxItems && leaf !== undefined) {
    options.refuse(leaf, `expected at most ${maxItems} items that are needed`);
  }
  const isContradiction = leaves.some(
    ({ schema }) => leastContained(schema) > Number(schema['maxContains'] ?? Infinity),
  );
  if (needed > last || isContradiction) return [{ rule: rules.name('nothing') }];
  let written: Sequence = [space];
  if (last > prefix) {
    const item = compilation.ruleOf(rest);
    const more = rules.name('item');
    rules.define(more, [[...between, item]]);
    const min = Math.max(0, needed - Math.max(1, prefix));
    const max = last === Infinity ? Infinity : Math.min(last, maxItems) - Math.max(1, prefix);
    const others = { rule: more, min, max: Math.max(min, max) };
    written =
      prefix > 0
        ? [others, space]
        : optional(compilation, [item, others, space], needed > 0, [space]);
  }
  for (let at = prefix - 1; at >= 0; at--) {
    const item = compilation.ruleOf(nodesAt(compilation, leaves, at));
    const whole = [...(at === 0 ? [] : between), item, ...written];
    written = optional(compilation, whole, needed > at, [space]);
  }
  return written;
}

function leastContained({ contains, minContains }: Case[number]['schema']): number {
  return contains === undefined ? 0 : Number(minContains ?? 1);
}

function optional(
  { rules }: Compilation,
  sequence: Sequence,
  isNeeded: boolean,
  otherwise: Sequence,
): Sequence {
  if (isNeeded) return sequence;
  const name = rules.name('items');
  rules.define(name, [otherwise, sequence]);
  return [{ rule: name }];
}

/** Undefined where the items are not a short list of values. */
function writeUnique(
  compilation: Compilation,
  leaves: Case,
  least: number,
  most: number,
): Sequence | undefined {
  const { rules, cases } = compilation;
  if (prefixLength(leaves) > 0) return undefined;
  const texts = new Set<string>();
  for (const item of cases.of(nodesAt(compilation, leaves, 0))) {
    const values = valuesOf(item);
    if (values === undefined) return undefined;
    for (const value of values) {
      if (isValid(compilation, value, item)) texts.add(JSON.stringify(value));
    }
  }
  if (texts.size > maxUniqueValues) return undefined;
  const space = baseRule(rules, 'space');
  const elements = [...texts].map((text) => ({ text, rest: [], isRequired: false }));
  const options = { min: least, max: most, comma: [literal(','), space] };
  return [writeList(rules, elements, options), space];
}
