/** What a case allows of strings and of numbers, as languages. Used by json-schema.ts and values.ts. */
import type { Case, CaseOptions, Leaf } from './cases.ts';
import { formatLanguage, formatPatterns, numberFormats } from './formats.ts';
import {
  accepts,
  complement,
  intersect,
  matching,
  matchingWhole,
  ofLength,
  union,
  words,
  type Language,
} from './language.ts';
import { numbersWithin, type Limit } from './numbers.ts';
import { typesOf, valuesOf } from './types-of.ts';
import { TooMuchWorkError } from './work.ts';

export interface Texts {
  /** The strings of a case; `language` is undefined where only their length is limited. */
  strings(leaves: Case): Strings;
  /** The texts of the numbers of a case; undefined where they are not limited. */
  numbers(leaves: Case, types?: ReadonlySet<string>): Language | undefined;
  /** The strings of any of the cases, undefined for all strings. */
  names(cases: readonly Case[]): Language | undefined;
  readonly matchesPattern: (leaf: Leaf, pattern: string, text: string) => boolean;
  /** The texts that match; undefined for a pattern that no grammar can hold. */
  readonly pattern: (leaf: Leaf, keyword: string, pattern: string) => Language | undefined;
}

export interface Strings {
  language: Language | undefined;
  least: number;
  most: number;
}

/** Longer strings exceed llama.cpp's limit on repetitions. They are also longer than a small model's answers. */
const maxCharacters = 1999;

export function createTexts(options: CaseOptions): Texts {
  const patterns = new Map<string, Language | undefined>();
  const pattern: Texts['pattern'] = (leaf, keyword, source) => {
    if (!patterns.has(source)) {
      patterns.set(
        source,
        attempt(options, leaf, keyword, () => matching(source)),
      );
    }
    return patterns.get(source);
  };
  const strings = remember((leaves) => stringsOf(options, pattern, leaves));
  const openNumbers = remember((leaves) => numbersOf(options, leaves, typesOf(leaves, true)));
  return {
    pattern,
    strings,
    numbers: (leaves, types) =>
      types === undefined ? openNumbers(leaves) : numbersOf(options, leaves, types),
    names: (cases) => {
      const languages = cases.map((leaves) => namesIn(strings, leaves));
      return languages.includes(undefined) ? undefined : union(languages as Language[]);
    },
    matchesPattern(leaf, source, text) {
      const language = pattern(leaf, 'pattern', source);
      return language !== undefined && accepts(language, text);
    },
  };
}

/** Each value of a long `enum` is checked against the same case. */
function remember<T>(create: (leaves: Case) => T): (leaves: Case) => T {
  const known = new WeakMap<Case, { value: T }>();
  return (leaves) => {
    const made = known.get(leaves) ?? { value: create(leaves) };
    known.set(leaves, made);
    return made.value;
  };
}

/** Undefined where the language cannot be made, which `cannotEnforce` has then reported. */
function attempt(
  options: CaseOptions,
  leaf: Leaf,
  keyword: string,
  create: () => Language,
): Language | undefined {
  try {
    return create();
  } catch (error) {
    if (error instanceof TooMuchWorkError) throw error;
    if (error instanceof SyntaxError) {
      return options.refuse(leaf, `"${keyword}": ${error.message}`);
    }
    options.cannotEnforce(leaf, keyword, 'write a simpler one');
    return undefined;
  }
}

function stringsOf(options: CaseOptions, pattern: Texts['pattern'], leaves: Case): Strings {
  const least = Math.max(0, ...leaves.flatMap(({ schema }) => numberIn(schema['minLength'])));
  const most = Math.min(Infinity, ...leaves.flatMap(({ schema }) => numberIn(schema['maxLength'])));
  const languages = leaves.flatMap((leaf) => languagesOf(options, pattern, leaf));
  const [leaf] = leaves;
  if (languages.length > 0 && leaf !== undefined) {
    const lengths = least > 0 || most < Infinity ? [() => ofLength(least, most)] : [];
    const language = attempt(options, leaf, 'pattern', () =>
      intersect([...languages, ...lengths.map((create) => create())]),
    );
    if (language !== undefined) return { language, least: 0, most: Infinity };
  }
  const long = leaves.find(({ schema }) => Number(schema['minLength']) > maxCharacters);
  if (long !== undefined) options.cannotEnforce(long, 'minLength');
  const limit = most === Infinity ? most : Math.min(most, maxCharacters);
  return { language: undefined, least: Math.min(least, maxCharacters), most: limit };
}

