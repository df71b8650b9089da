/**
 * Every standard variable that `otel/README.md` calls honoured, set for a program, and its effect at a real receiver. Five programs: all
 * variables set, all set to nonsense, exporters off, telemetry off, exporters to the console. Delays and timeouts are in `export.test.ts`,
 * TLS is in `otlp-signals.test.ts`.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../../support/free-ports.ts';
import {
  collect,
  startCollector,
  type Collector,
  type Signal,
} from '../../support/otel/collector.ts';
import {
  attributesOf,
  type OtlpLog,
  type OtlpMetric,
  type OtlpPoint,
} from '../../support/otel/otlp.ts';
import { runRegistered, type Run } from '../../support/otel/program.ts';
import { parseSamples } from '../../support/otel/scrape.ts';

interface Span extends OtlpPoint {
  name: string;
  events: OtlpPoint[];
  links: OtlpPoint[];
}

/** 30 spans and 20 log lines at once, a histogram and a counter twice, and what a request of this program would carry on. */
const program = `
  import { context, propagation, trace } from '${process.cwd()}/node_modules/@opentelemetry/api/dist/index.mjs';
  const histogram = telemetry.meter.createHistogram('gen_ai.server.time_to_first_token', { unit: 's' });
  const counter = telemetry.meter.createCounter('work');
  const foreign = telemetry.meter.createHistogram('work.size');
  const facts = { one: 'abcdef', two: 'abcdef', three: 'abcdef' };
  const link = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: 1 };
  for (let index = 0; index < 30; index += 1) {
    const span = telemetry.tracer.startSpan('span ' + index, {
      attributes: facts,
      links: [{ context: link, attributes: facts }, { context: link, attributes: facts }],
    });
    span.addEvent('first', facts);
    span.addEvent('second', facts);
    span.end();
  }
  const log = createLogger({ name: 'work' });
  for (let index = 0; index < 20; index += 1) log.info(facts, 'line');
  const pushes = Number(process.env.PUSHES ?? 0);
  for (let round = 0; round < 2; round += 1) {
    histogram.record(0.5);
    foreign.record(0.5);
    counter.add(1);
    if (pushes > 0) await new Promise((resolve) => setTimeout(resolve, 1500));
  }
  const carrier = {};
  const incoming = {
    traceparent: '00-' + 'c'.repeat(32) + '-' + 'd'.repeat(16) + '-01',
    b3: 'e'.repeat(32) + '-' + 'f'.repeat(16) + '-1',
    baggage: 'user=canary',
  };
  propagation.inject(propagation.extract(context.active(), incoming), carrier);
  print({ carrier });
  // Without most buckets it fits into the pipe; a longer text would be mixed with the log's lines.
  const shorten = (text) =>
    String(text).split('\\n').filter((line) => !/^# (HELP|TYPE)|_bucket{(?!le="0.5")/.test(line)).join('\\n');
  const { status, body } = await telemetry.scrape({});
  print({ status, body: shorten(body) });
  const port = process.env.OTEL_EXPORTER_PROMETHEUS_PORT;
  const served = await fetch('http://127.0.0.1:' + port + '/metrics').then((answer) => answer.text(), () => 'nobody listens');
  print({ served: shorten(served) });
  await telemetry.shutdown(60_000);
  process.exit();`;

interface Facts {
  run: Run;
  printed: Record<string, never> & {
    carrier?: object;
    status?: number;
    body?: string;
    served?: string;
  };
  /** Messages of the telemetry's own log. */
  warnings: string[];
}

let folder: string;
let collector: Collector;
/** Receives metrics and logs of the first program. */
let other: Collector;
/** Receives what the other programs send. */
let fallback: Collector;

async function run(env: Record<string, string>): Promise<Facts> {
  const result = await runRegistered(folder, program, { env });
  const objects = result.lines
    .filter((line) => line.startsWith('{"'))
    .map((line) => JSON.parse(line) as Record<string, string>);
  const warnings = objects.filter(({ name }) => name === 'telemetry').map(({ msg }) => msg ?? '');
  return { run: result, printed: Object.assign({}, ...objects) as Facts['printed'], warnings };
}

function itemsOf<Item>(from: Collector, signal: Signal, list: 'spans' | 'metrics' | 'logRecords') {
  const bodies = from.received.filter((each) => each.signal === signal).map(({ body }) => body);
  return bodies.map((body) => collect<Item>(body, list));
}

