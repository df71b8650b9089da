/** Decides whether JSON that is written for one case of a `oneOf` is surely invalid for another. In doubt it is not. Used by cases.ts. */
import { isDeepStrictEqual } from 'node:util';
import type { Case, Cases } from './cases.ts';
import type { Node } from './document.ts';
import { isRecord } from './keywords.ts';
import { typesOf, valuesOf } from './types-of.ts';
import { work } from './work.ts';

const maxDepth = 4;

export function excludes(
  made: Case,
  other: Case,
  casesOf: Cases['of'],
  below: Cases['below'],
  depth = 0,
): boolean {
  work(20);
  const [values, others] = [valuesOf(made), valuesOf(other)];
  if (values !== undefined && others !== undefined) {
    work((values.length * others.length) / 20);
    return !values.some((value) => others.some((each) => isDeepStrictEqual(value, each)));
  }
  const shared = [...typesOf(made)].filter((type) => typesOf(other, true).has(type));
  if (shared.length === 0) return true;
  if (depth >= maxDepth || shared.some((type) => type !== 'object')) return false;
  return (
    namesOf(made, 'required').some((name) => {
      const own = declared(made, name, below);
      const foreign = declared(other, name, below);
      if (own.length === 0 || foreign.length === 0) return false;
      return casesOf(own).every((one) =>
        casesOf(foreign).every((two) => excludes(one, two, casesOf, below, depth + 1)),
      );
    }) || namesOf(other, 'required').some((name) => isForbidden(made, name))
  );
}

function isForbidden(leaves: Case, name: string): boolean {
  return leaves.some(
    ({ schema }) =>
      schema['additionalProperties'] === false &&
      schema['patternProperties'] === undefined &&
      !keys(schema['properties']).includes(name),
  );
}

/** A name that every case of `others` requires and no case of `made` mentions. */
export function missingName(made: readonly Case[], others: readonly Case[]): string | undefined {
  const [first, ...more] = others.map((leaves) => namesOf(leaves, 'required'));
  const leaves = made.flat();
  const known = new Set(leaves.flatMap(({ schema }) => keys(schema['properties'])));
  for (const name of namesOf(leaves, 'required')) known.add(name);
  return first?.find((name) => !known.has(name) && more.every((names) => names.includes(name)));
}

function declared(leaves: Case, name: string, below: Cases['below']): Node[] {
  return leaves.flatMap((leaf) => {
    const { properties } = leaf.schema;
    return isRecord(properties) && Object.hasOwn(properties, name)
      ? [below(leaf, properties[name], 'properties', name)]
      : [];
  });
}

function namesOf(leaves: Case, keyword: string): string[] {
  return leaves.flatMap(({ schema }) => (schema[keyword] as string[] | undefined) ?? []);
}

function keys(value: unknown): string[] {
  return isRecord(value) ? Object.keys(value) : [];
}
