/** Limits of strict schemas: enforced, without effect, or refused. */
import { describe, expect, test } from 'vitest';
import type { JsonSchema } from '../../../src/engine/engine.ts';
import { toGrammarSchema } from '../../../src/engine/worker/llama/grammar/json-schema.ts';

function translate(schema: JsonSchema, strict = true): unknown {
  const where = { name: 'response_format: json_schema', param: 'response_format' };
  return toGrammarSchema(schema, { strict, ...where });
}

const integers = (...values: number[]) => ({ oneOf: values.map((value) => ({ const: value })) });
const nothing = { type: 'null' };

describe('a strict schema', () => {
  test.each<[string, JsonSchema, unknown]>([
    [
      'of a length',
      { type: 'string', minLength: 2, maxLength: 1999 },
      { type: 'string', minLength: 2, maxLength: 1999 },
    ],
    [
      'of a count',
      { type: 'array', items: nothing, minItems: 2, maxItems: 1000 },
      { type: 'array', items: nothing, minItems: 2, maxItems: 1000 },
    ],
    [
      'of names that are not known',
      { type: 'object', additionalProperties: nothing, minProperties: 1, maxProperties: 1000 },
      { type: 'object', additionalProperties: nothing, minProperties: 1, maxProperties: 1000 },
    ],
    ['of a range', { type: 'integer', minimum: 1, maximum: 3 }, integers(1, 2, 3)],
    [
      'of a range without its ends',
      { type: 'integer', exclusiveMinimum: -1, exclusiveMaximum: 1.5 },
      integers(0, 1),
    ],
    [
      'of multiples in a range',
      { type: 'integer', minimum: -5, maximum: 12, multipleOf: 5 },
      integers(-5, 0, 5, 10),
    ],
    [
      'of 64 bits',
      {
        type: 'integer',
        format: 'int64',
        minimum: -(2 ** 63),
        maximum: 2 ** 63 - 1,
        multipleOf: 1,
      },
      { type: 'integer' },
    ],
    ['of a double', { type: 'number', format: 'double' }, { type: 'number' }],
    [
      'of a tuple that goes on',
      { type: 'array', items: [nothing], additionalItems: { type: 'boolean' }, maxItems: 3 },
      { type: 'array', prefixItems: [nothing], items: { type: 'boolean' }, maxItems: 3 },
    ],
    [
      'of more than its tuple names',
      { type: 'array', prefixItems: [nothing], minItems: 2 },
      { type: 'array', prefixItems: [nothing], minItems: 2 },
    ],
    [
      'of one item, which is unlike the others',
      { type: 'array', uniqueItems: true, maxItems: 1 },
      { type: 'array', maxItems: 1 },
    ],
    [
      'of all its properties and no other',
      {
        type: 'object',
        properties: { a: nothing, b: nothing },
        minProperties: 2,
        unevaluatedProperties: false,
      },
      { type: 'object', properties: { a: nothing, b: nothing } },
    ],
    ['of values, of those of its type', { type: 'string', enum: ['a', 1, null] }, integersAnd('a')],
    [
      'of alternatives, which have its type',
      { type: 'string', anyOf: [{ maxLength: 2 }, { format: 'date' }] },
      {
        oneOf: [
          { type: 'string', maxLength: 2 },
          { type: 'string', format: 'date' },
        ],
      },
    ],
  ])('enforces %s', (_, schema, expected) => {
    expect(translate(schema)).toEqual(expected);
  });

  test.each<JsonSchema>([
    { type: 'array', uniqueItems: false },
    { type: 'array', additionalItems: true },
    { type: 'array', unevaluatedItems: {} },
    { type: 'object', propertyNames: {} },
    { type: 'object', patternProperties: {} },
    { type: 'object', unevaluatedProperties: true },
  ])('may have a keyword without effect: %j', ({ type, ...schema }) => {
    expect(translate({ type, ...schema })).toEqual(translate({ type }));
  });

  test.each<[string, JsonSchema]>([
    ['/minLength', { type: 'string', minLength: 2000 }],
    ['/maxItems', { type: 'array', maxItems: 1001 }],
    ['/uniqueItems', { type: 'array', uniqueItems: true, maxItems: 2 }],
    ['/minimum', { type: 'integer', minimum: 0 }],
    ['/minimum', { type: 'integer', minimum: 0, maximum: 256 }],
    ['/multipleOf', { type: 'integer', multipleOf: 0.5 }],
    ['/exclusiveMaximum', { type: 'number', exclusiveMaximum: 1e300 }],
    // The same key twice is one property.
    ['/minProperties', { type: 'object', minProperties: 2 }],
    [
      '/minProperties',
      { type: 'object', properties: { a: nothing, b: { $ref: '#' } }, minProperties: 2 },
    ],
    ['/maxProperties', { type: 'object', properties: { a: nothing }, maxProperties: 0 }],
    ['/unevaluatedProperties', { type: 'object', unevaluatedProperties: false }],
  ])('is refused for %s, which a grammar cannot enforce', (pointer, schema) => {
    const keyword = pointer.slice(1);
    expect(() => translate(schema)).toThrow(
      `"${keyword}" cannot be enforced while an answer is generated; leave it out, or set strict to false and check the answer yourself (at #${pointer})`,
    );
    expect(() => translate(schema, false)).not.toThrow();
  });
});