let set: Facts;
let wrong: Facts;
let off: Facts;
let disabled: Facts;
let printing: Facts;
let port: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'variables-'));
  collector = await startCollector('receiving');
  other = await startCollector('receiving');
  fallback = await startCollector('receiving');
  port = String(await freePort());
  const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: fallback.url };
  [set, wrong, off, disabled, printing] = await Promise.all([
    run({
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_SERVICE_NAME: 'chat-1',
      OTEL_RESOURCE_ATTRIBUTES: 'team=a%2Cb,service.name=loses,service.instance.id=mine',
      OTEL_TRACES_EXPORTER: 'OTLP',
      OTEL_METRICS_EXPORTER: 'otlp, prometheus',
      OTEL_LOGS_EXPORTER: 'otlp',
      OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `${other.url}/v1/metrics`,
      OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: other.grpcUrl.replace('http://', ''),
      OTEL_EXPORTER_OTLP_INSECURE: 'true',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: 'http/protobuf',
      OTEL_EXPORTER_OTLP_LOGS_PROTOCOL: 'grpc',
      OTEL_EXPORTER_OTLP_HEADERS: 'x-all=1',
      OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'x-traces=2',
      OTEL_EXPORTER_OTLP_TRACES_COMPRESSION: 'gzip',
      OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: 'delta',
      OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION:
        'base2_exponential_bucket_histogram',
      OTEL_METRIC_EXPORT_INTERVAL: '1000',
      OTEL_METRIC_EXPORT_TIMEOUT: '900',
      PUSHES: '2',
      OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '5',
      OTEL_BSP_MAX_QUEUE_SIZE: '20',
      OTEL_BLRP_MAX_EXPORT_BATCH_SIZE: '3',
      OTEL_BLRP_MAX_QUEUE_SIZE: '12',
      OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT: '2',
      OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT: '3',
      OTEL_SPAN_EVENT_COUNT_LIMIT: '1',
      OTEL_SPAN_LINK_COUNT_LIMIT: '1',
      OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT: '1',
      OTEL_LINK_ATTRIBUTE_COUNT_LIMIT: '2',
      OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT: '2',
      OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT: '4',
      OTEL_TRACES_SAMPLER: 'traceidratio',
      OTEL_TRACES_SAMPLER_ARG: '1',
      OTEL_PROPAGATORS: 'b3,baggage',
      OTEL_EXPORTER_PROMETHEUS_HOST: '127.0.0.1',
      OTEL_EXPORTER_PROMETHEUS_PORT: port,
      OTEL_LOG_LEVEL: 'debug',
      LOG_LEVEL: 'debug',
    }),
    run({ ...endpoint, ...nonsense }),
    run({
      ...endpoint,
      OTEL_TRACES_EXPORTER: 'none',
      OTEL_METRICS_EXPORTER: 'none',
      OTEL_LOGS_EXPORTER: 'none',
      OTEL_PROPAGATORS: 'none',
      OTEL_EXPORTER_PROMETHEUS_PORT: String(await freePort()),
    }),
    run({
      ...endpoint,
      OTEL_SDK_DISABLED: 'true',
      OTEL_LOGS_EXPORTER: 'otlp',
      OTEL_METRICS_EXPORTER: 'otlp,prometheus',
      OTEL_EXPORTER_PROMETHEUS_PORT: String(await freePort()),
    }),
    run({
      OTEL_TRACES_EXPORTER: 'console',
      OTEL_METRICS_EXPORTER: 'console',
      OTEL_LOGS_EXPORTER: 'console',
      OTEL_ATTRIBUTE_COUNT_LIMIT: '1',
      OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: '5',
      OTEL_PROPAGATORS: 'b3multi',
    }),
  ]);
});
afterAll(async () => {
  await collector.close();
  await other.close();
  await fallback.close();
  rmSync(folder, { recursive: true });
});

/** Each is one warning, and the default applies. */
const nonsense = {
  OTEL_TRACES_EXPORTER: 'zipkin',
  OTEL_METRICS_EXPORTER: 'statsd',
  OTEL_LOGS_EXPORTER: 'syslog',
  OTEL_EXPORTER_OTLP_PROTOCOL: 'carrier-pigeon',
  OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/xml',
  OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION: 'summary',
  OTEL_METRIC_EXPORT_INTERVAL: 'often',
  OTEL_METRIC_EXPORT_TIMEOUT: '-1',
  OTEL_BSP_MAX_QUEUE_SIZE: '0',
  OTEL_BSP_SCHEDULE_DELAY: 'soon',
  OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT: 'many',
  OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT: '0',
  OTEL_TRACES_SAMPLER: 'sometimes',
  OTEL_TRACES_SAMPLER_ARG: 'half',
  OTEL_PROPAGATORS: 'bogus',
  OTEL_EXPORTER_PROMETHEUS_PORT: '70000',
  OTEL_RESOURCE_ATTRIBUTES: 'no-pair',
  OTEL_LOG_LEVEL: 'loud',
  OTEL_SDK_DISABLED: 'perhaps',
  OTEL_CONFIG_FILE: '/etc/otel.yaml',
};

