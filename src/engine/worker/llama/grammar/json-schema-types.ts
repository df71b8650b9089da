/** Translates the keywords of each JSON type, as far as a grammar can enforce them. Used by json-schema.ts. */

/** A schema in node-llama-cpp's dialect, which has fewer keywords. */
export type GrammarSchema = { [keyword: string]: unknown };
export type Schema = Record<string, unknown>;

/** The part of a schema that a rule translates. */
export interface RuleContext {
  /** Translates a nested schema; `keywords` extend the JSON pointer. */
  inside(schema: unknown, ...keywords: (string | number)[]): GrammarSchema;
  /**
   * Reports a keyword that no grammar can enforce; `remedy` says what the user can do about it ("leave it out").
   * @throws ChatError `bad_request` if the schema is strict.
   */
  cannotEnforce(keyword: string, remedy?: string): void;
  /**
   * Counts the parts of the grammar that make it large; parts with the same key count once.
   * @throws ChatError `bad_request` if there are too many.
   */
  countParts(amount: number, key?: string): void;
  /** Translates a `$ref`. */
  refer(reference: unknown): GrammarSchema;
  /** The target of a `$ref`, or undefined. */
  resolve(reference: unknown): unknown;
  /** @throws ChatError `bad_request`. */
  invalid(keyword: string, expected: string): never;
}

/** llama.cpp's limit on repetitions is below 2,000, and half of that for rules it has not parsed yet (recursive ones). */
const maxCharacters = 1999;
const maxItemsOrProperties = 1000;
/** Up to this many integers become a list of values. */
const maxIntegers = 256;
/** One more than the largest integer of the grammar, which allows 15 digits. */
const integerLimit = 1e15;
const formats = new Set<unknown>(['date', 'time', 'date-time']);

export const typeRules: Record<string, (schema: Schema, context: RuleContext) => GrammarSchema> = {
  string({ minLength, maxLength, format, ...rest }, context) {
    if (formats.has(format)) {
      dropConstraints({ ...rest, minLength, maxLength }, context);
      return { type: 'string', format };
    }
    dropConstraints({ ...rest, format }, context);
    const lengths = bounds({ minLength, maxLength }, maxCharacters, context);
    context.countParts(
      Math.max(0, ...Object.values(lengths)),
      `string ${Object.values(lengths).join()}`,
    );
    return { type: 'string', ...lengths };
  },

  number({ format, ...rest }, context) {
    dropConstraints({ ...rest, format: format === 'double' ? undefined : format }, context);
    return { type: 'number' };
  },

  integer({ format, ...schema }, context) {
    const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf, ...rest } = schema;
    const limits = { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf };
    dropConstraints({ ...rest, format: format === 'int64' ? undefined : format }, context);
    const values = integersWithin(limits);
    if (values?.length === 0)
      return context.invalid('maximum', 'limits with an integer between them');
    if (values !== undefined) {
      context.countParts(values.length);
      return { oneOf: values.map((value) => ({ const: value })) };
    }
    // Drops limits that every integer of the grammar meets, such as those that libraries write for 53 or 64 bits.
    const effective = {
      ...limits,
      minimum: Number(minimum) <= -integerLimit ? undefined : minimum,
      maximum: Number(maximum) >= integerLimit ? undefined : maximum,
      multipleOf: multipleOf === 1 ? undefined : multipleOf,
    };
    dropConstraints(effective, context);
    return { type: 'integer' };
  },

  boolean(schema, context) {
    dropConstraints(schema, context);
    return { type: 'boolean' };
  },

  null(schema, context) {
    dropConstraints(schema, context);
    return { type: 'null' };
  },

  array({ minItems, maxItems, uniqueItems, ...schema }, context) {
    const { items, prefixItems, additionalItems, ...rest } = schema;
    dropConstraints(
      { ...rest, uniqueItems: Number(maxItems) <= 1 ? undefined : uniqueItems },
      context,
    );
    const counts = bounds({ minItems, maxItems }, maxItemsOrProperties, context);
    context.countParts(Math.max(0, ...Object.values(counts)));
    // Before draft 2020-12 tuples were written as `items` with a list of schemas, and the other items as `additionalItems`.
    const isTuple = Array.isArray(items);
    const [keyword, first] = isTuple ? ['items', items as unknown[]] : ['prefixItems', prefixItems];
    const [otherKeyword, other] = isTuple ? ['additionalItems', additionalItems] : ['items', items];
    const prefix = (Array.isArray(first) ? first : [])
      .slice(0, counts['maxItems'])
      .map((item, index) => context.inside(item, keyword, index));
    const least = counts['minItems'] ?? 0;
    const mayBeMore = prefix.length === 0 || least > prefix.length;
    if (other === false || (other === undefined && !mayBeMore)) {
      if (least > prefix.length) return context.invalid('minItems', `at most ${prefix.length}`);
      return { type: 'array', prefixItems: prefix, ...counts, maxItems: prefix.length };
    }
    // Items after the prefix are generated only where they have a schema or are required.
    const others = other === undefined ? {} : { items: context.inside(other, otherKeyword) };
    const known = prefix.length === 0 ? {} : { prefixItems: prefix };
    return { type: 'array', ...known, ...others, ...counts };
  },

  object({ properties = {}, required = [], ...constraints }, context) {
    const { additionalProperties = true, minProperties, maxProperties, ...others } = constraints;
    const { unevaluatedProperties, ...rest } = others;
    dropConstraints(rest, context);
    if (!isRecord(properties)) return context.invalid('properties', 'an object of schemas');
    if (!Array.isArray(required)) return context.invalid('required', 'a list of names');
    const names = new Set([...Object.keys(properties), ...required.map(String)]);
    if (names.size > 0) {
      if (Number(maxProperties) < names.size) dropConstraints({ maxProperties }, context);
      const declared = [...names].map((name): [string, GrammarSchema] => {
        const inner = Object.hasOwn(properties, name) ? properties[name] : additionalProperties;
        return [checkText(name, 'properties', context), context.inside(inner, 'properties', name)];
      });
      const certain = declared.filter(([name, inner]) => required.includes(name) || !refers(inner));
      if (Number(minProperties) > certain.length) dropConstraints({ minProperties }, context);
      // Generates every property, required or not, in the schema's order, and no others, which is always valid. Optional properties
      // that contain a $ref may be left out together, because they may be recursive.
      const whole = { type: 'object', properties: Object.fromEntries(declared) };
      if (certain.length === declared.length) return whole;
      return { oneOf: [whole, { type: 'object', properties: Object.fromEntries(certain) }] };
    }
    dropConstraints({ unevaluatedProperties }, context);
    if (additionalProperties === false) return { type: 'object' };
    const values =
      additionalProperties === true || context.inside(additionalProperties, 'additionalProperties');
    const counts = bounds({ minProperties, maxProperties }, maxItemsOrProperties, context);
    context.countParts(Math.max(0, ...Object.values(counts)));
    // Repeated keys are one property, so the grammar cannot enforce the count.
    if (Number(minProperties) > 1) dropConstraints({ minProperties }, context);
    return { type: 'object', additionalProperties: values, ...counts };
  },
};