function languagesOf(options: CaseOptions, pattern: Texts['pattern'], leaf: Leaf): Language[] {
  const { pattern: source, $notPattern, format, $not } = leaf.schema;
  const languages: (Language | undefined)[] = [];
  if (typeof source === 'string') languages.push(pattern(leaf, 'pattern', source));
  if (typeof $notPattern === 'string') {
    const other = pattern(leaf, 'not', $notPattern);
    languages.push(other === undefined ? words([]) : complement(other));
  }
  if (typeof format === 'string' && !numberFormats.has(format)) {
    const known = Object.hasOwn(formatPatterns, format) ? formatPatterns[format] : undefined;
    if (known === undefined) options.cannotEnforce(leaf, 'format');
    else languages.push(formatLanguage(format));
  }
  const excluded = Array.isArray($not) ? $not.filter((value) => typeof value === 'string') : [];
  if (excluded.length > 0) languages.push(complement(words(excluded)));
  return languages.filter((language) => language !== undefined);
}

function numberIn(value: unknown): number[] {
  return typeof value === 'number' ? [value] : [];
}

function numbersOf(
  options: CaseOptions,
  leaves: Case,
  types: ReadonlySet<string>,
): Language | undefined {
  const limit = (keyword: string, isExclusive: boolean): Limit[] =>
    leaves.flatMap(({ schema }) =>
      numberIn(schema[keyword]).map((value) => ({ value, isExclusive })),
    );
  const lower = [...limit('minimum', false), ...limit('exclusiveMinimum', true)];
  const upper = [...limit('maximum', false), ...limit('exclusiveMaximum', true)];
  const divided = leaves.filter(({ schema }) => schema['multipleOf'] !== undefined);
  const excluded = leaves.flatMap(({ schema }) =>
    Array.isArray(schema['$not']) ? schema['$not'].flatMap((value) => numberIn(value)) : [],
  );
  const isInteger = !types.has('fraction');
  const isFraction = !types.has('integer');
  if (lower.length + upper.length + divided.length + excluded.length === 0 && !isFraction) {
    return undefined;
  }
  const limits = { isInteger, least: tightest(lower, 1), most: tightest(upper, -1) };
  const within = numbersWithin({ ...limits, multiplesOf: [] });
  const multiples = divided.flatMap((leaf) => {
    const multiplesOf = [Number(leaf.schema['multipleOf'])];
    const language = attempt(options, leaf, 'multipleOf', () =>
      numbersWithin({ ...limits, multiplesOf }),
    );
    return language === undefined ? [] : [language];
  });
  const others = excluded.map((value) => complement(matchingWhole(spellingsOf(value))));
  const fractions = isFraction ? [matchingWhole(String.raw`.*\.[0-9]*[1-9][0-9]*`)] : [];
  return intersect([within, ...multiples, ...others, ...fractions]);
}

/** The tightest of the lower limits (`side` 1), or of the upper ones (-1). */
function tightest(limits: readonly Limit[], side: 1 | -1): Limit | undefined {
  return limits.toSorted(
    (a, b) => side * (b.value - a.value) || Number(b.isExclusive) - Number(a.isExclusive),
  )[0];
}

/** Every text of the same number in a grammar without exponents. */
function spellingsOf(value: number): string {
  const text = String(value).replace('.', String.raw`\.`);
  return Number.isInteger(value) ? String.raw`${text}(?:\.0*)?` : `${text}0*`;
}

function namesIn(strings: Texts['strings'], leaves: Case): Language | undefined {
  const values = valuesOf(leaves)?.filter((value) => typeof value === 'string');
  if (!typesOf(leaves, true).has('string')) return words([]);
  const { language, least, most } = strings(leaves);
  const isLimited = least > 0 || most < Infinity;
  const limits = [language, isLimited ? ofLength(least, most) : undefined].filter(
    (each) => each !== undefined,
  );
  if (values !== undefined) limits.push(words(values));
  return limits.length === 0 ? undefined : intersect(limits);
}
