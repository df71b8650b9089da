/** The first scrape has every metric of the contract, and no other. */
import { createServer } from 'node:http';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { beforeAll, expect, test, vi } from 'vitest';
import { initialiseHttpSeries, observeServer } from '../../../otel/http.ts';
import { createInferenceTelemetry } from '../../../otel/generation/inference.ts';
import {
  endings,
  generationRoutes,
  initialStatusCodes,
  metrics,
  streamEndings,
  tokenTypes,
  type MetricDefinition,
} from '../../../otel/names.ts';
import { observeProcess } from '../../../otel/process/process.ts';
import { startTelemetry, type Telemetry } from '../../../otel/sdk.ts';
import {
  checkWithPromtool,
  parseSamples,
  scrapeText,
  type Samples,
} from '../../support/otel/scrape.ts';

/** Absent on a machine without such a cgroup, or recorded by the process of the notifier. */
const elsewhere = /^(llamascope\.cgroup|notifier)\./;

let telemetry: Telemetry;
let text: string;
let samples: Samples;

beforeAll(async () => {
  telemetry = startTelemetry({ serviceName: 'test', serviceVersion: '1.0.0', shareMillis: 0 });
  const { meter, tracer } = telemetry;
  const inference = createInferenceTelemetry({
    meter,
    tracer,
    contextTokens: () => 0,
    state: () => 'loading',
  });
  inference.setModel({
    id: 'm',
    architecture: 'qwen2',
    quantization: 'Q4_K_M',
    parameters: '0.5B',
    context: 4096,
    sha256: 'a'.repeat(64),
    loadSeconds: 1,
  });
  initialiseHttpSeries(generationRoutes, initialStatusCodes);
  observeProcess(meter, { role: 'api', engine: () => process.ppid });
  observeServer(createServer());
  // The runtime instrumentation reports event loop delays after five samples, 20 ms apart (`sdk.ts`).
  const delays = monitorEventLoopDelay({ resolution: 20 });
  delays.enable();
  await vi.waitUntil(() => delays.count > 6);
  text = await scrapeText(telemetry);
  samples = parseSamples(text);
});

const definitions = Object.values<MetricDefinition>(metrics);
const expected = definitions.filter(({ name }) => !elsewhere.test(name));

test.each(expected)('the first scrape has $name as $scraped', ({ scraped, kind }) => {
  const sample = kind === 'histogram' ? `${scraped}_count` : scraped;
  const isScraped = [...samples.keys()].some((key) => key.split('{', 1)[0] === sample);
  expect(isScraped, 'create its series with 0, as otel/generation/inference.ts does').toBe(true);
});

test('every scraped family is in the contract', () => {
  const families = [...text.matchAll(/^# TYPE (\S+) /gm)].map(([, family]) => family);
  const named = new Set(definitions.map(({ scraped }) => scraped).concat('target_info'));
  expect(families.filter((family) => !named.has(family ?? ''))).toEqual([]);
});

test('every metric has the help, type, labels and buckets of the contract', () => {
  for (const { scraped, kind, meaning, labels, buckets } of expected) {
    const type = kind === 'updown' ? 'gauge' : kind;
    const head = `# HELP ${scraped} ${meaning}\n# TYPE ${scraped} ${type}\n`;
    // Not toContain, which would print the whole scrape.
    expect(text.includes(head), head).toBe(true);
    const series = [...samples.keys()].filter((key) =>
      new RegExp(`^${scraped}(_bucket|_sum|_count)?(\\{|$)`).test(key),
    );
    const allowed = new Set(labels.map((label) => label.replaceAll('.', '_')).concat('le'));
    const found = series.flatMap((key) =>
      [...key.matchAll(/([a-z0-9_]+)="/g)].map(([, name]) => name ?? ''),
    );
    expect(found.filter((label) => !allowed.has(label))).toEqual([]);
    const bounds = new Set(series.flatMap((key) => /[{,]le="([^"]+)"/.exec(key)?.[1] ?? []));
    expect(bounds.size).toBe(buckets === undefined ? 0 : buckets.length + 1);
  }
});

test('promtool reports nothing', () => {
  expect(checkWithPromtool(text)).toBe('');
});

test('every closed label set has a series with 0, every outcome one per reason', () => {
  const expected = [
    ...Object.entries(endings).flatMap(([outcome, reasons]) =>
      reasons.map((reason) => `inference_requests_total{outcome="${outcome}",reason="${reason}"}`),
    ),
    ...tokenTypes.map((type) => `inference_tokens_total{type="${type}"}`),
    ...streamEndings.map((how) => `inference_stream_terminations_total{how="${how}"}`),
    'otel_sdk_processor_span_processed_total{error_type="queue_full"}',
  ];
  expect(expected.filter((key) => samples.get(key) !== 0)).toEqual([]);
  const requests = [...samples.keys()].filter((key) => key.startsWith('inference_requests_total'));
  expect(requests).toHaveLength(Object.values(endings).flat().length);
});

test('histograms without observations have all buckets and count 0', () => {
  const counts = [...samples].filter(
    ([key]) => /_count(\{|$)/.test(key) && !/^(v8js|process_)/.test(key),
  );
  expect(counts.filter(([, count]) => count !== 0)).toEqual([]);
  expect(samples.get('inference_queue_duration_seconds_sum')).toBe(0);
  expect(samples.get('inference_queue_duration_seconds_bucket{le="+Inf"}')).toBe(0);
});

test('HTTP durations have a series for every generation route and initial status code', () => {
  const series = generationRoutes.flatMap((route) =>
    initialStatusCodes.map((status) => {
      const error = status >= 500 ? `error_type="${status}",` : '';
      return `http_server_request_duration_seconds_count{${error}http_request_method="POST",http_response_status_code="${status}",http_route="${route}",url_scheme="http"}`;
    }),
  );
  expect(series.filter((key) => samples.get(key) !== 0)).toEqual([]);
});

test('fewer than 300 attribute sets exist initially, and they are counted', async () => {
  // The first scrape counts while it collects; the second has the total.
  const second = parseSamples(await scrapeText(telemetry));
  // A histogram has one _count per set; every other sample is one set.
  const sets = [...second.keys()].filter((key) => !/_(bucket|sum)(\{|$)|^target_info/.test(key));
  expect(sets.length).toBeLessThan(300);
  const unscraped = second.has('llamascope_cgroup_memory_limit_bytes') ? 0 : 1;
  expect(second.get('telemetry_series')).toBe(sets.length + unscraped);
});

test('target_info names the service, but not its command line, paths or user', () => {
  const line = /^target_info\{(.*)\} 1$/m.exec(text)?.[1] ?? '';
  const labels = [...line.matchAll(/([a-z_]+)="/g)].map(([, name]) => name);
  const sdk = ['language', 'name', 'version'].map((fact) => `telemetry_sdk_${fact}`);
  expect(labels).toEqual(['service_instance_id', 'service_name', 'service_version', ...sdk]);
});
