/** Writes grammars in GBNF, the form of llama.cpp (grammars/README.md there): rules, literals, character classes, repetitions. */
import type { CharSet, DFA } from 'refa';
import { createOpenCosts, maxOpenCost, maxOpenTogether, mostOpen } from './alternatives.ts';
import { mostOpenTogether, mostTogether } from './ambiguity.ts';
import { work } from './work.ts';

/** `text` is GBNF that stands for itself; `rule` is the name of another rule, repeated `min` to `max` times (once by default). */
export type Part = { text: string } | { rule: string; min?: number; max?: number };
export type Sequence = readonly Part[];

export interface Rules {
  /** Keywords of schemas that the rules do not enforce. */
  readonly dropped: Set<string>;
  /** Defines a rule by its alternatives. @throws GrammarTooLargeError */
  define(name: string, alternatives: readonly Sequence[]): void;
  has(name: string): boolean;
  /** Whether finite text follows the rule. */
  ends(name: string): boolean;
  /** A name that is not in use. */
  name(prefix: string): string;
  /**
   * The grammar that begins with `root`. Rules that cannot end (endless recursion, an impossible alternative) are left out; undefined
   * where that is `root` itself. @throws GrammarTooLargeError
   */
  write(root: string): string | undefined;
}

/** llama.cpp compiles 50,000 parts in 60 ms, in which nothing else is decoded. */
const maxParts = 50_000;

export class GrammarTooLargeError extends Error {}

function tooManyParts(): Error {
  return new GrammarTooLargeError(
    `expected a schema whose values, names and limits give a grammar of at most ${maxParts} parts`,
  );
}

/** As many as the cases of one union. */
const maxTogether = 64;

function tooManyTogether(): Error {
  return new GrammarTooLargeError(
    'expected alternatives that differ before they nest. Begin each with a property that has a value of its own, such as "type", and require it',
  );
}

function tooManyOpen(): Error {
  return new GrammarTooLargeError(
    `expected a schema with fewer alternatives at one place: at most ${maxOpenCost} values or names that differ in their first character, or ${Math.floor(maxOpenCost / 6)} patterns`,
  );
}

function tooManyOpenTogether(): Error {
  return new GrammarTooLargeError(
    `expected fewer alternatives that begin alike, or fewer values and names in each: at most ${maxOpenTogether} in all of them together. Begin each with a property that has a value of its own, such as "type", and require it`,
  );
}

export function createRules(): Rules {
  const rules = new Map<string, readonly Sequence[]>();
  const ending = new Set<string>();
  /** Rules that are not known to end: each is looked at again until one pass adds none. */
  const pending = new Set<string>();
  let parts = 0;
  let names = 0;
  return {
    dropped: new Set(),
    define(name, alternatives) {
      const size = alternatives.reduce((sum, sequence) => sum + sizeOf(sequence), 1);
      work(size);
      parts += size;
      if (parts > maxParts) throw tooManyParts();
      rules.set(name, alternatives);
      pending.add(name);
    },
    has: (name) => rules.has(name),
    ends(name) {
      findEnding(rules, pending, ending);
      return ending.has(name);
    },
    name: (prefix) => `${prefix}-${names++}`,
    write(root) {
      findEnding(rules, pending, ending);
      const kept = withoutEndless(rules, ending);
      if (!kept.has(root)) return undefined;
      const costs = createOpenCosts(kept);
      if (mostOpen(kept, costs) > maxOpenCost) throw tooManyOpen();
      if (mostTogether(kept, root) > maxTogether) throw tooManyTogether();
      if (mostOpenTogether(kept, root, costs) > maxOpenTogether) throw tooManyOpenTogether();
      return inOrder(kept, root).join('\n');
    },
  };
}

/** llama.cpp writes a repetition out. */
function sizeOf(sequence: Sequence): number {
  return sequence.reduce((sum, part) => {
    if ('text' in part) return sum + part.text.length / 8;
    const { min = 1, max = 1 } = part;
    return sum + 1 + (max === Infinity ? min : max);
  }, 1);
}

function createEnds(ending: ReadonlySet<string>): (part: Part) => boolean {
  return (part) => 'text' in part || part.min === 0 || ending.has(part.rule);
}

/** Moves the rules that can end from `pending` to `ending`. */
function findEnding(
  rules: ReadonlyMap<string, readonly Sequence[]>,
  pending: Set<string>,
  ending: Set<string>,
): void {
  const ends = createEnds(ending);
  for (let before = -1; before < ending.size;) {
    before = ending.size;
    for (const name of pending) {
      const alternatives = rules.get(name)!;
      work(alternatives.length);
      if (!alternatives.some((sequence) => sequence.every(ends))) continue;
      ending.add(name);
      pending.delete(name);
    }
  }
}

function withoutEndless(
  rules: ReadonlyMap<string, readonly Sequence[]>,
  ending: ReadonlySet<string>,
): Map<string, readonly Sequence[]> {
  const ends = createEnds(ending);
  // A repetition that may be empty, of a rule that cannot end, is empty.
  const kept = [...rules]
    .filter(([name]) => ending.has(name))
    .map(([name, alternatives]): [string, readonly Sequence[]] => [
      name,
      alternatives
        .filter((sequence) => sequence.every(ends))
        .map((sequence) => sequence.filter((part) => 'text' in part || ending.has(part.rule))),
    ]);
  return new Map(kept);
}