describe('set: the receiver sees', () => {
  const spans = (): Span[] => itemsOf<Span>(collector, 'traces', 'spans').flat();
  const logs = (): OtlpLog[] => itemsOf<OtlpLog>(other, 'logs', 'logRecords').flat();
  const metricsOf = (name: string): OtlpMetric[] =>
    itemsOf<OtlpMetric>(other, 'metrics', 'metrics')
      .flat()
      .filter((metric) => metric.name === name);
  const traces = () => collector.received.filter(({ signal }) => signal === 'traces');

  test('OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES', () => {
    const [{ resource }] = Object.values(other.received[0]!.body)[0] as [{ resource: OtlpPoint }];
    const expected = { 'service.name': 'chat-1', 'service.instance.id': 'mine', team: 'a,b' };
    expect(attributesOf(resource)).toMatchObject(expected);
  });

  test('the endpoint, protocol, headers and compression of each signal', () => {
    const { length } = traces();
    expect(length).toBeGreaterThan(0);
    expect(collector.received.filter(({ protocol }) => protocol === 'http/json')).toHaveLength(
      length,
    );
    for (const { headers } of traces()) {
      expect(headers).toMatchObject({ 'x-all': '1', 'x-traces': '2', 'content-encoding': 'gzip' });
    }
    const pairs = other.received.map(({ signal, protocol }) => `${signal} ${protocol}`);
    expect(new Set(pairs)).toEqual(new Set(['metrics http/protobuf', 'logs grpc']));
    expect(other.received.map(({ headers }) => headers['x-all'])).not.toContain(undefined);
    expect(other.received.map(({ headers }) => headers['x-traces'])).not.toContain('2');
  });

  test('batches and queues of OTEL_BSP_* and OTEL_BLRP_*, and the drops are counted', () => {
    const batches = itemsOf<Span>(collector, 'traces', 'spans').map(({ length }) => length);
    const logBatches = itemsOf<OtlpLog>(other, 'logs', 'logRecords').map(({ length }) => length);
    expect([new Set(batches), new Set(logBatches)]).toEqual([new Set([5]), new Set([3])]);
    // A batch leaves the queue as soon as it is full, so one batch fits beside the queue.
    const dropped = [...parseSamples(set.printed.body ?? '')].filter(([key]) =>
      key.includes('error_type="queue_full"'),
    );
    const lost = (kind: string): number =>
      dropped.find(([key]) => key.startsWith(`otel_sdk_processor_${kind}_`))?.[1] ?? 0;
    expect([lost('span'), lost('log')]).toEqual([
      30 - batches.length * 5,
      20 - logBatches.length * 3,
    ]);
    expect([lost('span'), lost('log')]).toEqual([5, 5]);
  });

  test('OTEL_SPAN_* and OTEL_LOGRECORD_* limits', () => {
    const [span] = spans();
    expect(attributesOf(span!)).toEqual({ one: 'abc', two: 'abc' });
    expect([span!.events.length, span!.links.length]).toEqual([1, 1]);
    expect(Object.keys(attributesOf(span!.events[0]!))).toHaveLength(1);
    expect(Object.keys(attributesOf(span!.links[0]!))).toHaveLength(2);
    expect(attributesOf(logs()[0]!)).toEqual({ one: 'abcd', two: 'abcd' });
  });

  test('OTEL_METRIC_EXPORT_INTERVAL with delta temporality: each increase once', () => {
    const work = metricsOf('work').map(({ sum }) => sum!);
    expect(work.length).toBeGreaterThan(1);
    expect(work.every((sum) => sum.aggregationTemporality === 1)).toBe(true);
    const increases = work
      .flatMap(({ dataPoints }) => dataPoints)
      .map((point) => point.asInt ?? point.asDouble ?? 0);
    expect(increases.reduce((all, each) => all + each, 0)).toBe(2);
  });

  test('exponential histograms, with a view and without, while /metrics keeps its buckets', () => {
    for (const name of ['gen_ai.server.time_to_first_token', 'work.size']) {
      const pushed = metricsOf(name);
      expect(pushed.length).toBeGreaterThan(1);
      expect(pushed.every((metric) => metric.histogram === undefined)).toBe(true);
      const points = pushed.flatMap(({ exponentialHistogram }) => exponentialHistogram!.dataPoints);
      expect(points.reduce((all, { count }) => all + (count ?? 0), 0)).toBe(2);
    }
    const samples = parseSamples(set.printed.body ?? '');
    expect(samples.get('gen_ai_server_time_to_first_token_seconds_bucket{le="0.5"}')).toBe(2);
    expect([...samples.keys()].filter((key) => key.includes('exponential'))).toEqual([]);
    expect(
      itemsOf<OtlpMetric>(other, 'metrics', 'metrics')
        .flat()
        .filter(({ name }) => name.includes('.exponential')),
    ).toEqual([]);
  });
});

