/** Schemas that hold where a keyword does not, as far as a grammar can write their JSON. Used by cases.ts. */
import { jsonTypes, type Schema } from './keywords.ts';

const not = (schema: unknown): Schema => ({ not: schema });
const numeric = (limit: Schema): Schema[] => [{ type: 'number', ...limit }];
const ofText = (limit: Schema): Schema[] => [{ type: 'string', ...limit }];

/** The alternatives in which one keyword does not hold. */
export const negations: Readonly<Record<string, (value: never, schema: Schema) => unknown[]>> = {
  type: (value: unknown) => [{ $types: otherTypes([value].flat().map(String)) }],
  const: (value: unknown) => [{ $not: [value] }],
  enum: (values: unknown[]) => [{ $not: values }],
  minimum: (value: number) => numeric({ exclusiveMaximum: value }),
  maximum: (value: number) => numeric({ exclusiveMinimum: value }),
  exclusiveMinimum: (value: number) => numeric({ maximum: value }),
  exclusiveMaximum: (value: number) => numeric({ minimum: value }),
  minLength: (value: number) => (value === 0 ? [] : ofText({ maxLength: value - 1 })),
  maxLength: (value: number) => ofText({ minLength: value + 1 }),
  pattern: (value: string) => ofText({ $notPattern: value }),
  minItems: (value: number) => (value === 0 ? [] : [{ type: 'array', maxItems: value - 1 }]),
  maxItems: (value: number) => [{ type: 'array', minItems: value + 1 }],
  items: (value: unknown, { prefixItems }) =>
    prefixItems === undefined && !Array.isArray(value)
      ? [{ type: 'array', prefixItems: [not(value)], items: true, minItems: 1 }]
      : [],
  contains: (value: unknown, { minContains, maxContains }) =>
    minContains === undefined && maxContains === undefined
      ? [{ type: 'array', items: not(value) }]
      : [],
  required: (names: string[]) =>
    names.map((name) => ({ type: 'object', properties: { [name]: false } })),
  properties: (properties: Schema) =>
    Object.entries(properties).map(([name, each]) => ({
      type: 'object',
      required: [name],
      properties: { [name]: not(each) },
    })),
  minProperties: (value: number) =>
    value === 0 ? [] : [{ type: 'object', maxProperties: value - 1 }],
  maxProperties: (value: number) => [{ type: 'object', minProperties: value + 1 }],
  dependentRequired: (value: Record<string, string[]>) =>
    Object.entries(value).flatMap(([name, needed]) =>
      needed.map((other) => ({ type: 'object', required: [name], properties: { [other]: false } })),
    ),
  allOf: (schemas: unknown[]) => schemas.map((each) => not(each)),
  anyOf: (schemas: unknown[]) => [{ allOf: schemas.map((each) => not(each)) }],
  oneOf: (schemas: unknown[]) => [{ allOf: schemas.map((each) => not(each)) }],
  not: (schema: unknown) => [schema],
  if: (schema: unknown, { then, else: otherwise }) => [
    ...(then === undefined ? [] : [{ allOf: [schema, not(then)] }]),
    ...(otherwise === undefined ? [] : [{ allOf: [not(schema), not(otherwise)] }]),
  ],
};

function otherTypes(types: readonly string[]): string[] {
  return jsonTypes.filter(
    (type) =>
      !types.includes(type) &&
      !(types.includes('number') && (type === 'integer' || type === 'fraction')),
  );
}
