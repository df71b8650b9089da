/** The limits of strict schemas, held by llama.cpp against a model of random weights, and checked by another's reading of them. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { JsonSchema } from '../../../src/engine/engine.ts';
import type { DisposableModel } from '../../../src/engine/worker/llama/model.ts';
import {
  chat,
  generate,
  greedy,
  loadNoise,
  type Answer,
} from '../../support/engine/llama-model.ts';

let model: DisposableModel;
beforeAll(async () => {
  model = await loadNoise();
});
afterAll(() => model.dispose());

const seeds = [1, 2, 3, 4];

/**
 * The bytes E0 and F0 in Qwen's vocabulary, which begin overlong UTF-8: llama.cpp counts that as one character and whoever
 * decodes it as three or four. Noise writes it now and then, a model never does.
 */
const overlong = [156, 172];

/** `wanted` are tokens that the model wants more than the rest. */
function answer(
  schema: JsonSchema,
  seed: number,
  { maxTokens = 1500, wanted = [] as readonly string[] } = {},
): Promise<Answer> {
  const logitBias = [
    ...wanted.map((piece) => [tokenOf(piece), 8] as const),
    ...overlong.map((byte) => [byte, -100] as const),
  ];
  const sampling = { ...greedy, temperature: 1, topK: 40, seed, maxTokens, logitBias };
  const format = { kind: 'json_schema', schema, strict: true } as const;
  return generate(model, { prompt: chat('Answer.'), sampling, format });
}

/** So many that some would be wrong by chance. */
const many = (items: JsonSchema, count = 30) => ({
  type: 'array',
  items,
  minItems: count,
  maxItems: count,
});
const tuple = [{ const: 1 }, { type: 'boolean' }];

test.each<[string, JsonSchema]>([
  ['at least so many items', { type: 'array', items: { type: 'boolean' }, minItems: 25 }],
  ['at most so many items', many({ type: 'array', items: { type: 'null' }, maxItems: 2 })],
  [
    'a tuple and more',
    { type: 'array', prefixItems: tuple, items: { type: 'null' }, minItems: 5, maxItems: 7 },
  ],
  ['a tuple and no more', many({ type: 'array', prefixItems: tuple, items: false })],
  ['a range', many({ type: 'integer', minimum: -3, maximum: 12 }, 60)],
  ['multiples in a range', many({ type: 'integer', minimum: 0, maximum: 100, multipleOf: 25 })],
  ['values of its type', many({ type: 'string', enum: ['a', 'b', 3] })],
  [
    'one of several kinds',
    many({
      oneOf: ['a', 'b'].map((kind) => ({
        type: 'object',
        properties: { kind: { const: kind }, [kind]: { type: 'boolean' } },
        required: ['kind', kind],
        additionalProperties: false,
      })),
    }),
  ],
])('%s: held', async (_, schema) => {
  const check = z.fromJSONSchema(schema);
  for (const seed of seeds) {
    const { text, ended } = await answer(schema, seed);
    expect(ended).toBe(true);
    expect(check.safeParse(JSON.parse(text)).error).toBeUndefined();
  }
});

// RFC 3339, without leap seconds.
const date = /\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])/;
const time = /(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)/;

test.each([
  ['time', new RegExp(`^${time.source}$`)],
  ['date-time', new RegExp(`^${date.source}T${time.source}$`)],
])('the format %s is that of RFC 3339', async (format, pattern) => {
  const { text, ended } = await answer(many({ type: 'string', format }), 1);
  expect(ended).toBe(true);
  for (const one of JSON.parse(text) as string[]) expect(one).toMatch(pattern);
});

/** Characters as the specification has them, where others count halves. */
const lengthsOf = (texts: readonly string[]): number[] =>
  texts.map((one) => Array.from(one).length);

test('a text is no longer than it may be', async () => {
  for (const seed of seeds) {
    const { text } = await answer(many({ type: 'string', maxLength: 3 }, 60), seed);
    expect(Math.max(...lengthsOf(JSON.parse(text) as string[]))).toBe(3);
  }
});

test('a text is no shorter than it may be, however much its end is wanted', async () => {
  const schema = many({ type: 'string', minLength: 5 }, 20);
  const { text, ended } = await answer(schema, 1, { wanted: ['"'] });
  expect(ended).toBe(true);
  expect(Math.min(...lengthsOf(JSON.parse(text) as string[]))).toBe(5);
});

test('characters are whole, also those that are written as escapes', async () => {
  const schema = many({ type: 'string', minLength: 8, maxLength: 8 }, 20);
  const { text } = await answer(schema, 1, { wanted: ['\\u', '\\', 'd', 'D', '8', 'c'] });
  expect(text).toMatch(/\\u[dD]/);
  const texts = JSON.parse(text) as string[];
  expect(texts.every((one) => one.isWellFormed())).toBe(true);
  expect(new Set(lengthsOf(texts))).toEqual(new Set([8]));
});

test('an object has a property where it must, and no more than it may', async () => {
  const some = { additionalProperties: { const: 1 }, minProperties: 1, maxProperties: 2 };
  const schema = many({ type: 'object', ...some }, 20);
  const few = await answer(schema, 1, { wanted: ['"', '}'] });
  expect(few.ended).toBe(true);
  for (const one of JSON.parse(few.text) as object[]) expect(Object.keys(one)).toHaveLength(1);
  const most = await answer(schema, 1, { wanted: ['"', ','] });
  expect(most.ended).toBe(true);
  // In the text, since a name that comes twice is one property.
  expect(most.text.match(/": ?1/g)).toHaveLength(2 * 20);
});

describe('the largest limits that are not refused', () => {
  const refersBack = { $defs: { a: {} }, $ref: '#/$defs/a' };

  test.each<[string, JsonSchema]>([
    ['minLength', { type: 'string', minLength: 1999 }],
    ['maxLength', { type: 'string', maxLength: 1999 }],
    ['both lengths', { type: 'string', minLength: 1998, maxLength: 1999 }],
    ['minItems', { type: 'array', items: { type: 'null' }, minItems: 1000 }],
    ['maxItems', { type: 'array', maxItems: 1000 }],
    ['both counts', { type: 'array', items: { type: 'null' }, minItems: 999, maxItems: 1000 }],
    ['maxProperties', { type: 'object', maxProperties: 1000 }],
    ['a tuple', { type: 'array', prefixItems: tuple, items: {}, minItems: 1000, maxItems: 1000 }],
    [
      'lists of lists',
      {
        ...refersBack,
        $defs: { a: { type: 'array', maxItems: 1000, items: { $ref: '#/$defs/a' } } },
      },
    ],
  ])('are taken by llama.cpp: %s', async (_, schema) => {
    const { decoded } = await answer(schema, 1, { maxTokens: 2 });
    expect(decoded.length).toBeGreaterThan(0);
  });
});

function tokenOf(piece: string): number {
  const slices = model.tokenize({ kind: 'text', text: piece });
  for (;;) {
    const { done, value } = slices.next();
    if (done === true) return value.tokens[0]!;
  }
}