function refers(schema: unknown): boolean {
  if (Array.isArray(schema)) return schema.some((each) => refers(each));
  return isRecord(schema) && (schema['$ref'] !== undefined || refers(Object.values(schema)));
}

/** All integers within the limits; undefined if there are too many or the limits are not numbers. */
function integersWithin(limits: Schema): number[] | undefined {
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

/** Whether a keyword with this value has no effect. */
const hasNoEffect: Record<string, (value: unknown) => boolean> = {
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

export function dropConstraints(constraints: Schema, context: RuleContext): void {
  for (const [keyword, value] of Object.entries(constraints)) {
    if (value !== undefined && hasNoEffect[keyword]?.(value) !== true)
      context.cannotEnforce(keyword);
  }
}

/** The members of a minimum and maximum that a grammar can enforce. */
function bounds(pair: Schema, limit: number, context: RuleContext): Record<string, number> {
  const kept: Record<string, number> = {};
  for (const [keyword, value] of Object.entries(pair)) {
    if (value === undefined) continue;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0) {
      return context.invalid(keyword, `an integer >= 0, got ${JSON.stringify(value)}`);
    }
    if (value <= limit) kept[keyword] = value;
    else context.cannotEnforce(keyword);
  }
  const [[keyword, least] = ['', 0], [, most] = ['', Infinity]] = Object.entries(kept);
  if (Object.keys(kept).length === 2 && least > most) {
    return context.invalid(keyword, `at most ${most}, got ${least}`);
  }
  return kept;
}

/** node-llama-cpp does not escape control characters other than tab, return and newline, which makes the JSON invalid. */
export function checkText(text: string, keyword: string, context: RuleContext): string {
  const hasControl = Array.from(text).some((char) => char < ' ' && !'\t\r\n'.includes(char));
  return hasControl ? context.invalid(keyword, 'texts without control characters') : text;
}

export function isRecord(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function typeOfValue(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

/** `type` is often missing next to `properties` or `items`. */
export function guessType(schema: Schema): string | undefined {
  const has = (keyword: string) => schema[keyword] !== undefined;
  if (has('properties') || has('required') || has('additionalProperties')) return 'object';
  return has('items') || has('prefixItems') ? 'array' : undefined;
}

/** The keywords of a pointer; names that a client chose become `*`. */
export function withoutNames(pointer: string): string {
  return pointer.replaceAll(/[^/]+/g, (part) => (keywords.has(part) ? part : '*'));
}

const keywords = new Set(
  `$defs $ref additionalProperties allOf anyOf const definitions enum format items maxItems maxLength maximum minItems minLength minimum
  oneOf pattern patternProperties prefixItems properties required type uniqueItems`.split(/\s+/),
);
