/** The limits of strict schemas, enforced on a model of random weights and checked by zod. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { JsonSchema } from '../../../src/engine/engine.ts';
import type { DisposableModel } from '../../../src/engine/worker/llama/model.ts';
import {
  chat,
  generate,
  greedy,
  loadNoise,
  tokenOf,
  type Answer,
} from '../../support/engine/llama-model.ts';

let model: DisposableModel;
beforeAll(async () => {
  model = await loadNoise();
});
afterAll(() => model.dispose());

const seeds = [1, 2];

/**
 * The bytes E0 and F0 in Qwen's vocabulary, which begin overlong UTF-8: llama.cpp counts it as one character, a decoder as three or
 * four. Random weights emit it, a real model does not.
 */
const overlong = [156, 172];

/** `wanted` tokens are made more likely. */
function answer(
  schema: JsonSchema,
  seed: number,
  { maxTokens = 1500, wanted = [] as readonly string[], wantedIds = [] as readonly number[] } = {},
): Promise<Answer> {
  const logitBias = [
    ...wantedIds.map((id) => [id, 8] as const),
    ...wanted.map((piece) => [tokenOf(model, piece), 8] as const),
    ...overlong.map((byte) => [byte, -100] as const),
  ];
  const sampling = { ...greedy, temperature: 1, topK: 40, seed, maxTokens, logitBias };
  const format = { kind: 'json_schema', schema, strict: true } as const;
  return generate(model, { prompt: chat('Answer.'), sampling, format });
}

/** Enough items that some would be wrong by chance. */
const many = (items: JsonSchema, count = 30) => ({
  type: 'array',
  items,
  minItems: count,
  maxItems: count,
});
const tuple = [{ const: 1 }, { type: 'boolean' }];

test.each<[string, JsonSchema]>([
  ['minItems', { type: 'array', items: { type: 'boolean' }, minItems: 25 }],
  ['maxItems', many({ type: 'array', items: { type: 'null' }, maxItems: 2 })],
  [
    'a tuple with more items',
    { type: 'array', prefixItems: tuple, items: { type: 'null' }, minItems: 5, maxItems: 7 },
  ],
  ['a tuple without more items', many({ type: 'array', prefixItems: tuple, items: false })],
  ['a range', many({ type: 'integer', minimum: -3, maximum: 12 }, 60)],
  ['multiples in a range', many({ type: 'integer', minimum: 0, maximum: 100, multipleOf: 25 })],
  ['values of its type', many({ type: 'string', enum: ['a', 'b', 3] })],
  [
    'oneOf',
    many({
      oneOf: ['a', 'b'].map((kind) => ({
        type: 'object',
        properties: { kind: { const: kind }, [kind]: { type: 'boolean' } },
        required: ['kind', kind],
        additionalProperties: false,
      })),
    }),
  ],
])('%s is enforced', async (_, schema) => {
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

/** Lengths in characters, as JSON Schema counts, not in UTF-16 units. */
const lengthsOf = (texts: readonly string[]): number[] =>
  texts.map((one) => Array.from(one).length);

test('maxLength is enforced', async () => {
  for (const seed of seeds) {
    const { text } = await answer(many({ type: 'string', maxLength: 3 }, 60), seed);
    expect(Math.max(...lengthsOf(JSON.parse(text) as string[]))).toBe(3);
  }
});

test('minLength is enforced, however likely the end of the text is', async () => {
  const schema = many({ type: 'string', minLength: 5 }, 20);
  const { text, ended } = await answer(schema, 1, { wanted: ['"'] });
  expect(ended).toBe(true);
  expect(Math.min(...lengthsOf(JSON.parse(text) as string[]))).toBe(5);
});

test('the name of a control token is no text', async () => {
  // <|im_start|>, the second token after 256 bytes and 4,000 merges.
  const control = 4257;
  expect(model.detokenize([control], [])).toBe('');
  const schema = many({ type: 'string', minLength: 5 }, 20);
  const { text, decoded } = await answer(schema, 1, { wanted: ['"'], wantedIds: [control] });
  expect(decoded.map(({ token }) => token)).not.toContain(control);
  expect(Math.min(...lengthsOf(JSON.parse(text) as string[]))).toBe(5);
});

test('characters are complete, also as escapes', async () => {
  const schema = many({ type: 'string', minLength: 8, maxLength: 8 }, 20);
  const { text } = await answer(schema, 1, { wanted: ['\\u', '\\', 'd', 'D', '8', 'c'] });
  expect(text).toMatch(/\\u[dD]/);
  const texts = JSON.parse(text) as string[];
  expect(texts.every((one) => one.isWellFormed())).toBe(true);
  expect(new Set(lengthsOf(texts))).toEqual(new Set([8]));
});

test('minProperties and maxProperties are enforced', async () => {
  const some = { additionalProperties: { const: 1 }, minProperties: 1, maxProperties: 2 };
  const schema = many({ type: 'object', ...some }, 20);
  const few = await answer(schema, 1, { wanted: ['"', '}'] });
  expect(few.ended).toBe(true);
  for (const one of JSON.parse(few.text) as object[]) expect(Object.keys(one)).toHaveLength(1);
  const most = await answer(schema, 1, { wanted: ['"', ','] });
  expect(most.ended).toBe(true);
  // Counted in the text, because a repeated name is one property.
  const counts = most.text
    .split('}')
    .slice(0, -1)
    .map((one) => one.split(/":\s*1/).length - 1);
  expect(counts).toHaveLength(20);
  expect(Math.max(...counts)).toBe(2);
  expect(Math.min(...counts)).toBeGreaterThanOrEqual(1);
});

describe('the largest accepted limits', () => {
  const recursive = { $defs: { a: {} }, $ref: '#/$defs/a' };

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
        ...recursive,
        $defs: { a: { type: 'array', maxItems: 1000, items: { $ref: '#/$defs/a' } } },
      },
    ],
  ])('compile in llama.cpp: %s', async (_, schema) => {
    const { decoded } = await answer(schema, 1, { maxTokens: 2 });
    expect(decoded.length).toBeGreaterThan(0);
  });
});
