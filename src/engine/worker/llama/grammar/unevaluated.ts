/** `unevaluatedProperties` and `unevaluatedItems` in terms of other keywords. Used by cases.ts. */
import type { Case } from './cases.ts';
import type { Schema } from './keywords.ts';

/** What the keywords of a case leave unevaluated has to be valid for the two keywords of `schema`. */
export function describeUnevaluated(schema: Schema, all: Case): Schema {
  const { unevaluatedProperties, unevaluatedItems } = schema;
  const leaves = all.filter(({ isNegation }) => isNegation !== true).map((leaf) => leaf.schema);
  const has = (keyword: string): boolean => leaves.some((leaf) => leaf[keyword] !== undefined);
  const keysOf = (keyword: string): string[] =>
    leaves.flatMap((leaf) => Object.keys(leaf[keyword] ?? {}));
  const properties = {
    properties: allTrue(keysOf('properties')),
    patternProperties: allTrue(keysOf('patternProperties')),
    additionalProperties: unevaluatedProperties,
  };
  const lengths = leaves.map(({ prefixItems }) => lengthOf(prefixItems));
  const items = {
    prefixItems: Array.from({ length: Math.max(0, ...lengths) }, () => true),
    items: unevaluatedItems,
  };
  return {
    ...(unevaluatedProperties === undefined || has('additionalProperties') ? {} : properties),
    ...(unevaluatedItems === undefined || has('items') ? {} : items),
  };
}

function allTrue(keys: readonly string[]): Schema {
  return Object.fromEntries(keys.map((each) => [each, true]));
}

function lengthOf(items: unknown): number {
  return Array.isArray(items) ? items.length : 0;
}
