/** What the grammars of JSON schemas accept, judged by llama.cpp without a model, and by the JSON Schema Test Suite. */
import { beforeAll, describe, expect, test } from 'vitest';
import { createRules } from '../../../src/engine/worker/llama/grammar/gbnf.ts';
import { describeCall, writeCalls } from '../../../src/engine/worker/llama/grammar/tool-grammar.ts';
import {
  describeSuite,
  fetchSuite,
  readmeOfGrammar,
  rejectedShare,
  runSuite,
} from '../../support/engine/json-schema-suite.ts';
import {
  compileSchema,
  loadAcceptors,
  loadGrammars,
  type Acceptor,
} from '../../support/engine/json-text.ts';

let acceptorOf: (schema: unknown, strict?: boolean) => Acceptor;
beforeAll(async () => {
  acceptorOf = await loadAcceptors();
});

const person = {
  type: 'object',
  properties: { name: { type: 'string' }, age: { type: 'integer' }, tags: { items: {} } },
  required: ['age'],
};
const kind = (value: string, more: object = {}) => ({
  type: 'object',
  properties: { kind: { const: value }, ...more },
  required: ['kind'],
});

test.each<[string, unknown, string[], string[]]>([
  [
    'optional properties',
    person,
    ['{"age":1}', '{"name":"a","age":1}', '{"age":1,"tags":[]}', '{ "age": 1,\n  "tags": [1] }'],
    ['{}', '{"name":"a"}', '{"age":1,}', '{"age":1,"name":"a"}', '{"age":1,"other":1}'],
  ],
  [
    'control characters, quotes and backslashes',
    { enum: ['a\0b', '\\u0000', '"\b\f\x7F'] },
    ['a\0b', '\\u0000', '"\b\f\x7F'].map((value) => JSON.stringify(value)),
    ['"a\\x00b"', '"\\x00"'],
  ],
  [
    'undeclared properties',
    { properties: { a: { type: 'null' } }, additionalProperties: { type: 'integer' } },
    ['{}', '{"a":null}', '{"a":null,"b":1}', '{"ab":1,"":2}'],
    ['{"a":1}', '{"b":null}', '{"b":1,"a":null}'],
  ],
  [
    'patterns of properties',
    { patternProperties: { '^x-': { type: 'string' }, '-n$': { maxLength: 1 } } },
    ['{}', '{"x-a":"bc"}', '{"x-n":"b"}', '{"a-n":""}'],
    ['{"x-a":1}', '{"x-n":"bc"}', '{"other":1}'],
  ],
  [
    'names of properties',
    { type: 'object', propertyNames: { pattern: '^[a-z]{2}$' }, additionalProperties: true },
    ['{"ab":1}'],
    ['{"a":1}', '{"AB":1}'],
  ],
  [
    'counts of properties',
    { properties: { a: {}, b: {}, c: {} }, minProperties: 1, maxProperties: 2 },
    ['{"a":1}', '{"a":1,"c":1}', '{"b":1,"c":1}'],
    ['{}', '{"a":1,"b":1,"c":1}'],
  ],
  [
    'integers within limits',
    { type: 'integer', minimum: -7, exclusiveMaximum: 1200 },
    ['-7', '0', '999', '1199'],
    ['-8', '1200', '1.5', '01', '-0', '1e2'],
  ],
  [
    'integers of any size',
    { type: 'integer', minimum: 1e20 },
    ['100000000000000000000', '999999999999999999999'],
    ['99999999999999999999', '0'],
  ],
  [
    'numbers within limits',
    { type: 'number', exclusiveMinimum: 0, maximum: 2.5 },
    ['0.1', '2', '2.5', '2.50', '0.0001'],
    ['0', '0.0', '2.51', '-1', '3'],
  ],
  [
    'multiples',
    { type: 'number', multipleOf: 0.05, minimum: 0 },
    ['0.05', '1', '1.1', '1.15'],
    ['0.01', '1.151'],
  ],
  [
    'a pattern with a length',
    { type: 'string', pattern: '^[ab]+$|^c', maxLength: 3 },
    ['"ab"', '"aba"', '"cde"'],
    ['""', '"abab"', '"dc"', '"ax"'],
  ],
  [
    'a pattern that only regular expressions without u know',
    { type: 'string', pattern: String.raw`^[\w\-]+$` },
    ['"a-b"'],
    ['"a b"'],
  ],
  [
    'texts that need escapes',
    { enum: ['a"b', '\u0007\n', '\\'] },
    [String.raw`"a\"b"`, String.raw`"\u0007\n"`, String.raw`"\\"`],
    ['"a"'],
  ],
  [
    'a pattern whose texts need escapes',
    { type: 'string', pattern: String.raw`^["\\\n]+$` },
    [String.raw`"\"\\\n"`],
    ['"""', '"n"'],
  ],
  [
    'values beside other keywords',
    {
      enum: ['a', 'abc', 1, null, { a: 1 }, { a: 'x' }],
      minLength: 2,
      properties: { a: { type: 'integer' } },
    },
    ['"abc"', '1', 'null', '{"a":1}'],
    ['"a"', '{"a":"x"}'],
  ],
  [
    'allOf of objects',
    {
      allOf: [person, { properties: { age: { minimum: 18 } } }, { required: ['name'] }],
    },
    ['{"name":"a","age":18}'],
    ['{"age":18}', '{"name":"a","age":17}'],
  ],
  [
    'oneOf whose alternatives differ in what they require',
    {
      oneOf: ['a', 'b', 'c', 'd', 'e'].map((name) => ({
        type: 'object',
        properties: { [name]: { type: 'integer' }, note: { type: 'string' } },
        required: [name],
      })),
    },
    ['{"a":1}', '{"e":1,"note":"x"}'],
    ['{"a":1,"b":1}', '{"note":"x"}'],
  ],
  [
    'oneOf with a value that tells them apart',
    { oneOf: [kind('a', { x: { type: 'integer' } }), kind('b', { x: { type: 'null' } })] },
    ['{"kind":"a","x":1}', '{"kind":"b","x":null}', '{"kind":"b"}'],
    ['{"kind":"a","x":null}', '{"kind":"c"}'],
  ],
  [
    'oneOf of overlapping types',
    { oneOf: [{ type: 'integer' }, { minimum: 2 }] },
    ['1', '-3', '2.5', '2.01'],
    ['3', '1.5'],
  ],
  ['not', { type: ['string', 'null'], not: { enum: ['a', null] } }, ['"b"', '""'], ['"a"', 'null']],
  [
    'if, then and else',
    {
      type: 'object',
      properties: { kind: { enum: ['a', 'b'] }, n: { type: 'integer' } },
      required: ['kind'],
      if: { properties: { kind: { const: 'a' } } },
      // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema
      then: { required: ['n'] },
      else: { properties: { n: false } },
    },
    ['{"kind":"a","n":1}', '{"kind":"b"}'],
    ['{"kind":"a"}', '{"kind":"b","n":1}'],
  ],
  [
    'dependentRequired',
    { properties: { card: {}, address: {} }, dependentRequired: { card: ['address'] } },
    ['{}', '{"address":1}', '{"card":1,"address":1}'],
    ['{"card":1}'],
  ],
  [
    'items without repetition',
    { items: { enum: ['a', 'b', 'c'] }, uniqueItems: true, minItems: 1 },
    ['["a"]', '["a","c"]', '["a","b","c"]'],
    ['[]', '["a","a"]'],
  ],
  [
    'a tuple that may end early',
    { type: 'array', prefixItems: [{ const: 1 }, { const: 2 }], items: { const: 0 }, maxItems: 3 },
    ['[]', '[1]', '[1, 2]', '[1,2,0]'],
    ['[2]', '[1,2,0,0]', '[1,0]'],
  ],
  [
    'contains',
    { type: 'array', items: { type: 'integer' }, contains: { const: 7 } },
    ['[7]', '[7,1]'],
    ['[]', '[1]'],
  ],
  [
    'a tree, referred to by anchor',
    {
      $ref: '#node',
      $defs: {
        node: {
          $anchor: 'node',
          properties: { next: { $ref: '#node' } },
          additionalProperties: false,
        },
      },
    },
    ['{}', '{"next":{"next":{}}}'],
    ['{"next":1}'],
  ],
  [
    'schemas with a name of their own',
    {
      $id: 'https://example.com/root',
      properties: { a: { $ref: 'item' } },
      $defs: { item: { $id: 'item', type: 'integer', maximum: 3 } },
    },
    ['{"a":3}'],
    ['{"a":4}', '{"a":"x"}'],
  ],
  ['nullable', { type: 'integer', minimum: 5, nullable: true }, ['5', 'null'], ['4']],
  [
    'what no alternative evaluates',
    {
      allOf: [{ properties: { a: { type: 'integer' } } }],
      properties: { b: { type: 'null' } },
      unevaluatedProperties: false,
    },
    ['{"b":null,"a":1}', '{}'],
    ['{"c":1}'],
  ],
  [
    'whitespace, but not without end',
    { type: 'object', properties: { a: { type: 'integer' } } },
    ['{\n  "a": 1\n}'],
    [`{${' '.repeat(30)}"a":1}`, `{\n${' '.repeat(60)}"a":1}`, '{\n\n\n"a":1}'],
  ],
])('%s', (_, schema, accepted, rejected) => {
  const acceptor = acceptorOf(schema);
  expect(accepted.filter((text) => !acceptor.accepts(text))).toEqual([]);
  expect(rejected.filter((text) => acceptor.accepts(text))).toEqual([]);
});

