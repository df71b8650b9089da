/** The waterfall that `make trace` and `make chat` draw, from spans as the service tells them. */
import { expect, test } from 'vitest';
import type { TraceSpan } from '../../../src/cli/client.ts';
import { drawWaterfall } from '../../../src/cli/waterfall.ts';

const plain = (_: unknown, text: string): string => text;
const begin = 1_795_510_148_088_000_000n;

function span(name: string, from: number, to: number, more: Partial<TraceSpan> = {}): TraceSpan {
  return {
    spanId: name,
    parentSpanId: 'chat',
    name,
    kind: 1,
    startTimeUnixNano: begin + BigInt(Math.round(from * 1e6)),
    endTimeUnixNano: begin + BigInt(Math.round(to * 1e6)),
    attributes: [],
    events: [],
    status: {},
    ...more,
  };
}

const attribute = (key: string, value: string | number) => ({ key, value });
const at = (millis: number): bigint => begin + BigInt(millis * 1e6);

/** As they end: children first. */
const spans: TraceSpan[] = [
  span('queue', 0, 100, { attributes: [attribute('inference.queue.position', 2)] }),
  span('prefill', 100, 500, {
    attributes: [
      attribute('gen_ai.usage.input_tokens', 42),
      attribute('gen_ai.usage.cache_read.input_tokens', 12),
    ],
  }),
  span('decode', 500, 1000, {
    attributes: [
      attribute('gen_ai.usage.output_tokens', 60),
      attribute('inference.tokens_per_second', 82.865),
    ],
    events: [{ name: 'first_token', timeUnixNano: at(510) }],
  }),
  span('chat', 0, 1000, {
    parentSpanId: 'post',
    attributes: [attribute('outcome', 'completed'), attribute('reason', 'length')],
  }),
  span('post', 0, 1250, {
    parentSpanId: 'of the caller',
    kind: 2,
    attributes: [attribute('http.response.status_code', 200)],
  }),
];

test('draws each span under its parent, to scale, with what matters beside it', () => {
  expect(drawWaterfall(spans, { width: 80, paint: plain }).split('\n')).toEqual([
    'post         1.25 s  ████████████████████  200',
    '└ chat       1.00 s  ████████████████      completed, length',
    '  ├ queue    100 ms  █▋                    position 2',
    '  ├ prefill  400 ms   ███████              42 in, 12 cached',
    '  └ decode   500 ms          ████████      60 out, 82.9/s, first token at 510 ms',
    '',
  ]);
});

test('puts what matters below where the terminal is narrow, and never breaks a line', () => {
  const lines = drawWaterfall(spans, { width: 60, paint: plain }).split('\n');
  expect(lines.slice(0, 2)).toEqual([
    `post         1.25 s  ${'█'.repeat(39)}`,
    `${' '.repeat(21)}200`,
  ]);
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(60);
});

test('shows a span that took no time, also at the very end', () => {
  const brief = [span('root', 0, 100), span('first', 0, 0), span('last', 100, 100)];
  const drawn = drawWaterfall(brief, { width: 60, paint: plain });
  const [root = '', ...others] = drawn.trimEnd().split('\n');
  for (const line of others) {
    expect(line).toMatch(/[█▏]$/u);
    expect(line.length).toBeLessThanOrEqual(root.length);
  }
});

test('paints what failed red, and lets no name steer the terminal', () => {
  const failed = span('chat \u001B[2Jx', 0, 10, { status: { code: 2 } });
  const paint = (format: unknown, text: string): string => `<${String(format)}>${text}`;
  const drawn = drawWaterfall([failed], { width: 60, paint });
  expect(drawn).toContain('<red>█');
  expect(drawn).not.toContain('\u001B');
});

test('draws a trace that is cut off, and none', () => {
  expect(drawWaterfall([span('decode', 5, 10)], { width: 60, paint: plain })).toMatch(/^decode/);
  expect(drawWaterfall([], { width: 60, paint: plain })).toBe('');
});
