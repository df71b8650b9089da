/** What a grammar can enforce of each JSON type's keywords. Used by json-schema.ts. */

/** A schema in node-llama-cpp's dialect, which has fewer words. */
export type GrammarSchema = { [keyword: string]: unknown };
export type Schema = Record<string, unknown>;

/** The place in a schema where a rule is at work. */
export interface Place {
  /** Translates what is inside; `keywords` continue the JSON pointer. */
  inside(schema: unknown, ...keywords: (string | number)[]): GrammarSchema;
  /** For a keyword that no grammar can enforce. @throws ChatError `bad_request` where the schema is strict. */
  cannotEnforce(keyword: string): void;
  /** @throws ChatError `bad_request`. */
  invalid(keyword: string, expected: string): never;
}

/** llama.cpp refuses grammars that repeat something more than 2,000 times. */
const maxRepetitions = 1000;
const formats = new Set<unknown>(['date', 'time', 'date-time']);

export const typeRules: Record<string, (schema: Schema, place: Place) => GrammarSchema> = {
  string({ minLength, maxLength, format, ...rest }, place) {
    if (formats.has(format)) {
      leaveOut({ ...rest, minLength, maxLength }, place);
      return { type: 'string', format };
    }
    leaveOut({ ...rest, format }, place);
    return { type: 'string', ...bounds({ minLength, maxLength }, place) };
  },

  number: (schema, place) => numeric('number', schema, place),
  integer: (schema, place) => numeric('integer', schema, place),

  boolean(schema, place) {
    leaveOut(schema, place);
    return { type: 'boolean' };
  },

  null(schema, place) {
    leaveOut(schema, place);
    return { type: 'null' };
  },

  array({ items, prefixItems, minItems, maxItems, ...rest }, place) {
    leaveOut(rest, place);
    const counts = bounds({ minItems, maxItems }, place);
    // Before the draft of 2020 a list of schemas was written as `items`.
    const keyword = Array.isArray(items) ? 'items' : 'prefixItems';
    const first = Array.isArray(items) ? items : prefixItems;
    const others =
      Array.isArray(items) || items === undefined || items === false
        ? {}
        : { items: place.inside(items, 'items') };
    if (!Array.isArray(first)) {
      return { type: 'array', ...others, ...counts, ...(items === false ? { maxItems: 0 } : {}) };
    }
    const prefix = first
      .slice(0, counts['maxItems'])
      .map((item, index) => place.inside(item, keyword, index));
    // More than these are generated only where it is said what they are.
    const limit = 'items' in others ? {} : { maxItems: prefix.length };
    return { type: 'array', prefixItems: prefix, ...others, ...counts, ...limit };
  },

  object({ properties = {}, required = [], ...constraints }, place) {
    const { additionalProperties = true, minProperties, maxProperties, ...rest } = constraints;
    leaveOut(rest, place);
    if (!isRecord(properties)) return place.invalid('properties', 'an object of schemas');
    if (!Array.isArray(required)) return place.invalid('required', 'a list of names');
    const names = new Set([...Object.keys(properties), ...required.map(String)]);
    if (names.size > 0) {
      if (Number(minProperties) > names.size) leaveOut({ minProperties }, place);
      if (Number(maxProperties) < names.size) leaveOut({ maxProperties }, place);
      const declared = [...names].map((name): [string, GrammarSchema] => {
        const inner = Object.hasOwn(properties, name) ? properties[name] : additionalProperties;
        return [checkText(name, 'properties', place), place.inside(inner, 'properties', name)];
      });
      return objectOf(declared, required);
    }
    if (additionalProperties === false) return { type: 'object' };
    const values =
      additionalProperties === true || place.inside(additionalProperties, 'additionalProperties');
    const counts = bounds({ minProperties, maxProperties }, place);
    return { type: 'object', additionalProperties: values, ...counts };
  },
};

/**
 * Every property is generated, required or not, in the order of the schema, and no other: that is always valid. Only an
 * optional property that refers to a schema is left open, since that schema may refer back and never end.
 */
function objectOf(
  properties: readonly [string, GrammarSchema][],
  required: readonly unknown[],
): GrammarSchema {
  const whole = { type: 'object', properties: Object.fromEntries(properties) };
  const certain = properties.filter(([name, inner]) => required.includes(name) || !refers(inner));
  if (certain.length === properties.length) return whole;
  return { oneOf: [whole, { type: 'object', properties: Object.fromEntries(certain) }] };
}

function refers(schema: unknown): boolean {
  if (Array.isArray(schema)) return schema.some((each) => refers(each));
  return isRecord(schema) && (schema['$ref'] !== undefined || refers(Object.values(schema)));
}

/** The bounds that libraries write for any integer are harmless: none of the grammar's, of 15 digits, is beyond them. */
function numeric(type: string, { minimum, maximum, ...rest }: Schema, place: Place): GrammarSchema {
  leaveOut(
    {
      ...rest,
      minimum: minimum === Number.MIN_SAFE_INTEGER ? undefined : minimum,
      maximum: maximum === Number.MAX_SAFE_INTEGER ? undefined : maximum,
    },
    place,
  );
  return { type };
}

function leaveOut(constraints: Schema, place: Place): void {
  for (const [keyword, value] of Object.entries(constraints)) {
    if (value !== undefined) place.cannotEnforce(keyword);
  }
}

/** Those of a pair of counts that a grammar can enforce. */
function bounds(pair: Schema, place: Place): Record<string, number> {
  const kept: Record<string, number> = {};
  for (const [keyword, value] of Object.entries(pair)) {
    if (value === undefined) continue;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0) {
      return place.invalid(keyword, `an integer >= 0, got ${JSON.stringify(value)}`);
    }
    if (value <= maxRepetitions) kept[keyword] = value;
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
