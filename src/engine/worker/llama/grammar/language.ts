/**
 * Sets of texts as finite automata over Unicode code points: what `pattern`, `format`, lengths, ranges of numbers and names of
 * properties allow. Used by text-schemas.ts and objects.ts.
 */
import { CharSet, DFA, JS, NFA, visitAst, type Element, type NoParent } from 'refa';
import { work } from './work.ts';

/** A deterministic finite automaton; its words are lists of code points. */
export type Language = DFA;

const maximum = 0x10ffff;
/** llama.cpp gives every state a rule. More states take over 100 ms to build. */
const maxStates = 4000;
const options = { maxCharacter: maximum };
/** Noncharacters stand for the two ends of a text, which the assertions `^` and `$` look for. */
const start = 0xfffe;
const end = 0xffff;
const ends = CharSet.fromCharacters(maximum, [start, end]);
/** Every character that a text may contain. */
const characters = CharSet.all(maximum).without({ min: 0xd800, max: 0xdfff }).without(ends);

/** Steps of a state, and of a range in a class of characters. */
const stateSteps = 30;
const rangeSteps = 20;

class States extends DFA.LimitedNodeFactory {
  override createNode(): DFA.Node {
    work(stateSteps);
    return super.createNode();
  }
}

class LooseStates extends NFA.LimitedNodeFactory {
  override createNode(): NFA.Node {
    work(stateSteps);
    return super.createNode();
  }
}

const states = () => new States(maxStates);
const looseStates = () => new LooseStates(2 * maxStates);

/** Minimising takes quadratic time. */
const maxMinimised = 500;

function minimal(language: Language): Language {
  language.removeUnreachable();
  const count = language.countNodes();
  if (count > maxMinimised) return language;
  work(count ** 2 / 5);
  language.minimize();
  return language;
}

function fromAlternatives(concat: NoParent<Element>[]): NFA {
  const expression = { type: 'Concatenation' as const, elements: concat };
  return NFA.fromRegex(expression, options, {}, looseStates());
}

function repeat(set: CharSet, min: number, max: number): NoParent<Element> {
  const one = { type: 'CharacterClass' as const, characters: set };
  const alternatives = [{ type: 'Concatenation' as const, elements: [one] }];
  return { type: 'Quantifier', alternatives, min, max, lazy: false };
}

/**
 * The texts in which an ECMA-262 pattern finds a match.
 * @throws SyntaxError for an invalid pattern; Error for one that is not regular (look-arounds, back-references, word boundaries) or
 * has more than `maxStates` states.
 */
export function matching(source: string): Language {
  const expression = parseBounded(source);
  visitAst(expression, {
    onConcatenationLeave(node) {
      node.elements = node.elements.map((element) => withMark(element)) as typeof node.elements;
    },
  });
  const alternatives = expression.alternatives;
  const found = fromAlternatives([
    repeat(characters.union([{ min: start, max: start }]), 0, Infinity),
    { type: 'Alternation', alternatives },
    repeat(characters.union([{ min: end, max: end }]), 0, Infinity),
  ]);
  const marked = DFA.fromIntersection(
    DFA.fromFA(found, states()),
    DFA.fromFA(
      fromAlternatives([
        repeat(CharSet.fromCharacter(maximum, start), 1, 1),
        repeat(characters, 0, Infinity),
        repeat(CharSet.fromCharacter(maximum, end), 1, 1),
      ]),
    ),
    states(),
  );
  return withoutMarks(marked);
}

/** `u` as JSON Schema recommends; without it where only that makes the pattern valid (`[\w\-]`). */
function parsePattern(source: string): JS.ParseResult {
  const parse = (flags: string) =>
    JS.Parser.fromLiteral({ source, flags }).parse({
      assertions: 'parse',
      backreferences: 'throw',
      maxNodes: maxStates,
    });
  try {
    return parse('u');
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return parse('');
  }
}

/** Each alternative is compared with the others. */
function countAlternatives(node: { alternatives: readonly unknown[] }): void {
  work(node.alternatives.length ** 2);
}

