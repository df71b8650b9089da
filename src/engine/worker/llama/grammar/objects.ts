/** The rules of an object. Used by json-schema.ts. */
import { baseRule } from './base-rules.ts';
import type { Case, Leaf } from './cases.ts';
import type { Node } from './document.ts';
import { literal, writeLanguage, type Part, type Sequence } from './gbnf.ts';
import type { Compilation } from './json-schema.ts';
import { isRecord } from './keywords.ts';
import { accepts, complement, intersect, words, type Language } from './language.ts';
import { writeList } from './sequence.ts';
import { propertyNodes } from './values.ts';

/** Each subset of the patterns may be those that match a name. */
const maxPatterns = 4;

export function writeObject(compilation: Compilation, leaves: Case): Sequence {
  const { rules, options } = compilation;
  const space = baseRule(rules, 'space');
  const required = new Set(leaves.flatMap(({ schema }) => (schema['required'] as string[]) ?? []));
  const declared = new Set([...leaves.flatMap(({ schema }) => namesIn(schema)), ...required]);
  const allowed = nameLanguage(compilation, leaves);
  const elements = [...declared].map((name) => ({
    text: `${JSON.stringify(name)}:`,
    rest:
      allowed !== undefined && !accepts(allowed, name)
        ? [{ rule: rules.name('nothing') }]
        : [space, compilation.ruleOf(nodesOf(compilation, leaves, name))],
    isRequired: required.has(name),
  }));
  const counting = leaves.find(
    ({ schema }) => Number(schema['minProperties'] ?? 0) > declared.size + 1,
  );
  if (counting !== undefined) options.cannotEnforce(counting, 'minProperties');
  const least = Math.max(0, ...leaves.map(({ schema }) => Number(schema['minProperties'] ?? 0)));
  const most = Math.min(...leaves.map(({ schema }) => Number(schema['maxProperties'] ?? Infinity)));
  const isCounted = most < declared.size || hasExtras(leaves, declared, least);
  const list = writeList(rules, elements, {
    extra: hasExtras(leaves, declared, least)
      ? extraProperty(compilation, leaves, [...declared], allowed)
      : undefined,
    min: least <= required.size ? 0 : Math.min(least, declared.size + 1),
    max: isCounted ? most : Infinity,
    comma: [literal(','), space],
  });
  return [literal('{'), space, list, space, literal('}')];
}

function namesIn({ properties }: Leaf['schema']): string[] {
  return isRecord(properties) ? Object.keys(properties) : [];
}

function nodesOf({ cases, texts }: Compilation, leaves: Case, name: string): Node[] {
  return leaves.flatMap((leaf) => propertyNodes(cases, texts, leaf, name));
}

/** The names that `propertyNames` allows, undefined for all. */
function nameLanguage({ cases, texts }: Compilation, leaves: Case): Language | undefined {
  const languages = leaves.flatMap((leaf) => {
    const { propertyNames } = leaf.schema;
    if (propertyNames === undefined) return [];
    const language = texts.names(cases.of([cases.below(leaf, propertyNames, 'propertyNames')]));
    return language === undefined ? [] : [language];
  });
  return languages.length === 0 ? undefined : intersect(languages);
}

/** Whether undeclared properties are written: where a keyword is about them, or there are no others. */
function hasExtras(leaves: Case, declared: ReadonlySet<string>, least: number): boolean {
  return (
    least > declared.size ||
    leaves.some(
      ({ schema }) =>
        (schema['additionalProperties'] ?? false) !== false ||
        Object.keys(schema['patternProperties'] ?? {}).length > 0,
    ) ||
    (declared.size === 0 &&
      leaves.every(({ schema }) => schema['additionalProperties'] === undefined))
  );
}

/** An undeclared property: its name decides by which patterns its value is described. */
function extraProperty(
  compilation: Compilation,
  leaves: Case,
  declared: readonly string[],
  allowed: Language | undefined,
): Part | undefined {
  const { rules, options } = compilation;
  const patterns = leaves.flatMap((leaf) =>
    Object.entries(leaf.schema['patternProperties'] ?? {}).map(([pattern, schema]) => ({
      leaf,
      pattern,
      schema,
    })),
  );
  if (patterns.length > maxPatterns) {
    options.refuse(
      patterns[0]!.leaf,
      `"patternProperties": expected at most ${maxPatterns} patterns`,
    );
  }
  const subsets = Array.from({ length: 2 ** patterns.length }, (_, bits) =>
    patterns.filter((_each, at) => (bits >> at) % 2 === 1),
  );
  const isOpen = leaves.every(({ schema }) => schema['additionalProperties'] !== false);
  const isAsked =
    patterns.length === 0 ||
    leaves.some(({ schema }) => (schema['additionalProperties'] ?? false) !== false);
  const alternatives = subsets.flatMap((subset): Sequence[] => {
    if (subset.length === 0 && !(isOpen && isAsked)) return [];
    const language = extraNames(compilation, { subset, patterns, declared, allowed });
    if (language?.isEmpty === true) return [];
    const nodes = leaves.flatMap((leaf) => {
      const own = subset.filter((each) => each.leaf === leaf);
      if (own.length > 0) {
        return own.map(({ pattern, schema }) =>
          compilation.cases.below(leaf, schema, 'patternProperties', pattern),
        );
      }
      const { additionalProperties } = leaf.schema;
      return additionalProperties === undefined
        ? []
        : [compilation.cases.below(leaf, additionalProperties, 'additionalProperties')];
    });
    const value = compilation.ruleOf(nodes);
    return [[...writeName(compilation, language), literal(':'), baseRule(rules, 'space'), value]];
  });
  const name = rules.name('property');
  rules.define(name, alternatives);
  return { rule: name };
}

interface Extra<Pattern> {
  subset: readonly Pattern[];
  patterns: readonly Pattern[];
  declared: readonly string[];
  allowed: Language | undefined;
}

/** Names that match the patterns of the subset and no other ones; undefined for all names. */
function extraNames(
  { texts }: Compilation,
  { subset, patterns, declared, allowed }: Extra<{ leaf: Leaf; pattern: string }>,
): Language | undefined {
  const languages = patterns.map((each) => {
    const language = texts.pattern(each.leaf, 'patternProperties', each.pattern) ?? words([]);
    return subset.includes(each) ? language : complement(language);
  });
  if (declared.length > 0) languages.push(complement(words(declared)));
  if (allowed !== undefined) languages.push(allowed);
  return languages.length === 0 ? undefined : intersect(languages);
}

function writeName({ rules }: Compilation, language: Language | undefined): Sequence {
  if (language === undefined) return [baseRule(rules, 'string')];
  return [literal('"'), writeLanguage(rules, language, 'in string'), literal('"')];
}
