/** The limit on attribute sets, for metrics of the contract and of a program. */
import { metrics as api } from '@opentelemetry/api';
import { beforeAll, expect, test } from 'vitest';
import { createInferenceTelemetry } from '../../../otel/generation/inference.ts';
import { createInstruments } from '../../../otel/metrics/instruments.ts';
import { startTelemetry, type Telemetry } from '../../../otel/sdk.ts';
import { createCeiling, createLabelFilter } from '../../../otel/metrics/series.ts';
import { readSamples, type Samples } from '../../support/otel/scrape.ts';

let telemetry: Telemetry;

beforeAll(() => {
  telemetry = startTelemetry({
    serviceName: 'test',
    serviceVersion: '1.0.0',
    shareMillis: 0,
    seriesLimit: 300,
  });
});

const seriesOf = (samples: Samples, name: string): string[] =>
  [...samples.keys()].filter((key) => key === name || key.startsWith(`${name}{`));

test('10,000 model names of clients add no series and are in no label', async () => {
  const { meter, tracer } = telemetry;
  const inference = createInferenceTelemetry({
    meter,
    tracer,
    contextTokens: () => 0,
    state: () => 'ready',
  });
  const generate = (requestedModel: string): void => {
    const generation = inference.begin({ operation: 'chat', at: 1 });
    generation.admitted({ model: 'm', requestedModel, responseId: requestedModel, stream: false });
    generation.end({ outcome: 'completed', reason: 'stop', at: 2 });
  };
  generate('first');
  const before = await readSamples(telemetry);
  for (let index = 0; index < 10_000; index += 1) generate(`canary-${index}`);
  const after = await readSamples(telemetry);
  expect([...after.keys()].filter((key) => !before.has(key))).toEqual([]);
});

test('a label that the contract does not declare is dropped', async () => {
  const instruments = createInstruments(telemetry.meter);
  instruments.add('inferenceQueueDepth', 1, { 'user.id': 'canary' });
  const samples = await readSamples(telemetry);
  expect(seriesOf(samples, 'inference_queue_depth')).toEqual(['inference_queue_depth']);
});

test('10,000 values of a closed label end in one overflow series, which no collection resets', async () => {
  const instruments = createInstruments(telemetry.meter);
  const flood = (from: number): void => {
    for (let index = from; index < from + 5000; index += 1) {
      instruments.add('inferenceRequests', 1, { outcome: 'completed', reason: `reason ${index}` });
    }
  };
  flood(0);
  const first = await readSamples(telemetry);
  flood(5000);
  const second = await readSamples(telemetry);
  expect(first.get('inference_requests_total{otel_metric_overflow="true"}')).toBeGreaterThan(4000);
  expect(seriesOf(second, 'inference_requests_total').length).toBe(
    seriesOf(first, 'inference_requests_total').length,
  );
  const total = seriesOf(second, 'inference_requests_total').map((key) => second.get(key) ?? 0);
  expect(total.reduce((sum, value) => sum + value)).toBeGreaterThanOrEqual(10_000);
  expect(second.get('telemetry_series')).toBe(300);
  expect(second.get('telemetry_series_limit')).toBe(300);
  expect(second.get('telemetry_series_refused_total')).toBeGreaterThan(9000);
});

test("a program's own metric is limited, and every metric of the contract is still exported", async () => {
  const counter = api.getMeter('somebody').createCounter('their.requests');
  for (let index = 0; index < 1000; index += 1) counter.add(1, { user: `user ${index}` });
  const samples = await readSamples(telemetry);
  expect(seriesOf(samples, 'their_requests_total')).toEqual([]);
  expect(samples.has('inference_ready')).toBe(true);
});

test('the limit keeps the first attribute sets', () => {
  const ceiling = createCeiling({ limit: 2 });
  expect(ceiling.admit('a', { x: 1 })).toBe(true);
  expect(ceiling.admit('b', { x: 1 })).toBe(true);
  expect(ceiling.admit('a', { x: 2 })).toBe(false);
  expect(ceiling.admit('a', { x: 1 })).toBe(true);
  expect([ceiling.count(), ceiling.refused()]).toEqual([2, 1]);
});

test('a label filter keeps the declared labels in any order', () => {
  const ceiling = createCeiling({ limit: 10 });
  const filter = createLabelFilter({ metric: 'm', labels: ['a', 'b'], ceiling });
  expect(filter.process({ b: 1, a: 2, c: 3 })).toEqual({ a: 2, b: 1 });
  expect(filter.process({ a: 2, b: 1 })).toEqual({ a: 2, b: 1 });
  expect(ceiling.count()).toBe(1);
});
