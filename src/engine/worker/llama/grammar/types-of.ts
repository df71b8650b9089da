/** The types and values that a case allows. Used by json-schema.ts and exclusion.ts. */
import { isDeepStrictEqual } from 'node:util';
import type { Case } from './cases.ts';
import { guessTypes, jsonTypes, typeOfValue } from './keywords.ts';
import { work } from './work.ts';

/** The values that `const` and `enum` list, undefined where there are no such keywords. */
export function valuesOf(leaves: Case): readonly unknown[] | undefined {
  const lists = leaves.flatMap(({ schema }) => [
    ...('const' in schema ? [[schema['const']]] : []),
    ...(Array.isArray(schema['enum']) ? [schema['enum'] as unknown[]] : []),
  ]);
  const [first, ...others] = lists;
  if (first !== undefined) for (const list of others) work((first.length * list.length) / 20);
  return first?.filter((value) =>
    others.every((list) => list.some((each) => isDeepStrictEqual(each, value))),
  );
}

/**
 * Without `type`, the types that its keywords are about; with `isOpen` all of them, as JSON Schema has it.
 */
export function typesOf(leaves: Case, isOpen = false): ReadonlySet<string> {
  const stated = leaves.flatMap(({ schema }) => [
    ...(schema['type'] === undefined ? [] : [namedTypes([schema['type']].flat().map(String))]),
    ...(Array.isArray(schema['$types']) ? [schema['$types'] as string[]] : []),
  ]);
  const values = valuesOf(leaves);
  if (values !== undefined) stated.push(values.map((value) => typeOfValue(value)));
  if (stated.length > 0) {
    return new Set(jsonTypes.filter((type) => stated.every((types) => types.includes(type))));
  }
  const guessed = isOpen ? [] : guessTypes(leaves.flatMap(({ schema }) => Object.keys(schema)));
  return new Set(guessed.length === 0 ? jsonTypes : guessed);
}

function namedTypes(types: readonly string[]): string[] {
  return types.includes('number') ? [...types, 'integer', 'fraction'] : [...types];
}
