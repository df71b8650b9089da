/** What a grammar can enforce of each JSON type's keywords. Used by json-schema.ts. */

/** A schema in node-llama-cpp's dialect, which has fewer words. */
export type GrammarSchema = { [keyword: string]: unknown };
export type Schema = Record<string, unknown>;

/** The place in a schema where a rule is at work. */
export interface Place {
  /** Translates what is inside; `keywords` continue the JSON pointer. */
  inside(schema: unknown, ...keywords: (string | number)[]): GrammarSchema;
  /**
   * For a keyword that no grammar can enforce; `remedy` is what people may do about it ("leave it out").
   * @throws ChatError `bad_request` where the schema is strict.
   */
  cannotEnforce(keyword: string, remedy?: string): void;
  /**
   * Counts what makes a grammar large; what has the same key is counted once.
   * @throws ChatError `bad_request` where it is too much.
   */
  spend(amount: number, key?: string): void;
  /** What a `$ref` refers to; undefined where that is nothing. */
  resolve(reference: unknown): unknown;
  /** @throws ChatError `bad_request`. */
  invalid(keyword: string, expected: string): never;
}

/** llama.cpp repeats nothing 2,000 times, and half as often what it has not read yet, such as what refers back. */
const maxCharacters = 1999;
const maxItemsOrProperties = 1000;
/** Integers are told apart one by one where they are no more than a byte has. */
const maxIntegers = 256;
/** One more than the largest integer of the grammar, which has 15 digits. */
const integerLimit = 1e15;
const formats = new Set<unknown>(['date', 'time', 'date-time']);

export const typeRules: Record<string, (schema: Schema, place: Place) => GrammarSchema> = {
  string({ minLength, maxLength, format, ...rest }, place) {
    if (formats.has(format)) {
      leaveOut({ ...rest, minLength, maxLength }, place);
      return { type: 'string', format };
    }
    leaveOut({ ...rest, format }, place);
    const lengths = bounds({ minLength, maxLength }, maxCharacters, place);
    place.spend(Math.max(0, ...Object.values(lengths)), `string ${Object.values(lengths).join()}`);
    return { type: 'string', ...lengths };
  },

  number({ format, ...rest }, place) {
    leaveOut({ ...rest, format: format === 'double' ? undefined : format }, place);
    return { type: 'number' };
  },

  integer(schema, place) {
    const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf, ...rest } = schema;
    const limits = { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf };
    const { format, ...others } = rest;
    leaveOut({ ...others, format: format === 'int64' ? undefined : format }, place);
    const values = integersWithin(limits);
    if (values?.length === 0)
      return place.invalid('maximum', 'limits with an integer between them');
    if (values !== undefined) {
      place.spend(values.length);
      return { oneOf: values.map((value) => ({ const: value })) };
    }
    leaveOut(omitReached(limits), place);
    return { type: 'integer' };
  },

  boolean(schema, place) {
    leaveOut(schema, place);
    return { type: 'boolean' };
  },

  null(schema, place) {
    leaveOut(schema, place);
    return { type: 'null' };
  },

  array({ minItems, maxItems, uniqueItems, ...schema }, place) {
    const { items, prefixItems, additionalItems, ...rest } = schema;
    leaveOut({ ...rest, uniqueItems: Number(maxItems) <= 1 ? undefined : uniqueItems }, place);
    const counts = bounds({ minItems, maxItems }, maxItemsOrProperties, place);
    place.spend(Math.max(0, ...Object.values(counts)));
    // Before the draft of 2020 a list of schemas was written as `items`, and the others as `additionalItems`.
    const isTuple = Array.isArray(items);
    const [keyword, first] = isTuple ? ['items', items as unknown[]] : ['prefixItems', prefixItems];
    const [otherKeyword, other] = isTuple ? ['additionalItems', additionalItems] : ['items', items];
    const prefix = (Array.isArray(first) ? first : [])
      .slice(0, counts['maxItems'])
      .map((item, index) => place.inside(item, keyword, index));
    const least = counts['minItems'] ?? 0;
    const mayBeMore = prefix.length === 0 || least > prefix.length;
    if (other === false || (other === undefined && !mayBeMore)) {
      if (least > prefix.length) return place.invalid('minItems', `at most ${prefix.length}`);
      return { type: 'array', prefixItems: prefix, ...counts, maxItems: prefix.length };
    }
    // More than the first are generated only where it is said what they are, or that they must be.
    const others = other === undefined ? {} : { items: place.inside(other, otherKeyword) };
    const known = prefix.length === 0 ? {} : { prefixItems: prefix };
    return { type: 'array', ...known, ...others, ...counts };
  },

  object({ properties = {}, required = [], ...constraints }, place) {
    const { additionalProperties = true, minProperties, maxProperties, ...others } = constraints;
    const { unevaluatedProperties, ...rest } = others;
    leaveOut(rest, place);
    if (!isRecord(properties)) return place.invalid('properties', 'an object of schemas');
    if (!Array.isArray(required)) return place.invalid('required', 'a list of names');
    const names = new Set([...Object.keys(properties), ...required.map(String)]);
    if (names.size > 0) {
      if (Number(maxProperties) < names.size) leaveOut({ maxProperties }, place);
      const declared = [...names].map((name): [string, GrammarSchema] => {
        const inner = Object.hasOwn(properties, name) ? properties[name] : additionalProperties;
        return [checkText(name, 'properties', place), place.inside(inner, 'properties', name)];
      });
      const isCertain = ([name, inner]: [string, GrammarSchema]): boolean =>
        required.includes(name) || !refers(inner);
      const certain = declared.filter(isCertain);
      if (Number(minProperties) > certain.length) leaveOut({ minProperties }, place);
      return objectOf(declared, certain);
    }
    leaveOut({ unevaluatedProperties }, place);
    if (additionalProperties === false) return { type: 'object' };
    const values =
      additionalProperties === true || place.inside(additionalProperties, 'additionalProperties');
    const counts = bounds({ minProperties, maxProperties }, maxItemsOrProperties, place);
    place.spend(Math.max(0, ...Object.values(counts)));
    // A key that comes twice is one property.
    if (Number(minProperties) > 1) leaveOut({ minProperties }, place);
    return { type: 'object', additionalProperties: values, ...counts };
  },
};