/** Rules before those that use them: llama.cpp halves the limit on repetitions of a rule that it has not read yet. */
function inOrder(rules: ReadonlyMap<string, readonly Sequence[]>, root: string): string[] {
  const lines: string[] = [];
  const seen = new Set<string>([root]);
  const stack: { name: string; uses: string[] }[] = [{ name: root, uses: uses(rules, root) }];
  for (;;) {
    const top = stack.at(-1);
    if (top === undefined) return lines;
    const next = top.uses.pop();
    if (next === undefined) {
      lines.push(writeRule(top.name, rules.get(top.name)!));
      stack.pop();
    } else if (!seen.has(next)) {
      seen.add(next);
      stack.push({ name: next, uses: uses(rules, next) });
    }
  }
}

function uses(rules: ReadonlyMap<string, readonly Sequence[]>, name: string): string[] {
  return rules
    .get(name)!
    .flatMap((sequence) => sequence.flatMap((part) => ('rule' in part ? [part.rule] : [])));
}

function writeRule(name: string, alternatives: readonly Sequence[]): string {
  return `${name} ::= ${alternatives.map((sequence) => writeSequence(sequence)).join(' | ')}`;
}

function writeSequence(sequence: Sequence): string {
  return sequence.length === 0 ? '""' : sequence.map((part) => writePart(part)).join(' ');
}

function writePart(part: Part): string {
  if ('text' in part) return part.text;
  const { rule, min = 1, max = 1 } = part;
  if (min === 1 && max === 1) return rule;
  return `${rule}{${min},${max === Infinity ? '' : max}}`;
}

/** GBNF has the escapes of JSON, but for control characters. An escaped backslash is one escape, whatever follows it. */
export function literal(text: string): Part {
  return { text: JSON.stringify(text).replaceAll(/\\(?:u00(..)|.)/g, toEscape) };
}

function toEscape(found: string, code: string | undefined): string {
  if (code !== undefined) return `\\x${code}`;
  if (found === '\\b') return '\\x08';
  return found === '\\f' ? '\\x0c' : found;
}

function characterClass(set: CharSet): Part {
  const ranges = set.ranges.map(({ min, max }) =>
    min === max ? escaped(min) : `${escaped(min)}-${escaped(max)}`,
  );
  return { text: `[${ranges.join('')}]` };
}

function escaped(code: number): string {
  const character = String.fromCodePoint(code);
  if (/[a-z0-9 ]/i.test(character)) return character;
  if (code <= 0xff) return `\\x${code.toString(16).padStart(2, '0')}`;
  return code <= 0xffff
    ? `\\u${code.toString(16).padStart(4, '0')}`
    : `\\U${code.toString(16).padStart(8, '0')}`;
}

/** Characters that a JSON string contains only escaped. More of them than this at one place are left out, but for these. */
const maxEscapes = 8;
const usualEscapes = new Set([0x09, 0x0a, 0x0d]);

function isEscaped(code: number): boolean {
  return code < 0x20 || code === 0x22 || code === 0x5c;
}

/** Each character as JSON writes it within a string. */
function inString(set: CharSet): Part[] {
  const special: number[] = [];
  for (let code = 0; code <= 0x5c; code++) if (isEscaped(code) && set.has(code)) special.push(code);
  const plain = special
    .reduce((rest, code) => rest.without({ min: code, max: code }), set)
    .without({ min: 0xd800, max: 0xdfff });
  const controls = special.filter((code) => code < 0x20);
  const written =
    controls.length > maxEscapes
      ? special.filter((code) => code >= 0x20 || usualEscapes.has(code))
      : special;
  return [
    ...(plain.isEmpty ? [] : [characterClass(plain)]),
    ...written.map((code) => literal(JSON.stringify(String.fromCodePoint(code)).slice(1, -1))),
  ];
}

/** Defines rules for the words of `language`, as they stand, or as JSON writes them within a string. @returns the first rule. */
export function writeLanguage(rules: Rules, language: DFA, form: 'plain' | 'in string'): Part {
  const names = new Map<DFA.ReadonlyNode, string>();
  const isFinal = (node: DFA.ReadonlyNode): boolean => language.finals.has(node as DFA.Node);
  const nameOf = (node: DFA.ReadonlyNode): string => {
    const known = names.get(node);
    if (known !== undefined) return known;
    const name = rules.name('text');
    names.set(node, name);
    const alternatives = [...node.out.invert(language.maxCharacter)].flatMap(([to, set]) => {
      const parts = form === 'plain' ? [characterClass(set)] : inString(set);
      const rest = follow(to);
      return parts.map((part) => [part].concat(rest));
    });
    rules.define(name, isFinal(node) ? [[], ...alternatives] : alternatives);
    return name;
  };
  /** One literal for the characters that have no alternative. */
  const follow = (first: DFA.ReadonlyNode): Part[] => {
    let node = first;
    let text = '';
    for (let only = onlyCharacter(node); only !== undefined && !isFinal(node);) {
      text += String.fromCodePoint(only[0].min);
      node = only[1];
      only = onlyCharacter(node);
    }
    const written = form === 'plain' ? text : JSON.stringify(text).slice(1, -1);
    const before = text === '' ? [] : [literal(written)];
    return isFinal(node) && node.out.isEmpty ? before : [...before, { rule: nameOf(node) }];
  };
  return { rule: nameOf(language.initial) };
}

function onlyCharacter(node: DFA.ReadonlyNode) {
  const [only, ...more] = node.out;
  return only !== undefined && more.length === 0 && only[0].min === only[0].max ? only : undefined;
}
