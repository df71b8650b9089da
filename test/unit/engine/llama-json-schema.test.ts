/** JSON schemas translated for node-llama-cpp, and refused schemas. */
import { describe, expect, test } from 'vitest';
import type { JsonSchema } from '../../../src/engine/engine.ts';
import { toGrammarSchema } from '../../../src/engine/worker/llama/grammar/json-schema.ts';

function translate(schema: JsonSchema, strict = true): unknown {
  const where = { name: 'response_format: json_schema', param: 'response_format' };
  return toGrammarSchema(schema, { strict, ...where });
}

const anything = {
  oneOf: [
    { type: ['string', 'number', 'boolean', 'null'] },
    { type: 'array' },
    { type: 'object', additionalProperties: true },
  ],
};

describe('a schema', () => {
  test.each<[string, JsonSchema, unknown]>([
    ['without annotations', { $schema: 'x', title: 'a', type: 'null' }, { type: 'null' }],
    ['that says nothing takes any JSON', {}, anything],
    ['of anyOf', { anyOf: [{ type: 'null' }] }, { oneOf: [{ type: 'null' }] }],
    ['of one allOf', { allOf: [{ type: 'boolean' }] }, { type: 'boolean' }],
    [
      'of several types',
      { type: ['string', 'null'], maxLength: 3 },
      { oneOf: [{ type: 'string', maxLength: 3 }, { type: 'null' }] },
    ],
    [
      'that is nullable',
      { type: 'integer', nullable: true },
      { oneOf: [{ type: 'integer' }, { type: 'null' }] },
    ],
    [
      'of safe integers',
      { type: 'integer', minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER },
      { type: 'integer' },
    ],
    ['of a date', { type: 'string', format: 'date' }, { type: 'string', format: 'date' }],
    [
      'of values',
      { enum: ['a', [1], { b: null }] },
      {
        oneOf: [
          { const: 'a' },
          { type: 'array', prefixItems: [{ const: 1 }], minItems: 1, maxItems: 1 },
          { type: 'object', properties: { b: { const: null } } },
        ],
      },
    ],
    [
      'of an object without a type',
      { properties: { a: { type: 'null' } } },
      { type: 'object', properties: { a: { type: 'null' } } },
    ],
    ['of an open object', { type: 'object' }, { type: 'object', additionalProperties: true }],
    ['of an empty object', { type: 'object', additionalProperties: false }, { type: 'object' }],
    [
      'that requires what it does not declare',
      { type: 'object', required: ['a'] },
      { type: 'object', properties: { a: anything } },
    ],
    [
      'of a tuple',
      { type: 'array', items: [{ type: 'null' }] },
      { type: 'array', prefixItems: [{ type: 'null' }], maxItems: 1 },
    ],
  ])('%s', (_, schema, expected) => {
    expect(translate(schema)).toEqual(expected);
  });

  test('stays recursive, and an optional reference may be left out', () => {
    const schema = {
      type: 'object',
      properties: { value: { type: 'integer' }, next: { $ref: '#' } },
      required: ['value'],
    };
    const node = {
      oneOf: [
        {
          type: 'object',
          properties: { value: { type: 'integer' }, next: { $ref: '#/$defs/ref0' } },
        },
        { type: 'object', properties: { value: { type: 'integer' } } },
      ],
    };
    expect(translate(schema)).toEqual({ oneOf: [node], $defs: { ref0: node } });
  });

  test('may be referenced anywhere', () => {
    const schema = { definitions: { 'a/b': { type: 'null' } }, $ref: '#/definitions/a~1b' };
    expect(translate(schema)).toEqual({
      oneOf: [{ $ref: '#/$defs/ref0' }],
      $defs: { ref0: { type: 'null' } },
    });
  });
});

