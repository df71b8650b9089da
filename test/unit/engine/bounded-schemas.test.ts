/** What a schema may cost: the steps of its compilation, and the alternatives that sampling tries, both counted. */
import { expect, test } from 'vitest';
import { maxOpenCost, mostOpen } from '../../../src/engine/worker/llama/grammar/alternatives.ts';
import { createRules, literal } from '../../../src/engine/worker/llama/grammar/gbnf.ts';
import { writeSchema } from '../../../src/engine/worker/llama/grammar/json-schema.ts';
import { createMeter, maxSliceSteps } from '../../../src/engine/worker/llama/grammar/work.ts';

const named = (count: number, value: (at: number) => unknown) =>
  Object.fromEntries(Array.from({ length: count }, (_, at) => [`p${at}`, value(at)]));
const list = <T>(count: number, value: (at: number) => T) =>
  Array.from({ length: count }, (_, at) => value(at));
const characters = (count: number) => list(count, (at) => String.fromCodePoint(0x4e00 + at));

function compile(schema: unknown): number {
  const meter = createMeter();
  const rules = createRules();
  const options = { strict: false, name: 'schema', param: 'schema' };
  const { part } = meter.run(() => writeSchema(rules, schema, options));
  meter.run(() => {
    rules.define('root', [[part]]);
    rules.write('root');
  });
  return meter.steps.longest;
}

const steps = 'in fewer steps';
const nesting = 'differ before they nest';
const node = { $ref: '#/$defs/node' };
const recursive = (...kinds: unknown[]) => ({ $defs: { node: { anyOf: kinds } }, ...node });
const tagged = (name: string) => ({
  type: 'object',
  properties: { type: { const: name }, left: node },
  required: ['type', 'left'],
});
const alternatives = 'fewer alternatives at one place';
const sideBySide = 'fewer alternatives that begin alike';
const letters = list(26, (at) => String.fromCodePoint(97 + at));
const tagless = (count: number, properties: number) => ({
  anyOf: list(count, (kind) => ({
    properties: Object.fromEntries(
      letters.slice(0, properties).map((name) => [`${name}${kind}`, { type: 'boolean' }]),
    ),
  })),
});

test.each<[string, unknown, string]>([
  ['two long lists of values', { allOf: list(2, () => ({ enum: list(3000, String) })) }, steps],
  ['many schemas at once', { allOf: list(3000, (at) => ({ minLength: at % 5 })) }, steps],
  ['a pattern of many alternatives', { pattern: characters(600).join('a|') }, steps],
  [
    'patterns of many states',
    { properties: named(40, (at) => ({ type: 'string', pattern: `${at}.*a.{7}$` })) },
    steps,
  ],
  ['a long value without repetition', { uniqueItems: true, const: list(4000, String) }, steps],
  [
    'two arrays that contain themselves',
    recursive(...[2, 3].map((maxItems) => ({ type: 'array', items: node, maxItems }))),
    nesting,
  ],
  [
    'unions of like arrays in each other',
    list(9, String).reduce<unknown>(
      (items) => ({ anyOf: [1, 2].map((maxItems) => ({ type: 'array', items, maxItems })) }),
      { type: 'null' },
    ),
    nesting,
  ],
  ['values that begin differently', { enum: characters(300) }, alternatives],
  [
    'texts that stay open together',
    { anyOf: list(60, (at) => ({ type: 'string', minLength: at })) },
    alternatives,
  ],
  [
    'lists that begin alike, of many values',
    { anyOf: list(39, (minItems) => ({ type: 'array', minItems, items: { enum: letters } })) },
    sideBySide,
  ],
  ['many objects without a tag', tagless(39, 12), sideBySide],
])('%s: refused within the limit of steps', (_, schema, limit) => {
  expect(() => compile(schema)).toThrow(limit);
});

test.each<[string, unknown]>([
  [
    '100 properties',
    {
      properties: named(100, () => ({ type: 'string' })),
      required: Object.keys(named(100, Boolean)),
    },
  ],
  ['10,000 values', { enum: list(10_000, (at) => `value ${at}`) }],
  [
    'a union of 40 objects',
    {
      oneOf: list(40, (at) => ({ properties: { kind: { const: `k${at}` } }, required: ['kind'] })),
    },
  ],
  [
    '30 texts of two formats',
    { properties: named(30, (at) => ({ type: 'string', format: at % 2 ? 'uuid' : 'date' })) },
  ],
  ['a tree of tagged nodes', recursive(tagged('add'), tagged('not'), { type: 'null' })],
  [
    'a tree of objects and arrays',
    recursive(
      { type: 'array', items: node },
      { type: 'object', additionalProperties: node },
      { type: 'string' },
    ),
  ],
  ['a union of 12 objects without a tag', tagless(12, 12)],
  ['100 optional properties', { properties: named(100, () => ({ type: 'string' })) }],
  ['any JSON', { type: 'object', additionalProperties: true }],
  [
    '20 ranges',
    { properties: named(20, (at) => ({ type: 'integer', minimum: -at, maximum: at * 9999 })) },
  ],
])('%s: compiled within the limit of steps', (_, schema) => {
  expect(compile(schema)).toBeLessThan(maxSliceSteps);
});

test('an alternative counts where it is open, not where it is written', () => {
  const letters = list(26, (at) => [literal(String.fromCodePoint(97 + at))]);
  const rules = new Map([
    ['root', [[{ rule: 'letter' }, { rule: 'maybe', min: 0 }, literal('!')]]],
    ['letter', letters],
    ['maybe', letters.slice(0, 10)],
  ]);
  expect(mostOpen(rules)).toBe(26);
  expect(mostOpen(new Map([...rules, ['letter', [[literal('a')]]]]))).toBe(11);
  expect(maxOpenCost).toBeLessThan(300);
});
