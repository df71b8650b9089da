/**
 * OpenTelemetry's semantic conventions, and what differs from them in a set of names. Names come from
 * `@opentelemetry/semantic-conventions`. That package exports neither instruments nor units, so they are here, with the buckets that the
 * conventions advise and the attributes that they require.
 * Source: https://github.com/open-telemetry/semantic-conventions (v1.44.0), docs/{http,otel,runtime,system};
 * https://github.com/open-telemetry/semantic-conventions-genai (v0.1.0), docs/gen-ai.
 */
import * as stable from '@opentelemetry/semantic-conventions';
import * as incubating from '@opentelemetry/semantic-conventions/incubating';
import { readFileSync } from 'node:fs';
import type { Deviation } from '../../../otel/deviations.ts';
import type { MetricDefinition, MetricKind } from '../../../otel/names.ts';

interface Specified {
  kind: MetricKind;
  unit: string;
  /** Advised bounds: each must be one of ours. */
  buckets?: readonly number[];
  required?: readonly string[];
}

const genAiRequired = ['gen_ai.operation.name', 'gen_ai.provider.name'];
const generation = Array.from({ length: 14 }, (_, power) => 0.01 * 2 ** power);
const seconds = { kind: 'gauge', unit: 's' } as const;
const heap = { kind: 'updown', unit: 'By', required: ['v8js.heap.space.name'] } as const;

