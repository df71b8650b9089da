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

const onSpans = names.spanAttributes;
const without = (name: string): string[] => onSpans.filter((other) => other !== name);
const process = { unit: 'By', kind: 'updown', labels: [attributes.processRole] } as const;
const http = metrics.httpServerRequestDuration;
const perToken = metrics.genAiServerTimePerOutputToken;

describe('a wrong name is found:', () => {
  test.each<[string, Partial<Names>]>([
    ['process.cpu.mode', { labels: [...names.labels, 'process.cpu.mode'] }],
    [
      'process.open_file_descriptors',
      { metrics: [...names.metrics, { ...process, name: 'process.open_file_descriptors' }] },
    ],
    [
      'process.open_file_descriptor.count',
      { metrics: [...names.metrics, { ...process, name: 'process.open_file_descriptor.count' }] },
    ],
    [
      'process.memory.usage',
      { metrics: [...names.metrics, { ...process, name: 'process.memory.usage', kind: 'gauge' }] },
    ],
    [
      'system.memory.usage',
      { metrics: [...names.metrics, { ...process, name: 'system.memory.usage', kind: 'gauge' }] },
    ],
    [
      'container.cpu.throttled.time',
      {
        metrics: [
          ...names.metrics,
          { ...process, name: 'container.cpu.throttled.time', kind: 'counter' },
        ],
      },
    ],
    [
      'container.memory.limit',
      { metrics: [...names.metrics, { ...process, name: 'container.memory.limit' }] },
    ],
    ['gen_ai.request.streaming', { spanAttributes: [...onSpans, 'gen_ai.request.streaming'] }],
    ['inference.stream', { spanAttributes: [...onSpans, 'inference.stream'] }],
    ['gen_ai.output.type', { spanAttributes: without('gen_ai.output.type') }],
    ['gen_ai.request.stream', { spanAttributes: without('gen_ai.request.stream') }],
    [
      'gen_ai.request.frequency_penalty',
      { spanAttributes: without('gen_ai.request.frequency_penalty') },
    ],
    [
      'gen_ai.request.presence_penalty',
      { spanAttributes: without('gen_ai.request.presence_penalty') },
    ],
    ['outcome on spans', { spanAttributes: [...onSpans, 'outcome'] }],
    ['reason on spans', { spanAttributes: [...onSpans, 'reason'] }],
    ['how on spans', { spanAttributes: [...onSpans, 'how'] }],
    ['result', { labels: [...names.labels, 'result'] }],
    [
      'http.server.request.duration',
      {
        metrics: [
          ...names.metrics,
          { ...http, labels: http.labels.filter((label) => label !== 'url.scheme') },
        ],
      },
    ],
    ['http.server.request.duration', { metrics: [...names.metrics, { ...http, unit: 'ms' }] }],
    [
      'gen_ai.server.time_per_output_token',
      { metrics: [...names.metrics, { ...perToken, buckets: [0.01, 1] }] },
    ],
  ])('%s', (name, wrong) => {
    const found = compareWithConventions({ ...names, ...wrong }, deviations);
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