/**
 * Every property is generated, required or not, in the order of the schema, and no other: that is always valid. Only an
 * optional property that refers to a schema is left open, since that schema may refer back and never end.
 */
function objectOf(
  properties: readonly [string, GrammarSchema][],
  certain: readonly [string, GrammarSchema][],
): GrammarSchema {
  const whole = { type: 'object', properties: Object.fromEntries(properties) };
  if (certain.length === properties.length) return whole;
  return { oneOf: [whole, { type: 'object', properties: Object.fromEntries(certain) }] };
}

function refers(schema: unknown): boolean {
  if (Array.isArray(schema)) return schema.some((each) => refers(each));
  return isRecord(schema) && (schema['$ref'] !== undefined || refers(Object.values(schema)));
}

type Limits = Record<
  'minimum' | 'maximum' | 'exclusiveMinimum' | 'exclusiveMaximum' | 'multipleOf',
  unknown
>;

/** All of them where they are few enough; undefined where they are more, or nobody knows. */
function integersWithin(limits: Limits): number[] | undefined {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf = 1 } = limits;
  const given = Object.values(limits).filter((value) => value !== undefined);
  if (!given.every(Number.isFinite) || Number(multipleOf) <= 0) return undefined;
  const least = Math.max(
    Math.ceil(Number(minimum ?? -Infinity)),
    Math.floor(Number(exclusiveMinimum ?? -Infinity)) + 1,
  );
  const most = Math.min(
    Math.floor(Number(maximum ?? Infinity)),
    Math.ceil(Number(exclusiveMaximum ?? Infinity)) - 1,
  );
  if (!(most - least < maxIntegers)) return undefined;
  const values = Array.from({ length: Math.max(0, most - least + 1) }, (_, index) => least + index);
  return values.filter((value) => value % Number(multipleOf) === 0);
}

/** Those that some integer of the grammar breaks; libraries write the others for any integer of 53 or 64 bits. */
function omitReached({ minimum, maximum, multipleOf, ...exclusive }: Limits): Schema {
  return {
    ...exclusive,
    minimum: Number(minimum) <= -integerLimit ? undefined : minimum,
    maximum: Number(maximum) >= integerLimit ? undefined : maximum,
    multipleOf: multipleOf === 1 ? undefined : multipleOf,
  };
}

/** Values with which a keyword says nothing. */
const idle: Record<string, (value: unknown) => boolean> = {
  uniqueItems: (value) => value === false,
  additionalItems: isAnything,
  unevaluatedItems: isAnything,
  unevaluatedProperties: isAnything,
  propertyNames: isAnything,
  patternProperties: (value) => isRecord(value) && Object.keys(value).length === 0,
};

function isAnything(schema: unknown): boolean {
  return schema === true || (isRecord(schema) && Object.keys(schema).length === 0);
}

function leaveOut(constraints: Schema, place: Place): void {
  for (const [keyword, value] of Object.entries(constraints)) {
    if (value !== undefined && idle[keyword]?.(value) !== true) place.cannotEnforce(keyword);
  }
}

/** Those of a pair of counts that a grammar can enforce. */
function bounds(pair: Schema, limit: number, place: Place): Record<string, number> {
  const kept: Record<string, number> = {};
  for (const [keyword, value] of Object.entries(pair)) {
    if (value === undefined) continue;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0) {
      return place.invalid(keyword, `an integer >= 0, got ${JSON.stringify(value)}`);
    }
    if (value <= limit) kept[keyword] = value;
    else place.cannotEnforce(keyword);
  }
  const [[keyword, least] = ['', 0], [, most] = ['', Infinity]] = Object.entries(kept);
  if (Object.keys(kept).length === 2 && least > most) {
    return place.invalid(keyword, `at most ${most}, got ${least}`);
  }
  return kept;
}

/** The library writes control characters other than tab, return and newline as they are, which JSON does not allow. */
export function checkText(text: string, keyword: string, place: Place): string {
  const hasControl = Array.from(text).some((char) => char < ' ' && !'\t\r\n'.includes(char));
  return hasControl ? place.invalid(keyword, 'texts without control characters') : text;
}

export function isRecord(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function typeOfValue(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

/** People forget `type` where there are `properties` or `items`. */
export function guessType(schema: Schema): string | undefined {
  const has = (keyword: string) => schema[keyword] !== undefined;
  if (has('properties') || has('required') || has('additionalProperties')) return 'object';
  return has('items') || has('prefixItems') ? 'array' : undefined;
}
