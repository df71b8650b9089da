/** Metrics, traces and logs at a real receiver in OTLP's three protocols, with TLS and without, and the same metrics on `/metrics`. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { metrics, type MetricDefinition } from '../../../otel/names.ts';
import { collect, pemFile, startCollector, type Collector } from '../../support/otel/collector.ts';
import {
  attributesOf,
  type OtlpLog,
  type OtlpMetric,
  type OtlpPoint,
} from '../../support/otel/otlp.ts';
import { runRegistered } from '../../support/otel/program.ts';
import { parseSamples, type Samples } from '../../support/otel/scrape.ts';

interface Span {
  name: string;
  traceId: string;
  spanId: string;
}

/** A chat as `src/main.ts` observes it, two log lines, and the scrape of the moment before the last push. */
const program = `
  import { createInferenceTelemetry } from '${process.cwd()}/otel/generation/inference.ts';
  const { meter, tracer } = telemetry;
  const inference = createInferenceTelemetry({ meter, tracer, contextTokens: () => 0, state: () => 'ready' });
  inference.setModel({ id: 'qwen' });
  const at = Date.now();
  const generation = inference.begin({ operation: 'chat', at });
  generation.admitted({ model: 'qwen', requestedModel: 'qwen', responseId: 'chatcmpl-1', stream: true, at });
  generation.tokenized({ startedAt: at, endedAt: at + 1, inputTokens: 8 });
  generation.started({ at: at + 2 });
  generation.prefilled({ startedAt: at + 2, endedAt: at + 20, inputTokens: 8, cachedTokens: 3 });
  for (const gap of [30, 40, 50]) generation.token({ at: at + gap });
  generation.end({ outcome: 'completed', reason: 'stop', at: at + 60 });
  const log = createLogger({ name: 'chat' });
  tracer.startActiveSpan('work', (span) => {
    log.warn({ tokens: 3, nested: { text: 'ä' } }, 'inside');
    span.end();
  });
  log.error({ err: new TypeError('broken') }, 'outside');
  log.debug('below LOG_LEVEL');
  // Without buckets it fits into the pipe; a longer text would be mixed with the log's lines.
  const { body } = await telemetry.scrape({});
  print(String(body).split('\\n').filter((line) => !/^#|_bucket/.test(line)).join('\\n'));
  await telemetry.shutdown(60_000);
  process.exit();`;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'signals-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Over TLS the collector asks for a certificate of its client. */
const tlsSettings = {
  OTEL_EXPORTER_OTLP_CERTIFICATE: pemFile,
  OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: pemFile,
  OTEL_EXPORTER_OTLP_CLIENT_KEY: pemFile,
};

describe.each([
  ['http/protobuf', false],
  ['http/json', true],
  ['grpc', true],
] as const)('by %s (TLS: %s)', (protocol, tls) => {
  let collector: Collector;
  let samples: Samples;
  let spans: Span[];
  let logs: OtlpLog[];
  let pushed: Map<string, OtlpMetric>;

  beforeAll(async () => {
    collector = await startCollector('receiving', { tls });
    const { lines } = await runRegistered(folder, program, {
      env: {
        OTEL_METRICS_EXPORTER: 'otlp,prometheus',
        OTEL_LOGS_EXPORTER: 'otlp',
        OTEL_EXPORTER_OTLP_ENDPOINT: protocol === 'grpc' ? collector.grpcUrl : collector.url,
        OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
        ...(tls ? tlsSettings : {}),
      },
    });
    const scrape = lines.find((line) => line.startsWith('"'));
    samples = parseSamples(JSON.parse(scrape ?? '""') as string);
    const bodies = collector.received.map(({ body }) => body);
    spans = bodies.flatMap((body) => collect<Span>(body, 'spans'));
    logs = bodies.flatMap((body) => collect<OtlpLog>(body, 'logRecords'));
    pushed = new Map(
      bodies
        .flatMap((body) => collect<OtlpMetric>(body, 'metrics'))
        .map((each) => [each.name, each]),
    );
  });
  afterAll(() => collector.close());

  test('traces, metrics and logs arrive in this protocol alone, with the resource of the process', () => {
    const { received } = collector;
    expect(new Set(received.map(({ signal }) => signal))).toEqual(
      new Set(['traces', 'metrics', 'logs']),
    );
    expect(new Set(received.map((each) => each.protocol))).toEqual(new Set([protocol]));
    for (const { body } of received) {
      const [{ resource }] = Object.values(body)[0] as [{ resource: OtlpPoint }];
      expect(Object.keys(attributesOf(resource)).toSorted()).toEqual([
        'service.instance.id',
        'service.name',
        'service.version',
        'telemetry.sdk.language',
        'telemetry.sdk.name',
        'telemetry.sdk.version',
      ]);
    }
  });

  test('a trace arrives whole', () => {
    const chat = spans.find(({ name }) => name === 'chat qwen');
    const whole = spans.filter(({ traceId }) => traceId === chat?.traceId);
    expect(whole.map(({ name }) => name).toSorted()).toEqual([
      'chat qwen',
      'decode',
      'prefill',
      'tokenize',
    ]);
  });

  test('a log record has message, severity, fields and the ids of its span', () => {
    const work = spans.find(({ name }) => name === 'work');
    expect(logs).toHaveLength(2);
    expect(logs[0]).toMatchObject({
      body: { stringValue: 'inside' },
      severityText: 'WARN',
      severityNumber: 13,
      traceId: work?.traceId,
      spanId: work?.spanId,
    });
    expect(attributesOf(logs[0]!)).toEqual({ tokens: 3, nested: { text: 'ä' } });
  });

  test('a log record of an error has its type, message and stack', () => {
    expect(attributesOf(logs[1]!)).toEqual({
      'exception.type': 'TypeError',
      'exception.message': 'broken',
      'exception.stacktrace': expect.stringContaining('TypeError: broken\n'),
    });
    expect(logs[1]?.traceId).toBeUndefined();
  });

  test('every counter and histogram of the contract has the same value as on /metrics', () => {
    const compared = Object.values<MetricDefinition>(metrics).filter(
      ({ name, kind }) =>
        /^(inference|gen_ai)/.test(name) && ['counter', 'histogram'].includes(kind),
    );
    const own = compared.filter(({ name }) => pushed.has(name));
    expect(own.length).toBeGreaterThan(15);
    for (const { name, scraped, kind } of own) {
      const { sum, histogram } = pushed.get(name)!;
      const points = (sum ?? histogram)!.dataPoints;
      const total = points.reduce(
        (all, { count, asInt, asDouble }) => all + (count ?? asInt ?? asDouble ?? 0),
        0,
      );
      const sample = kind === 'histogram' ? `${scraped}_count` : scraped;
      const shown = [...samples].filter(([key]) => key.replace(/\{.*/, '') === sample);
      expect([name, total]).toEqual([name, shown.reduce((all, [, value]) => all + value, 0)]);
    }
    const missing = compared.filter(
      ({ name, scraped }) =>
        !pushed.has(name) && [...samples.keys()].some((key) => key.startsWith(scraped)),
    );
    expect(missing).toEqual([]);
  });
});
