/** Decides whether a value of `const` or `enum` is valid for what stands beside it. Used by json-schema.ts. */
import { isDeepStrictEqual } from 'node:util';
import type { Case, Cases, Leaf } from './cases.ts';
import type { Node } from './document.ts';
import { isRecord, typeOfValue } from './keywords.ts';
import { accepts } from './language.ts';
import type { Texts } from './texts.ts';
import { typesOf } from './types-of.ts';
import { work } from './work.ts';

interface Context {
  cases: Cases;
  texts: Texts;
}

export function isValid(context: Context, value: unknown, leaves: Case): boolean {
  work(1 + leaves.length);
  if (!typesOf(leaves, true).has(typeOfValue(value))) return false;
  return (
    leaves.every((leaf) => isAllowed(value, leaf)) &&
    (typeof value !== 'string' || isValidText(context, value, leaves)) &&
    (typeof value !== 'number' || isValidNumber(context, value, leaves)) &&
    leaves.every((leaf) => isValidWithin(context, value, leaf))
  );
}

function isValidAny(context: Context, value: unknown, node: Node): boolean {
  return context.cases.of([node]).some((leaves) => isValid(context, value, leaves));
}

function isAllowed(value: unknown, { schema }: Leaf): boolean {
  const { const: constant, enum: values, $not } = schema;
  return (
    (!('const' in schema) || isDeepStrictEqual(constant, value)) &&
    (!Array.isArray(values) || isIn(value, values)) &&
    !(Array.isArray($not) && isIn(value, $not))
  );
}

function isValidText({ texts }: Context, value: string, leaves: Case): boolean {
  const { language, least, most } = texts.strings(leaves);
  const { length } = Array.from(value);
  return length >= least && length <= most && (language === undefined || accepts(language, value));
}

function isValidNumber({ texts }: Context, value: number, leaves: Case): boolean {
  const language = texts.numbers(leaves);
  return language === undefined || accepts(language, JSON.stringify(value));
}

function isValidWithin(context: Context, value: unknown, leaf: Leaf): boolean {
  if (Array.isArray(value)) return isValidArray(context, value, leaf);
  return !isRecord(value) || isValidObject(context, value, leaf);
}

function isIn(item: unknown, others: readonly unknown[]): boolean {
  work(others.length / 10);
  if (typeof item !== 'object') return others.includes(item);
  return others.some((other) => isDeepStrictEqual(item, other));
}

function isValidArray(context: Context, value: readonly unknown[], leaf: Leaf): boolean {
  const { minItems = 0, maxItems = Infinity, uniqueItems, contains, ...rest } = leaf.schema;
  const { minContains = 1, maxContains = Infinity } = leaf.schema;
  const found =
    contains === undefined
      ? undefined
      : value.filter((item) =>
          isValidAny(context, item, context.cases.below(leaf, contains, 'contains')),
        ).length;
  return (
    value.length >= Number(minItems) &&
    value.length <= Number(maxItems) &&
    (uniqueItems !== true || value.every((item, at) => !isIn(item, value.slice(at + 1)))) &&
    (found === undefined || (found >= Number(minContains) && found <= Number(maxContains))) &&
    value.every((item, at) => {
      const node = itemNode(context.cases, leaf, at, rest);
      return node === undefined || isValidAny(context, item, node);
    })
  );
}

/** The schema of the item at an index, in the form of draft 2020-12 or of those before. */
export function itemNode(
  cases: Cases,
  leaf: Leaf,
  at: number,
  { prefixItems, items, additionalItems } = leaf.schema,
): Node | undefined {
  const [keyword, prefix, others, rest] = Array.isArray(items)
    ? ['items', items as unknown[], 'additionalItems', additionalItems]
    : ['prefixItems', (prefixItems ?? []) as unknown[], 'items', items];
  if (at < prefix.length) return cases.below(leaf, prefix[at], keyword, at);
  return rest === undefined ? undefined : cases.below(leaf, rest, others);
}

function isValidObject(
  context: Context,
  value: Readonly<Record<string, unknown>>,
  leaf: Leaf,
): boolean {
  const { cases, texts } = context;
  const { required = [], minProperties = 0, maxProperties = Infinity, propertyNames } = leaf.schema;
  const names = Object.keys(value);
  return (
    (required as string[]).every((name) => Object.hasOwn(value, name)) &&
    names.length >= Number(minProperties) &&
    names.length <= Number(maxProperties) &&
    (propertyNames === undefined ||
      names.every((name) =>
        isValidAny(context, name, cases.below(leaf, propertyNames, 'propertyNames')),
      )) &&
    names.every((name) =>
      propertyNodes(cases, texts, leaf, name).every((node) =>
        isValidAny(context, value[name], node),
      ),
    )
  );
}

/** The schemas within one schema that apply to the property. */
export function propertyNodes(
  { below }: Cases,
  { matchesPattern }: Texts,
  leaf: Leaf,
  name: string,
): Node[] {
  const { properties, patternProperties, additionalProperties } = leaf.schema;
  const own =
    isRecord(properties) && Object.hasOwn(properties, name)
      ? [below(leaf, properties[name], 'properties', name)]
      : [];
  const patterned = Object.entries(patternProperties ?? {})
    .filter(([pattern]) => matchesPattern(leaf, pattern, name))
    .map(([pattern, schema]) => below(leaf, schema, 'patternProperties', pattern));
  const found = [...own, ...patterned];
  if (found.length > 0 || additionalProperties === undefined) return found;
  return [below(leaf, additionalProperties, 'additionalProperties')];
}
