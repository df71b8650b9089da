/**
 * Decides whether JSON generated for one schema may be valid for another as well, which `oneOf` forbids. In doubt it may. Used by
 * json-schema.ts.
 */
import { isDeepStrictEqual } from 'node:util';
import { guessType, isRecord, typeOfValue, type Schema } from './json-schema-types.ts';

interface Comparison {
  /** The target of a `$ref`, or undefined. */
  resolve(reference: unknown): unknown;
  /** Remaining comparisons, and the depth of this one: recursive schemas could be compared without end. */
  left: number;
  depth: number;
}

const maxComparisons = 20_000;
const maxDepth = 32;
const maxReferences = 8;
const allTypes = ['null', 'boolean', 'number', 'string', 'array', 'object'];

/** Whether two of the schemas cannot be told apart by type, values or a property. */
export function mayOverlap(schemas: readonly unknown[], resolve: Comparison['resolve']): boolean {
  const comparison: Comparison = { resolve, left: maxComparisons, depth: 0 };
  return schemas.some((made, index) =>
    schemas.some((other, at) => at !== index && !excludes(made, other, comparison)),
  );
}

/** Whether no JSON generated for `made` is valid for `other`. */
function excludes(made: unknown, other: unknown, comparison: Comparison): boolean {
  comparison.left -= 1;
  if (comparison.left < 0 || comparison.depth >= maxDepth) return false;
  comparison.depth += 1;
  const excluded = compare(follow(made, comparison), follow(other, comparison), comparison);
  comparison.depth -= 1;
  return excluded;
}

function compare(
  one: Schema | undefined,
  two: Schema | undefined,
  comparison: Comparison,
): boolean {
  if (one === undefined || two === undefined) return false;
  const choices = one['anyOf'] ?? one['oneOf'];
  if (Array.isArray(choices)) return choices.every((each) => excludes(each, two, comparison));
  const others = two['anyOf'] ?? two['oneOf'];
  if (Array.isArray(others)) return others.every((each) => excludes(one, each, comparison));
  const otherTypes = typesOf(two) ?? allTypes;
  const guessed = guessType(one);
  const types = typesOf(one) ?? (guessed === undefined ? allTypes : [guessed]);
  const shared = types.filter((type) => otherTypes.includes(type));
  if (shared.length === 0) return true;
  const values = valuesOf(one);
  const otherValues = valuesOf(two);
  if (values !== undefined && otherValues !== undefined) {
    return !values.some((value) => otherValues.some((each) => isDeepStrictEqual(value, each)));
  }
  return shared.every((type) => type === 'object') && objectsExclude(one, two, comparison);
}

/** The generated object has every declared property, except optional ones that contain a $ref, and nothing else. */
function objectsExclude(made: Schema, other: Schema, comparison: Comparison): boolean {
  const own = isRecord(made['properties']) ? made['properties'] : {};
  const foreign = isRecord(other['properties']) ? other['properties'] : {};
  const required = namesIn(made['required']);
  const names = new Set([...Object.keys(own), ...required]);
  if (names.size === 0) return false;
  if (namesIn(other['required']).some((name) => !names.has(name))) return true;
  const { additionalProperties, patternProperties } = other;
  const isClosed = additionalProperties === false && patternProperties === undefined;
  return [...names].some((name) => {
    const schema = Object.hasOwn(own, name) ? own[name] : true;
    const isCertain =
      required.includes(name) || (isRecord(schema) && valuesOf(schema) !== undefined);
    if (!isCertain) return false;
    return Object.hasOwn(foreign, name) ? excludes(schema, foreign[name], comparison) : isClosed;
  });
}

function namesIn(names: unknown): string[] {
  return Array.isArray(names) ? names.map(String) : [];
}

function follow(schema: unknown, comparison: Comparison): Schema | undefined {
  let found = schema;
  for (let steps = 0; steps < maxReferences && isRecord(found); steps++) {
    const { $ref, allOf } = found;
    if ($ref !== undefined) found = comparison.resolve($ref);
    else if (Array.isArray(allOf) && allOf.length === 1) found = allOf[0];
    else return found;
  }
  return undefined;
}

function valuesOf({ const: value, enum: values, nullable }: Schema): unknown[] | undefined {
  const listed = value === undefined ? values : [value];
  if (!Array.isArray(listed)) return undefined;
  return nullable === true ? [...(listed as unknown[]), null] : listed;
}

/** Integers count as numbers, because a schema of one may overlap with a schema of the other. */
function typesOf(schema: Schema): string[] | undefined {
  const { type, nullable } = schema;
  const named = type ?? valuesOf(schema)?.map((value) => typeOfValue(value));
  if (named === undefined) return undefined;
  const types = ([named].flat() as string[]).map((each) => (each === 'integer' ? 'number' : each));
  return nullable === true ? [...types, 'null'] : types;
}