test.each<[string, string[], string[]]>([
  ['date', ['2024-02-29', '2026-12-31'], ['2023-02-29', '2026-04-31', '1900-02-29']],
  ['time', ['23:59:59Z', '00:00:00.5+08:00'], ['24:00:00Z', '12:00', '12:00:00']],
  ['date-time', ['2026-01-01T00:00:00Z'], ['2026-01-01 00:00:00Z']],
  ['email', ['a.b+c@example.com'], ['a', 'a@b', '@example.com']],
  ['uuid', ['0190a6c4-0000-7000-8000-000000000000'], ['0190a6c4']],
  ['ipv4', ['127.0.0.1', '255.255.255.255'], ['256.0.0.1', '1.2.3', '01.2.3.4']],
  ['ipv6', ['::1', 'fe80::1:2', '1:2:3:4:5:6:7:8', '::'], ['1:2:3', ':::', '1::2::3']],
  ['uri', ['https://example.com/a?b=c#d', 'http://a:80'], ['example.com', 'http://']],
  ['hostname', ['a.example.com', 'localhost'], ['-a', 'a..b', '']],
])('the format %s', (format, accepted, rejected) => {
  const acceptor = acceptorOf({ type: 'string', format });
  expect(accepted.filter((text) => !acceptor.accepts(JSON.stringify(text)))).toEqual([]);
  expect(rejected.filter((text) => acceptor.accepts(JSON.stringify(text)))).toEqual([]);
});