describe('a keyword that cannot be enforced', () => {
  const schemas: [string, JsonSchema, unknown][] = [
    ['/pattern', { type: 'string', pattern: '^a$' }, { type: 'string' }],
    ['/format', { type: 'string', format: 'email' }, { type: 'string' }],
    ['/minimum', { type: 'number', minimum: 1 }, { type: 'number' }],
    ['/multipleOf', { type: 'integer', multipleOf: 2 }, { type: 'integer' }],
    ['/maxLength', { type: 'string', maxLength: 100_000 }, { type: 'string' }],
    ['/uniqueItems', { type: 'array', uniqueItems: true }, { type: 'array' }],
    ['/not', { not: { type: 'null' } }, anything],
    ['/if', { type: 'null', if: {} }, { type: 'null' }],
    ['/allOf', { allOf: [{ type: 'null' }, {}] }, { type: 'null' }],
    [
      '/patternProperties',
      { type: 'object', patternProperties: { '^a': true } },
      { type: 'object', additionalProperties: true },
    ],
    [
      '/anyOf',
      { type: 'object', properties: { a: true }, anyOf: [{ required: ['a'] }] },
      { type: 'object', properties: { a: anything } },
    ],
    [
      '/properties/a~1b/pattern',
      { type: 'object', properties: { 'a/b': { type: 'string', pattern: 'x' } } },
      { type: 'object', properties: { 'a/b': { type: 'string' } } },
    ],
  ];

  test.each(schemas)('is refused if the schema is strict: %s', (pointer, schema) => {
    const keyword = pointer.split('/').at(-1);
    expect(() => translate(schema)).toThrow(
      expect.objectContaining({
        code: 'bad_request',
        param: 'response_format',
        message: `response_format: json_schema: "${keyword}" cannot be enforced while an answer is generated; leave it out, or set strict to false and check the answer yourself (at #${pointer})`,
      }),
    );
  });

  test.each(schemas)('is dropped if it is not: %s', (_, schema, expected) => {
    expect(translate(schema, false)).toEqual(expected);
  });
});

describe('an invalid schema', () => {
  const deep = Array.from({ length: 40 }).reduce<object>((items) => ({ type: 'array', items }), {});
  const wide = Object.fromEntries(Array.from({ length: 2001 }, (_, index) => [`p${index}`, true]));

  test.each<[string, unknown, string]>([
    ['a list', [], 'expected a schema'],
    ['an unknown type', { type: 'text' }, 'expected one of string, number,'],
    ['an empty enum', { enum: [] }, 'expected a list of at least one value (at #/enum)'],
    ['a negative length', { type: 'string', minLength: -1 }, 'expected an integer >= 0, got -1'],
    [
      'a minimum above the maximum',
      { type: 'array', minItems: 3, maxItems: 2 },
      'expected at most 2, got 3',
    ],
    [
      'a reference without a target',
      { $ref: '#/$defs/a' },
      'expected a schema at #/$defs/a (at #/$ref)',
    ],
    ['a reference to another document', { $ref: 'http://a/b' }, 'a reference within the schema'],
    ['a control character', { const: '\u0007' }, 'expected texts without control characters'],
    ['40 levels', deep, 'expected at most 32 levels of nesting'],
    ['2,001 properties', { properties: wide }, 'expected at most 2000 schemas'],
  ])('is refused, strict or not: %s', (_, schema, message) => {
    expect(() => translate(schema as JsonSchema, false)).toThrow(message);
  });
});

test('a refused schema is recorded without the names and values that a client chose', () => {
  const secret = { type: 'object', properties: { canary: { minItems: 'canary', type: 'array' } } };
  for (const schema of [secret, { $ref: '#/canary' }, { properties: { canary: 5 } }]) {
    expect(() => translate(schema as JsonSchema)).toThrow(
      expect.objectContaining({
        message: expect.stringContaining('canary'),
        recorded: expect.not.stringContaining('canary'),
      }),
    );
  }
  expect(() => translate(secret as JsonSchema)).toThrow(
    expect.objectContaining({
      recorded: 'response_format: a schema that cannot be used, at #/properties/*/minItems',
    }),
  );
});