function integersAnd(value: string): unknown {
  return { oneOf: [{ const: value }] };
}

describe('oneOf', () => {
  const kind = (value: string, more: object = {}) => ({
    type: 'object',
    properties: { kind: { const: value }, ...more },
  });

  test.each<[string, JsonSchema[]]>([
    ['type', [{ type: 'string' }, { type: 'null' }, { type: ['integer', 'boolean'] }]],
    ['values', [{ const: 'a' }, { enum: ['b', 'c'] }, { const: 1 }]],
    ['a property', [kind('a'), kind('b'), { $ref: '#/$defs/c' }]],
    ['a property within', [kind('a'), { anyOf: [kind('b'), { allOf: [kind('c')] }] }]],
    [
      'what the other requires',
      [
        { type: 'object', properties: { a: nothing }, required: ['a'] },
        { type: 'object', properties: { b: nothing }, required: ['b'] },
      ],
    ],
    [
      'what the other does not allow',
      [
        { type: 'object', properties: { a: nothing }, required: ['a'] },
        {
          type: 'object',
          properties: { b: nothing },
          required: ['b'],
          additionalProperties: false,
        },
      ],
    ],
  ])('is enforced if the alternatives differ by %s', (_, oneOf) => {
    expect(() => translate({ oneOf, $defs: { c: kind('c') } })).not.toThrow();
  });

  test.each<[string, JsonSchema[]]>([
    ['a type within a type', [{ type: 'integer' }, { type: 'number' }]],
    ['a value of a type', [{ const: 'a' }, { type: 'string' }]],
    ['a value in both', [{ enum: [{ a: 1, b: 2 }] }, { enum: [{ b: 2, a: 1 }] }]],
    ['null in both', [{ const: 'a', nullable: true }, { type: 'null' }]],
    ['anything', [{ type: 'string' }, {}]],
    ['properties that are not required', [kind('a', { x: nothing }), { type: 'object' }]],
    ['the same property', [kind('a'), kind('a', { x: nothing })]],
    ['a property that may be left out', [{ properties: { a: { $ref: '#' } } }, { required: [] }]],
    ['alternatives without an end', [{ $ref: '#' }, { $ref: '#' }]],
  ])('is refused if JSON could be valid for two of them: %s', (_, oneOf) => {
    expect(() => translate({ oneOf })).toThrow(
      '"oneOf" cannot be enforced while an answer is generated; write anyOf where several may hold, or set strict to false',
    );
    expect(() => translate({ oneOf }, false)).not.toThrow();
    expect(() => translate({ anyOf: oneOf })).not.toThrow();
  });
});

describe('an invalid schema', () => {
  const enums = Array.from({ length: 60 }, () => ({ enum: Array.from({ length: 1000 }).fill(1) }));

  test.each<[string, JsonSchema, string]>([
    ['a value of another type', { type: 'string', const: 1 }, 'expected a value of the type'],
    ['values of another type', { type: 'string', enum: [1] }, 'expected a list of at least one'],
    ['an empty range', { type: 'integer', minimum: 2, maximum: 1 }, 'an integer between them'],
    [
      'more items than there are',
      { items: [nothing], additionalItems: false, minItems: 2 },
      'at most 1',
    ],
    ['60,000 values', { anyOf: enums }, 'expected at most 50000 values'],
  ])('is refused, strict or not: %s', (_, schema, message) => {
    expect(() => translate(schema, false)).toThrow(message);
  });
});