describe('the JSON Schema Test Suite', async () => {
  const folder = await fetchSuite().catch((error: unknown) => {
    process.stderr.write(`The JSON Schema Test Suite is skipped: ${String(error)}\n`);
  });

  test.skipIf(folder === undefined)('has no invalid instance that a grammar accepts', async () => {
    const result = await runSuite(folder!);
    expect(result.unsound).toEqual([]);
    expect(rejectedShare(result)).toBeGreaterThanOrEqual(0.9);
    expect(describeSuite(result)).toBe(readmeOfGrammar());
  });
});

describe('a hostile schema', () => {
  const levels = Array.from({ length: 40 }, (_, at) => at);
  const doubled = (next: (at: number) => object[]) => ({
    $ref: '#/$defs/d0',
    $defs: { ...Object.fromEntries(levels.map((at) => [`d${at}`, { anyOf: next(at) }])), d40: {} },
  });
  const refer = (at: number) => ({ $ref: `#/$defs/d${at + 1}` });

  test.each<[string, unknown]>([
    [
      'alternatives that double at each level',
      doubled((at) => [
        { allOf: [refer(at), { required: [`a${at}`] }] },
        { allOf: [refer(at), { required: [`b${at}`] }] },
      ]),
    ],
    ['a pattern whose automaton doubles with each character', { pattern: '^(.*a.{14})$' }],
    ['nested repetitions', { pattern: '^(((a{100}){100}){100})$' }],
    ['60,000 values', { enum: Array.from({ length: 60_000 }, (_, at) => `value ${at * 7919}`) }],
    ['deep nesting', JSON.parse(`${'{"items":'.repeat(3000)}{}${'}'.repeat(3000)}`)],
  ])('is refused before it costs much: %s', (_, schema) => {
    expect(() => compileSchema(schema)).toThrow(/expected|cannot be enforced/);
  });

  test('of equal alternatives that double at each level is small', () => {
    const { grammar } = compileSchema(doubled((at) => [refer(at), refer(at)]));
    expect(grammar.length).toBeLessThan(2000);
  });

  test('of 10,000 values is a prefix tree', () => {
    const values = Array.from({ length: 10_000 }, (_, at) => `v${at}`);
    const acceptor = acceptorOf({ enum: values });
    expect(acceptor.accepts('"v9999"')).toBe(true);
    expect(acceptor.accepts('"v10000"')).toBe(false);
    const widest = Math.max(
      ...compileSchema({ enum: values })
        .grammar.split('\n')
        .map((rule) => rule.split(' | ').length),
    );
    expect(widest).toBeLessThan(20);
  });
});

