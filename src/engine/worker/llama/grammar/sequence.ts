/** Rules for lists of parts of which some may be left out, with commas in between: properties, and items without repetition. */
import { literal, type Part, type Rules, type Sequence } from './gbnf.ts';
import { work } from './work.ts';

/** `text` begins the part; after it follows `rest`. */
export interface Element {
  text: string;
  rest: Sequence;
  isRequired: boolean;
}

export interface Options {
  /** Further parts after the elements, any number of them; undefined for none. */
  extra?: Part | undefined;
  min: number;
  max: number;
  comma: Sequence;
}

/** Where the list stands: `at` an element, with `some` parts that count for `min` and `all` that count for `max`. */
interface Position {
  at: number;
  some: number;
  all: number;
  isFirst: boolean;
  hasExtra: boolean;
}

/** @returns the rule of the whole list. Repeated keys are one property, so that only the first extra part counts for `min`. */
export function writeList(rules: Rules, elements: readonly Element[], options: Options): Part {
  const { extra, min, max, comma } = options;
  const names = new Map<string, string>();
  const start = { at: 0, some: 0, all: 0, isFirst: true, hasExtra: false };

  const after = (position: Position, changes: Partial<Position>): Part => {
    const next: Position = { ...position, isFirst: false, ...changes };
    return ruleAt({
      ...next,
      some: Math.min(min, next.some),
      all: max === Infinity ? 0 : next.all,
    });
  };
  const ruleAt = (position: Position): Part => {
    const key = Object.values(position).join();
    const known = names.get(key);
    if (known !== undefined) return { rule: known };
    const name = rules.name('list');
    names.set(key, name);
    rules.define(name, alternativesAt(position));
    return { rule: name };
  };
  const alternativesAt = (position: Position): Sequence[] => {
    const { at, some, all, isFirst, hasExtra } = position;
    const required = elements.findIndex(({ isRequired }, index) => index >= at && isRequired);
    const open = required === -1 ? elements.slice(at) : elements.slice(at, required + 1);
    work(open.length);
    const mayGoOn = max === Infinity || all < max;
    const next = open.map(({ text, rest }, index) => {
      const then = after(position, { at: at + index + 1, some: some + 1, all: all + 1 });
      return { text, rest: rest.concat(then) };
    });
    const isEnd = required === -1;
    const mayHaveExtra = isEnd && mayGoOn && extra !== undefined;
    const more = {
      at: elements.length,
      some: some + Number(!hasExtra),
      all: all + 1,
      hasExtra: true,
    };
    const going = [
      ...(mayGoOn ? choose(rules, next) : []),
      ...(mayHaveExtra ? [[extra, after(position, more)]] : []),
    ];
    return [
      ...(isEnd && some >= min ? [[]] : []),
      ...(isFirst ? going : afterComma(rules, comma, going)),
    ];
  };
  return ruleAt(start);
}

/** One alternative, because alternatives that begin alike stay open together. */
function afterComma(rules: Rules, comma: Sequence, going: readonly Sequence[]): Sequence[] {
  if (going.length <= 1) return going.map((sequence) => [...comma, ...sequence]);
  const name = rules.name('next');
  rules.define(name, going);
  return [[...comma, { rule: name }]];
}

interface Choice {
  text: string;
  rest: Sequence;
}

/** A prefix tree, because the sampler tries every token of the vocabulary with each alternative that is open. */
export function choose(rules: Rules, choices: readonly Choice[]): Sequence[] {
  work(choices.length);
  const byFirst = Map.groupBy(choices, ({ text }) => Array.from(text)[0] ?? '');
  return [...byFirst].flatMap(([first, group]): Sequence[] => {
    if (group.length === 1 || first === '') {
      return group.map(({ text, rest }) => (text === '' ? rest : [literal(text), ...rest]));
    }
    const prefix = commonPrefix(group.map(({ text }) => text));
    const name = rules.name('choice');
    const shorter = group.map(({ text, rest }) => ({ text: text.slice(prefix.length), rest }));
    rules.define(name, choose(rules, shorter));
    return [[literal(prefix), { rule: name }]];
  });
}

function commonPrefix(texts: readonly string[]): string {
  const [first = '', ...others] = texts;
  let length = first.length;
  for (const text of others) {
    let same = 0;
    while (same < length && text[same] === first[same]) same += 1;
    length = same;
  }
  // Not between the halves of a surrogate pair.
  return /[\ud800-\udbff]$/.test(first.slice(0, length))
    ? first.slice(0, length - 1)
    : first.slice(0, length);
}
