/** The waterfall that `make trace` and `make chat` draw in the terminal. */
import { expect, test } from 'vitest';
import { toWaterfall } from '../../../otel/traces/rows.ts';
import { describeError, drawWaterfall, type WaterfallOptions } from '../../../src/cli/waterfall.ts';
import { createSpan, createTrace, nanosAt, type OtlpSpan } from '../../support/otel/otlp-span.ts';

function draw(spans: OtlpSpan[], width: number, paint: WaterfallOptions['paint'] = plain): string {
  return drawWaterfall(toWaterfall(createTrace(spans)), { width, paint });
}

const plain = (_: unknown, text: string): string => text;
const int = (key: string, intValue: number) => ({ key, value: { intValue } });
const text = (key: string, stringValue: string) => ({ key, value: { stringValue } });
const child = { parentSpanId: 'chat' };

/** In the order in which they end: children first. */
const spans: OtlpSpan[] = [
  createSpan('queue', 0, 100, { ...child, attributes: [int('inference.queue.position', 2)] }),
  createSpan('prefill', 100, 500, {
    ...child,
    attributes: [
      int('gen_ai.usage.input_tokens', 42),
      int('gen_ai.usage.cache_read.input_tokens', 12),
    ],
  }),
  createSpan('decode', 500, 1000, {
    ...child,
    attributes: [
      int('gen_ai.usage.output_tokens', 60),
      { key: 'inference.tokens_per_second', value: { doubleValue: 82.865 } },
    ],
    events: [{ name: 'first_token', timeUnixNano: nanosAt(510) }],
  }),
  createSpan('chat', 0, 1000, {
    parentSpanId: 'post',
    attributes: [text('inference.outcome', 'completed'), text('inference.reason', 'length')],
  }),
  createSpan('post', 0, 1250, {
    parentSpanId: 'of the caller',
    kind: 2,
    attributes: [int('http.response.status_code', 200)],
  }),
];

test('draws each span under its parent, to scale, with its facts to the right', () => {
  expect(draw(spans, 80).split('\n')).toEqual([
    'post         1.25 s  ████████████████████  200',
    '└ chat       1.00 s  ████████████████      completed, length',
    '  ├ queue    100 ms  █▋                    position 2',
    '  ├ prefill  400 ms   ███████              42 in, 12 cached',
    '  ├ decode   500 ms          ████████      60 out, 82.9/s, first token at 510 ms',
    '  └ rest     250 ms                  ████',
    '',
  ]);
});

test('puts the facts below the bar in a narrow terminal, and never breaks a line', () => {
  const lines = draw(spans, 60).split('\n');
  expect(lines.slice(0, 2)).toEqual([
    `post         1.25 s  ${'█'.repeat(39)}`,
    `${' '.repeat(21)}200`,
  ]);
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(60);
});

test('draws at least an eighth of a column for a span that took no time', () => {
  const brief = [
    createSpan('root', 0, 100),
    createSpan('first', 0, 0),
    createSpan('last', 100, 100),
  ];
  const drawn = draw(brief, 60);
  const [root = '', ...others] = drawn.trimEnd().split('\n');
  for (const line of others) {
    expect(line).toMatch(/[█▏]$/u);
    expect(line.length).toBeLessThanOrEqual(root.length);
  }
});

test('paints a failed span red, and removes control characters from names', () => {
  const failed = createSpan('chat \u001B[2Jx', 0, 10, { status: { code: 2 } });
  const paint = (format: unknown, text: string): string => `<${String(format)}>${text}`;
  const drawn = draw([failed], 60, paint);
  expect(drawn).toContain('<red>█');
  expect(drawn).not.toContain('\u001B');
});

test('draws a trace without its root, and one without spans', () => {
  expect(draw([createSpan('decode', 5, 10)], 60)).toMatch(/^decode/);
  expect(draw([], 60)).toBe('');
});

test('says above the waterfall why a request was refused or failed', () => {
  const post = createSpan('post', 0, 2, { attributes: [int('http.response.status_code', 400)] });
  const refused = (message: string, param: string): string => {
    const error = [text('inference.error.message', message), text('inference.error.param', param)];
    const chat = createSpan('chat', 0, 1, { parentSpanId: 'post', attributes: error });
    return describeError(toWaterfall(createTrace([chat, post])));
  };
  expect(refused('top_p: expected a number.', 'top_p')).toBe('400 top_p: expected a number.\n');
  expect(refused('Shorten the\u001B messages.', 'messages')).toBe(
    '400 Shorten the messages. (messages)\n',
  );
  expect(describeError(toWaterfall(createTrace(spans)))).toBe('');
});

test('draws every gap of the time that no phase explains', () => {
  const rest = draw(
    [createSpan('decode', 250, 500, { parentSpanId: 'chat' }), createSpan('chat', 0, 1000)],
    60,
  )
    .split('\n')
    .find((line) => line.includes('rest'));
  expect(rest).toMatch(/^└ rest +750 ms +█+ +█+$/);
});
