/** Durations and spans while the wall clock is stepped, in one process and in two. */
import { context, trace } from '@opentelemetry/api';
import { execFileSync } from 'node:child_process';
import { afterEach, expect, test, vi } from 'vitest';
import { monotonicMillis } from '../../../otel/clock.ts';
import { inference, model, telemetry } from '../../support/otel/generation.ts';
import { readTrace } from '../../support/otel/trace.ts';

const wallClock = Date.now.bind(Date);
const eightHours = 8 * 3600 * 1000;

afterEach(() => vi.restoreAllMocks());

function stepWallClock(millis: number): void {
  vi.spyOn(Date, 'now').mockImplementation(() => wallClock() + millis);
}

/** A whole request whose wall clock is stepped after admission. */
function traceRequest(step: () => void): string {
  const parent = telemetry.tracer.startSpan('POST /chat');
  const within = trace.setSpan(context.active(), parent);
  const at = monotonicMillis();
  const generation = context.with(within, () => inference.begin({ operation: 'chat', at }));
  generation.admitted({ model, requestedModel: model, responseId: 'r', stream: true });
  step();
  generation.started({ at: monotonicMillis() });
  const startedAt = monotonicMillis();
  const endedAt = monotonicMillis();
  generation.prefilled({ startedAt, endedAt, inputTokens: 1, cachedTokens: 0 });
  generation.token({ at: monotonicMillis() });
  const summary = generation.end({ outcome: 'completed', reason: 'stop', at: monotonicMillis() });
  expect(summary.durationSeconds).toBeLessThan(60);
  parent.end();
  return summary.traceId;
}

test.each([
  ['before', eightHours],
  ['during', eightHours],
  ['during', -eightHours],
])(
  'a step of the clock %s the request (%i ms) moves the trace, and tears it nowhere',
  async (when, by) => {
    if (when === 'before') stepWallClock(by);
    const expected = Date.now();
    const spans = await readTrace(
      telemetry,
      traceRequest(() => {
        if (when === 'during') stepWallClock(by);
      }),
    );
    expect(spans.map(({ name }) => name)).toEqual([
      'prefill',
      'decode',
      `chat ${model}`,
      'POST /chat',
    ]);
    for (const { name, startedAt, endedAt } of spans) {
      expect(endedAt, name).toBeGreaterThanOrEqual(startedAt);
      for (const at of [startedAt, endedAt])
        expect(Math.abs(at - expected), name).toBeLessThan(60_000);
    }
  },
);

test('the clock is the same in every process from its first reading on, such as in the engine', () => {
  const { href } = new URL('../../../otel/clock.ts', import.meta.url);
  const program = `
    const { monotonicMillis } = await import('${href}');
    const machine = () => Number(process.hrtime.bigint()) / 1e6;
    console.log(JSON.stringify([machine(), monotonicMillis(), machine()]));`;
  const before = monotonicMillis();
  const printed = execFileSync(process.execPath, ['--input-type=module', '-e', program]);
  const readings = [before, ...(JSON.parse(printed.toString()) as number[]), monotonicMillis()];
  expect(readings).toEqual(readings.toSorted((one, other) => one - other));
});
