/** `names.ts` against OpenTelemetry's semantic conventions. */
import { describe, expect, test } from 'vitest';
import { deviations } from '../../../otel/deviations.ts';
import { attributes, metrics, spanAttributes, type MetricDefinition } from '../../../otel/names.ts';
import { compareWithConventions, type Names } from '../../support/otel/conventions.ts';

const names: Names = {
  metrics: Object.values<MetricDefinition>(metrics),
  labels: Object.values(attributes),
  spanAttributes: Object.values(spanAttributes),
};

test('every name is as the conventions have it, in a namespace of ours, or a listed deviation', () => {
  expect(compareWithConventions(names, deviations)).toEqual([]);
});

const process = { unit: 'By', kind: 'updown', labels: [attributes.processRole] } as const;
const http = metrics.httpServerRequestDuration;
const perToken = metrics.genAiServerTimePerOutputToken;

describe('a wrong name is found:', () => {
  test.each<[string, Partial<Names>]>([
    ['process.cpu.mode', { labels: ['process.cpu.mode'] }],
    [
      'process.open_file_descriptors',
      { metrics: [{ ...process, name: 'process.open_file_descriptors' }] },
    ],
    [
      'process.open_file_descriptor.count',
      { metrics: [{ ...process, name: 'process.open_file_descriptor.count' }] },
    ],
    [
      'process.memory.usage',
      { metrics: [{ ...process, name: 'process.memory.usage', kind: 'gauge' }] },
    ],
    [
      'system.memory.usage',
      { metrics: [{ ...process, name: 'system.memory.usage', kind: 'gauge' }] },
    ],
    [
      'container.cpu.throttled.time',
      { metrics: [{ ...process, name: 'container.cpu.throttled.time', kind: 'counter' }] },
    ],
    ['container.memory.limit', { metrics: [{ ...process, name: 'container.memory.limit' }] }],
    ['gen_ai.request.streaming', { spanAttributes: ['gen_ai.request.streaming'] }],
    ['outcome on spans', { spanAttributes: ['outcome'] }],
    ['reason on spans', { spanAttributes: ['reason'] }],
    ['how on spans', { spanAttributes: ['how'] }],
    ['result', { labels: ['result'] }],
    [
      'http.server.request.duration',
      { metrics: [{ ...http, labels: http.labels.filter((label) => label !== 'url.scheme') }] },
    ],
    ['http.server.request.duration', { metrics: [{ ...http, unit: 'ms' }] }],
    ['gen_ai.server.time_per_output_token', { metrics: [{ ...perToken, buckets: [0.01, 1] }] }],
  ])('%s', (name, wrong) => {
    const found = compareWithConventions(
      { metrics: [], labels: [], spanAttributes: [], ...wrong },
      [],
    );
    expect(found).toEqual([expect.stringContaining(`${name}: `)]);
  });

  test('a deviation that does not exist', () => {
    const wrong = {
      name: 'process.uptime',
      of: 'kind',
      conventions: '',
      here: '',
      why: '',
    } as const;
    expect(compareWithConventions(names, [...deviations, wrong])).toEqual([
      expect.stringContaining('process.uptime: '),
    ]);
  });
});
