/** The rows of a waterfall, from OTLP JSON as `GET /api/traces/{id}` answers it. */
import { describe, expect, test } from 'vitest';
import { factOf, toWaterfall } from '../../../otel/traces/rows.ts';
import { createSpan, createTrace, nanosAt, traceStart } from '../../support/otel/otlp-span.ts';

const child = { parentSpanId: 'chat' };

test('lists parents before children and siblings by start, whatever the order in which they ended', () => {
  const trace = createTrace([
    createSpan('decode', 30, 90, child),
    createSpan('queue', 10, 30, child),
    createSpan('chat', 5, 95, { parentSpanId: 'POST /chat' }),
    createSpan('POST /chat', 0, 100, { kind: 2, parentSpanId: 'span of the caller' }),
  ]);
  const { rows, startedAt, durationMillis } = toWaterfall(trace);
  expect(rows.map((row) => [row.depth, row.name, row.phase, row.isLastChild])).toEqual([
    [0, 'POST /chat', undefined, true],
    [1, 'chat', undefined, true],
    [2, 'queue', 'queue', false],
    [2, 'decode', 'decode', false],
    [2, 'rest', undefined, true],
  ]);
  expect({ startedAt, durationMillis }).toEqual({ startedAt: traceStart, durationMillis: 100 });
  expect(rows.at(-2)).toMatchObject({ startMillis: 30, durationMillis: 60 });
});

test('is whole once the server span is there', () => {
  const chat = createSpan('chat', 0, 10, { kind: 1 });
  expect(toWaterfall(createTrace([chat])).isWhole).toBe(false);
  const server = createSpan('POST /chat', 0, 11, { kind: 2 });
  expect(toWaterfall(createTrace([chat, server])).isWhole).toBe(true);
});

test('keeps numbers as numbers, and joins lists', () => {
  const span = createSpan('chat', 0, 1, {
    attributes: [
      { key: 'gen_ai.usage.input_tokens', value: { intValue: '42' } },
      { key: 'inference.tokens_per_second', value: { doubleValue: 82.865 } },
      { key: 'gen_ai.request.stream', value: { boolValue: true } },
      {
        key: 'gen_ai.response.finish_reasons',
        value: { arrayValue: { values: [{ stringValue: 'stop' }, { stringValue: 'length' }] } },
      },
    ],
    events: [{ name: 'first_token', timeUnixNano: nanosAt(0.25) }],
    status: { code: 2 },
  });
  const [row] = toWaterfall(createTrace([span])).rows;
  expect(row).toMatchObject({ failed: true, events: [{ name: 'first_token', atMillis: 0.25 }] });
  expect(row!.attributes.map(([, value]) => value)).toEqual([42, 82.865, 'true', 'stop, length']);
  expect(factOf(row!, 'inputTokens')).toBe(42);
  expect(factOf(row!, 'reason')).toBeUndefined();
});

test('has no rows for a trace without spans', () => {
  const empty = { startedAt: 0, durationMillis: 0, rows: [], isWhole: false };
  expect(toWaterfall({ resourceSpans: [] })).toEqual(empty);
});

describe('the time that no phase explains', () => {
  const within = { parentSpanId: 'chat' };
  const create = (phases: [name: string, from: number, to: number][]) =>
    toWaterfall(
      createTrace([
        ...phases.map(([name, from, to]) => createSpan(name, from, to, within)),
        createSpan('chat', 0, 500),
      ]),
    ).rows;

  test('has a row with its gaps below the phases, when it is above 10 %', () => {
    const rows = create([
      ['tokenize', 100, 110],
      ['prefill', 150, 400],
      ['decode', 390, 480],
    ]);
    expect(rows.map(({ name, isLastChild }) => [name, isLastChild])).toEqual([
      ['chat', true],
      ['tokenize', false],
      ['prefill', false],
      ['decode', false],
      ['rest', true],
    ]);
    expect(rows.at(-1)).toMatchObject({
      depth: 1,
      startMillis: 0,
      durationMillis: 160,
      gaps: [
        { startMillis: 0, durationMillis: 100 },
        { startMillis: 110, durationMillis: 40 },
        { startMillis: 480, durationMillis: 20 },
      ],
    });
  });

  test('has no row when it is less, or when there are no phases', () => {
    expect(create([['prefill', 20, 480]]).map(({ name }) => name)).toEqual(['chat', 'prefill']);
    expect(create([]).map(({ name }) => name)).toEqual(['chat']);
  });
});
