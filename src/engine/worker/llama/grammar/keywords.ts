/** The keywords of JSON Schema that a grammar can hold, and what their values have to be. */

export type Schema = Record<string, unknown>;

export function isRecord(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `number` is both kinds of numbers, because a grammar writes them in different ways. */
export const jsonTypes = 'null boolean integer fraction string array object'.split(' ');

export function typeOfValue(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value !== 'number') return typeof value;
  return Number.isInteger(value) ? 'integer' : 'fraction';
}

/** Keywords that do not constrain the JSON, or that do so only in other keywords' sentences. */
export const annotations = new Set(
  '$schema $id $comment $anchor $dynamicAnchor $vocabulary $defs definitions id title description default examples example deprecated readOnly writeOnly discriminator contentEncoding contentMediaType contentSchema minContains maxContains then else'.split(
    ' ',
  ),
);

const count = check('an integer >= 0', (value) => Number.isInteger(value) && Number(value) >= 0);
const number = check('a number', Number.isFinite);
const schema = check('a schema', (value) => typeof value === 'boolean' || isRecord(value));
const schemas = check('a list of at least one schema', (value) => isFull(value, schema.isValid));
const schemasByName = check(
  'an object of schemas',
  (value) => isRecord(value) && Object.values(value).every(schema.isValid),
);
const text = check('a text', (value) => typeof value === 'string');
const names = check(
  'a list of names',
  (value) => Array.isArray(value) && value.every(text.isValid),
);
const typeNames = [...jsonTypes.filter((type) => type !== 'fraction'), 'number'];
const isType = (value: unknown): boolean => typeNames.includes(value as string);

/** Validates the value of each keyword; a keyword without an entry is unknown. */
export const valueChecks: Readonly<Record<string, ValueCheck>> = {
  type: check(`one of ${typeNames.join(', ')}, or a list of them`, (value) =>
    Array.isArray(value) ? isFull(value, isType) : isType(value),
  ),
  enum: check('a list of at least one value', (value) => isFull(value, () => true)),
  const: check('a value', () => true),
  minimum: number,
  maximum: number,
  exclusiveMinimum: number,
  exclusiveMaximum: number,
  multipleOf: check('a number above 0', (value) => Number.isFinite(value) && Number(value) > 0),
  minLength: count,
  maxLength: count,
  pattern: text,
  format: text,
  minItems: count,
  maxItems: count,
  minContains: count,
  maxContains: count,
  uniqueItems: check('true or false', (value) => typeof value === 'boolean'),
  prefixItems: schemas,
  items: check('a schema', (value) => schema.isValid(value) || Array.isArray(value)),
  additionalItems: schema,
  contains: schema,
  minProperties: count,
  maxProperties: count,
  required: names,
  properties: schemasByName,
  patternProperties: schemasByName,
  additionalProperties: schema,
  propertyNames: schema,
  dependentRequired: check(
    'lists of names',
    (value) => isRecord(value) && Object.values(value).every(names.isValid),
  ),
  dependentSchemas: schemasByName,
  allOf: schemas,
  anyOf: schemas,
  oneOf: schemas,
  not: schema,
  if: schema,
  // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema
  then: schema,
  else: schema,
  $ref: text,
  unevaluatedItems: schema,
  unevaluatedProperties: schema,
  nullable: check('true or false', (value) => typeof value === 'boolean'),
};

interface ValueCheck {
  readonly expected: string;
  readonly isValid: (value: unknown) => boolean;
}

function check(expected: string, isValid: (value: unknown) => boolean): ValueCheck {
  return { expected, isValid };
}

function isFull(value: unknown, isValid: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.length > 0 && value.every((item) => isValid(item));
}

const typesByKeyword: Readonly<Record<string, string[]>> = {
  string: 'minLength maxLength pattern format'.split(' '),
  'integer fraction': 'minimum maximum exclusiveMinimum exclusiveMaximum multipleOf'.split(' '),
  array: 'items prefixItems additionalItems minItems maxItems uniqueItems contains'.split(' '),
  object:
    'properties required additionalProperties minProperties maxProperties patternProperties propertyNames'.split(
      ' ',
    ),
};

/** The types that a schema without `type` means: those that its keywords are about. Empty where it says nothing of types. */
export function guessTypes(keywords: readonly string[]): string[] {
  return Object.entries(typesByKeyword).flatMap(([types, own]) =>
    own.some((keyword) => keywords.includes(keyword)) ? types.split(' ') : [],
  );
}