const specified: Record<string, Specified> = {
  'http.server.request.duration': {
    kind: 'histogram',
    unit: 's',
    buckets: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
    required: ['http.request.method', 'url.scheme'],
  },
  'http.server.active_requests': {
    kind: 'updown',
    unit: '{request}',
    required: ['http.request.method', 'url.scheme'],
  },
  'gen_ai.server.request.duration': {
    kind: 'histogram',
    unit: 's',
    buckets: generation,
    required: genAiRequired,
  },
  'gen_ai.server.time_to_first_token': {
    kind: 'histogram',
    unit: 's',
    buckets: [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
    required: genAiRequired,
  },
  'gen_ai.server.time_per_output_token': {
    kind: 'histogram',
    unit: 's',
    buckets: [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5],
    required: genAiRequired,
  },
  'gen_ai.client.token.usage': {
    kind: 'histogram',
    unit: '{token}',
    buckets: Array.from({ length: 14 }, (_, power) => 4 ** power),
    required: [...genAiRequired, 'gen_ai.token.type'],
  },
  'process.cpu.time': { kind: 'counter', unit: 's' },
  'process.memory.usage': { kind: 'updown', unit: 'By' },
  'process.uptime': seconds,
  'process.unix.file_descriptor.count': { kind: 'updown', unit: '{file_descriptor}' },
  'system.cpu.time': { kind: 'counter', unit: 's' },
  'system.memory.usage': { kind: 'updown', unit: 'By' },
  'system.memory.utilization': { kind: 'gauge', unit: '1' },
  'nodejs.eventloop.delay.min': seconds,
  'nodejs.eventloop.delay.max': seconds,
  'nodejs.eventloop.delay.mean': seconds,
  'nodejs.eventloop.delay.stddev': seconds,
  'nodejs.eventloop.delay.p50': seconds,
  'nodejs.eventloop.delay.p90': seconds,
  'nodejs.eventloop.delay.p99': seconds,
  'nodejs.eventloop.time': { kind: 'counter', unit: 's', required: ['nodejs.eventloop.state'] },
  'nodejs.eventloop.utilization': { kind: 'gauge', unit: '1' },
  'v8js.gc.duration': {
    kind: 'histogram',
    unit: 's',
    buckets: [0.01, 0.1, 1, 10],
    required: ['v8js.gc.type'],
  },
  'v8js.memory.heap.used': heap,
  'v8js.memory.heap.space.size': heap,
  'v8js.memory.heap.space.available_size': heap,
  'v8js.memory.heap.space.physical_size': heap,
  'otel.sdk.processor.span.processed': { kind: 'counter', unit: '{span}' },
};

/** Attributes of an inference span that are required, or recommended where their value is known. */
const ofInferenceSpan = [
  'gen_ai.operation.name',
  'gen_ai.provider.name',
  'gen_ai.output.type',
  'gen_ai.request.model',
  'gen_ai.request.stream',
  'gen_ai.request.seed',
  'gen_ai.request.choice.count',
  'gen_ai.request.max_tokens',
  'gen_ai.request.temperature',
  'gen_ai.request.top_p',
  'gen_ai.request.top_k',
  'gen_ai.request.stop_sequences',
  'gen_ai.request.frequency_penalty',
  'gen_ai.request.presence_penalty',
  'gen_ai.conversation.id',
  'gen_ai.response.id',
  'gen_ai.response.model',
  'gen_ai.response.finish_reasons',
  'gen_ai.usage.input_tokens',
  'gen_ai.usage.cache_read.input_tokens',
  'gen_ai.usage.output_tokens',
  'error.type',
  'server.address',
];

/** Namespaces in which the conventions have no name. */
const ownNamespaces = [
  'inference.',
  'llamascope.',
  'notifier.',
  'telemetry.log.',
  'telemetry.scrape.',
  'telemetry.series',
  'telemetry.spans.',
];

const exported = Object.entries({ ...stable, ...incubating });
const namesOf = (prefix: 'METRIC_' | 'ATTR_'): Set<string> =>
  new Set(
    exported.flatMap(([key, name]) =>
      typeof name === 'string' && key.startsWith(prefix) ? name : [],
    ),
  );
const conventions = { metric: namesOf('METRIC_'), attribute: namesOf('ATTR_') };

/** Deprecated names, except those that moved to the GenAI repository unchanged. */
const deprecated = new Set(
  ['stable', 'experimental'].flatMap((level) =>
    ['metrics', 'attributes'].flatMap((kind) => {
      const index = import.meta.resolve('@opentelemetry/semantic-conventions');
      const source = readFileSync(new URL(`${level}_${kind}.mjs`, index), 'utf8');
      return [...source.matchAll(/@deprecated ((?:(?!\*\/)[^])*)\*\/\nconst \w+ = "([^"]+)"/g)]
        .filter(([, why = '']) => !why.startsWith('Moved to the [OpenTelemetry GenAI'))
        .map(([, , name = '']) => name);
    }),
  ),
);

/** The names that are compared: metrics, their labels, and attributes of spans. */
export interface Names {
  metrics: readonly Pick<MetricDefinition, 'name' | 'kind' | 'unit' | 'labels' | 'buckets'>[];
  labels: readonly string[];
  spanAttributes: readonly string[];
}

/** One sentence for each difference from the conventions that `deviations` does not list, and for each entry that lists none. */
export function compareWithConventions(names: Names, deviations: readonly Deviation[]): string[] {
  const found = findDifferences(names);
  const key = ({ name, of }: Pick<Deviation, 'name' | 'of'>): string => `${of} of ${name}`;
  const listed = new Set(deviations.map(key));
  const differing = new Set(found.map(key));
  return [
    ...found
      .filter((each) => !listed.has(key(each)))
      .map((each) => `${each.name}: ${each.problem}`),
    ...deviations
      .filter(({ of }) => of !== 'meaning')
      .filter((each) => !differing.has(key(each)))
      .map(
        (each) => `${each.name}: otel/deviations.ts lists its ${each.of}, which is as specified`,
      ),
  ];
}

interface Difference extends Pick<Deviation, 'name' | 'of'> {
  problem: string;
}

function findDifferences({ metrics, labels, spanAttributes }: Names): Difference[] {
  return [
    ...metrics.flatMap(findMetricDifferences),
    ...labels.flatMap((name) => findNameDifference('attribute', name)),
    ...spanAttributes.flatMap(findSpanDifferences),
    ...ofInferenceSpan
      .filter((name) => !spanAttributes.includes(name) && !labels.includes(name))
      .map((name) => ({ name, of: 'name' as const, problem: 'missing on the span' })),
  ];
}

/** A span gives a bare name no namespace, as the name of a metric does. `inference.stream` is `gen_ai.request.stream`. */
function findSpanDifferences(name: string): Difference[] {
  if (!name.includes('.'))
    return [{ name: `${name} on spans`, of: 'name', problem: 'no namespace' }];
  const last = name.slice(name.lastIndexOf('.'));
  const theirs = [...conventions.attribute].find(
    (other) => other.startsWith('gen_ai.') && other.endsWith(last),
  );
  const isDuplicate = theirs !== undefined && name.startsWith('inference.');
  const problem = `the conventions have ${theirs}`;
  return [
    ...findNameDifference('attribute', name),
    ...(isDuplicate ? [{ name, of: 'name' as const, problem }] : []),
  ];
}

function findNameDifference(of: 'metric' | 'attribute', name: string): Difference[] {
  const isOwn = ownNamespaces.some((namespace) => name.startsWith(namespace));
  if (isOwn !== conventions[of].has(name) && !deprecated.has(name)) return [];
  const problem = deprecated.has(name)
    ? `deprecated ${of}`
    : isOwn
      ? `the conventions have this ${of} in our namespace`
      : `the conventions have no such ${of}, and it is in no namespace of ours`;
  return [{ name, of: 'name', problem }];
}

function findMetricDifferences({
  name,
  kind,
  unit,
  labels,
  buckets = [],
}: Names['metrics'][number]): Difference[] {
  const ofName = findNameDifference('metric', name);
  if (ofName.length > 0 || !conventions.metric.has(name)) return ofName;
  const wanted = specified[name];
  if (wanted === undefined) {
    return [{ name, of: 'kind', problem: 'add its instrument and unit to `specified`' }];
  }
  const missing = (wanted.required ?? []).filter((label) => !labels.includes(label));
  const bounds = (wanted.buckets ?? []).filter((bound) => !buckets.includes(bound));
  return [
    ...differ(name, 'kind', kind, wanted.kind),
    ...differ(name, 'kind', unit, wanted.unit),
    ...differ(name, 'labels', missing.join(), ''),
    ...differ(name, 'kind', bounds.join(), ''),
  ];
}

function differ(name: string, of: Deviation['of'], ours: string, wanted: string): Difference[] {
  return ours === wanted ? [] : [{ name, of, problem: `expected "${wanted}", got "${ours}"` }];
}