test('a refused schema is recorded without the names and values that a client chose', () => {
  const secret = { type: 'object', properties: { canary: { minItems: 'canary', type: 'array' } } };
  for (const schema of [secret, { $ref: '#/canary' }, { properties: { canary: 5 } }]) {
    expect(() => compileSchema(schema)).toThrow(
      expect.objectContaining({
        message: expect.stringContaining('canary'),
        recorded: expect.not.stringContaining('canary'),
      }),
    );
  }
});

test('strict of a tool counts', () => {
  const parameters = { type: 'object', properties: { a: { pattern: '(?=a)b' } } };
  const compile = (strict: boolean) =>
    describeCall(createRules(), { name: 'f', parameters, strict });
  expect(() => compile(true)).toThrow('tools: parameters of f: "pattern" cannot be enforced');
  expect(compile(false).text).toContain('"name": "f"');
});

test('a line break after a call forces no other call', async () => {
  const rules = createRules();
  const described = [describeCall(rules, { name: 'f', parameters: { type: 'object' } })];
  rules.define('root', [writeCalls(rules, described, { parallel: true, before: '' })!]);
  const accepts = (await loadGrammars())(rules.write('root')!);
  const call = '<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>';
  const answers = [call, `${call}\n`, `${call}\n${call}\n`, `${call}\n\n`, `${call}\nx`];
  expect(answers.map(accepts)).toEqual([true, true, true, false, false]);
});

test('a strict schema names the keyword that cannot be enforced, and another one drops it', () => {
  const schema = { properties: { 'a/b': { pattern: '(?=a)b' }, c: { uniqueItems: true } } };
  expect(() => compileSchema(schema)).toThrow(
    expect.objectContaining({
      code: 'bad_request',
      param: 'response_format',
      message:
        'response_format: json_schema: "pattern" cannot be enforced while an answer is generated; write a simpler one, or set strict to false and check the answer yourself (at #/properties/a~1b)',
    }),
  );
  expect(compileSchema(schema, false).dropped).toEqual([
    'pattern at #/properties/a~1b',
    'uniqueItems at #/properties/c',
  ]);
});