function parseBounded(source: string): JS.ParseResult['expression'] {
  const { expression } = parsePattern(source);
  visitAst(expression, {
    onExpressionEnter: countAlternatives,
    onAlternationEnter: countAlternatives,
    onCharacterClassEnter(node) {
      work(rangeSteps * node.characters.ranges.length);
      node.characters = node.characters.resize(maximum).intersect(characters);
    },
  });
  return expression;
}

/** Replaces `^` and `$`, which refa writes as "no character before" and "no character after". */
function withMark(element: NoParent<Element>): NoParent<Element> {
  if (element.type !== 'Assertion') return element;
  const [only, ...others] = element.alternatives;
  const [character, ...more] = only?.elements ?? [];
  const isEdge =
    element.negate &&
    others.length === 0 &&
    more.length === 0 &&
    character?.type === 'CharacterClass' &&
    character.characters.equals(characters);
  if (!isEdge) throw new Error('look-arounds and word boundaries are not regular enough');
  return repeat(CharSet.fromCharacter(maximum, element.kind === 'behind' ? start : end), 1, 1);
}

function withoutMarks(marked: Language): Language {
  const { initial, finals } = marked;
  const isFinal = (node: DFA.ReadonlyNode | undefined): boolean =>
    node !== undefined && finals.has(node as DFA.Node);
  const first = initial.out.get(start);
  if (first === undefined) return DFA.empty(options);
  const language = DFA.fromTransitionIterator<DFA.ReadonlyNode>(
    {
      initial: first,
      getOut(node) {
        const out = new Map<DFA.ReadonlyNode, CharSet>();
        for (const [range, to] of node.out) {
          const kept = CharSet.fromRange(maximum, range).without(ends);
          if (!kept.isEmpty) out.set(to, (out.get(to) ?? CharSet.empty(maximum)).union(kept));
        }
        return out;
      },
      isFinal: (node) => isFinal(node.out.get(end)),
    },
    options,
    states(),
  );
  return minimal(language);
}

/** The texts that match the pattern as a whole. It must have no assertions; `matching` takes four times as long. */
export function matchingWhole(source: string): Language {
  const loose = NFA.fromRegex(parseBounded(source), options, {}, looseStates());
  return minimal(DFA.fromFA(loose, states()));
}

/** @throws Error for more than `maxStates` characters. */
export function words(texts: readonly string[]): Language {
  const all = texts.map((text) => codePoints(text));
  return minimal(DFA.fromWords(all, options, states()));
}

export function codePoints(text: string): number[] {
  return Array.from(text, (character) => character.codePointAt(0)!);
}

/** Texts of `least` to `most` code points. */
export function ofLength(least: number, most: number): Language {
  const language = fromAlternatives([repeat(characters, least, most)]);
  return DFA.fromFA(language, states());
}

/** @throws Error when the intersection has more than `maxStates` states. */
export function intersect(languages: readonly Language[]): Language {
  return languages.reduce((one, two) => minimal(DFA.fromIntersection(one, two, states())));
}

export function union(languages: readonly Language[]): Language {
  const loose = NFA.empty(options);
  for (const language of languages) loose.union(language, looseStates());
  return minimal(DFA.fromFA(loose, states()));
}

/** Every other text. */
export function complement(language: Language): Language {
  const other = language.copy();
  other.complement();
  return intersect([other, ofLength(0, Infinity)]);
}

export function accepts(language: Language, text: string): boolean {
  work(text.length);
  return language.test(codePoints(text));
}

/** An automaton from a function: `next` gives the state after a character, or undefined where it is not allowed. */
export function fromStates<State extends string | number>(
  initial: State,
  alphabet: string,
  next: (state: State, character: string) => State | undefined,
  isFinal: (state: State) => boolean,
): Language {
  const iterator = {
    initial,
    isFinal,
    getOut(state: State) {
      const out = new Map<State, CharSet>();
      for (const character of alphabet) {
        const to = next(state, character);
        if (to === undefined) continue;
        const set = CharSet.fromCharacter(maximum, character.codePointAt(0)!);
        out.set(to, (out.get(to) ?? CharSet.empty(maximum)).union(set));
      }
      return out;
    },
  };
  return minimal(DFA.fromTransitionIterator(iterator, options, states()));
}