describe('set: the program', () => {
  test('OTEL_EXPORTER_PROMETHEUS_HOST and PORT serve the same metrics', () => {
    const names = (text = ''): string[] =>
      [...parseSamples(text).keys()].filter((key) => key.startsWith('gen_ai'));
    expect(names(set.printed.served).length).toBeGreaterThan(2);
    expect(names(set.printed.served)).toEqual(names(set.printed.body));
  });

  test('OTEL_PROPAGATORS: b3 and baggage are carried on, traceparent is not', () => {
    expect(set.printed.carrier).toEqual({
      b3: expect.stringContaining('e'.repeat(32)),
      baggage: 'user=canary',
    });
  });

  test('OTEL_LOG_LEVEL=debug goes to our log, not to the console', () => {
    expect(set.run.lines.filter((line) => line.includes('"level":"debug"')).length).toBeGreaterThan(
      0,
    );
    // The constructor of NodeSDK prints one line.
    const others = set.run.lines.filter((line) => !/^[{"]/.test(line));
    expect(others).toEqual(['@opentelemetry/api: Registered a global for diag v1.10.0.']);
    expect(set.run.stderr).toBe('');
  });
});

describe('set to nonsense', () => {
  test.each(Object.keys(nonsense))('%s is one warning', (name) => {
    const about = wrong.warnings.filter(
      (warning) => warning.includes(name) && !warning.includes(`${name}_`),
    );
    expect(about).toHaveLength(1);
  });

  test('the defaults apply', () => {
    const { received } = fallback;
    const kinds = new Set(received.map(({ signal, protocol }) => `${signal} ${protocol}`));
    expect(kinds).toEqual(new Set(['traces http/protobuf']));
    expect(received.flatMap(({ body }) => collect(body, 'spans'))).toHaveLength(30);
    expect(wrong.printed.status).toBe(200);
    expect(wrong.printed.carrier).toEqual({ traceparent: expect.stringContaining('c'.repeat(32)) });
  });
});

describe('exporters that are off', () => {
  test('/metrics is a 404 of one sentence, and no other server listens', () => {
    expect(off.printed).toMatchObject({ status: 404, served: 'nobody listens' });
    expect(off.printed.body).toBe(
      'Metrics are not scraped here, because OTEL_METRICS_EXPORTER does not contain prometheus.\n',
    );
  });

  test('OTEL_PROPAGATORS=none carries nothing on', () => {
    expect(off.printed.carrier).toEqual({});
  });
});

test('OTEL_SDK_DISABLED: nothing listens, nothing is measured, and propagation stays', () => {
  expect(disabled.printed).toMatchObject({ status: 200, served: 'nobody listens' });
  expect(disabled.printed.body).toBe('# OTEL_SDK_DISABLED is true: no metrics\n');
  expect(disabled.printed.carrier).toEqual({
    traceparent: expect.stringContaining('c'.repeat(32)),
  });
  expect(disabled.warnings).toEqual([]);
});

test('the exporter "console" prints the three signals, within the general limits of attributes', () => {
  const text = printing.run.lines.join('\n');
  for (const part of ['span 29', "name: 'work.size'", "body: 'line'"]) expect(text).toContain(part);
  const attributes = [...text.matchAll(/^  attributes: \{([^}]*)\}/gm)].map(([, each]) => each);
  expect(new Set(attributes)).toEqual(new Set([" one: 'abcde' "]));
  expect(Object.keys(printing.printed.carrier ?? {})).toContain('x-b3-traceid');
});

test.each(['README.md', 'README.zh-CN.md'])('%s names every variable of this test', (page) => {
  const text = readFileSync(join(process.cwd(), 'otel', page), 'utf8');
  const source = readFileSync(import.meta.filename, 'utf8');
  // The page names the general variable of the signals' own.
  const names = (source.match(/OTEL_[A-Z0-9_]+(?=:)/g) ?? []).map((name) =>
    name.replace(/(?<=_OTLP_)(TRACES|METRICS|LOGS)_(?=[A-Z]+$)/, ''),
  );
  expect(names.filter((name) => !text.includes(name))).toEqual([]);
});
