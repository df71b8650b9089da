/** Scrapes: content negotiation, shared collections, and a 500 if a collection fails or hangs. */
import { metrics as api, type ObservableCallback, type ObservableGauge } from '@opentelemetry/api';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { gunzipSync } from 'node:zlib';
import { OpenMetricsExporter } from '../../../otel/prometheus/exporter.ts';
import { acceptsGzip, chooseFormat } from '../../../otel/prometheus/negotiation.ts';
import { startTelemetry, type Telemetry } from '../../../otel/sdk.ts';
import { parseSamples } from '../../support/otel/scrape.ts';

let telemetry: Telemetry;

beforeAll(() => {
  telemetry = startTelemetry({ serviceName: 'test', serviceVersion: '1.0.0', shareMillis: 0 });
});

describe('the format', () => {
  const prometheus2 =
    'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1';
  const prometheus3 =
    'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2';
  test.each([
    [undefined, 'text'],
    ['', 'text'],
    ['*/*', 'text'],
    ['text/html, */*;q=0.8', 'text'],
    ['application/openmetrics-text', 'openmetrics'],
    ['Application/OpenMetrics-Text; Version="1.0.0"', 'openmetrics'],
    ['application/openmetrics-text;version=0.0.1', 'text'],
    ['application/openmetrics-text;q=0.4,text/plain;q=0.9', 'text'],
    ['application/openmetrics-text;q=0', 'text'],
    ['application/openmetrics-text;q=many', 'text'],
    ['application/json', 'text'],
    [prometheus2, 'openmetrics'],
    [prometheus3, 'openmetrics'],
  ])('for Accept "%s" is %s', (accept, format) => {
    expect(chooseFormat(accept)).toBe(format);
  });

  test('is in the content type, and OpenMetrics ends with # EOF', async () => {
    const text = await telemetry.scrape({});
    expect(text.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(String(text.body)).not.toContain('# EOF');
    const openMetrics = await telemetry.scrape({ accept: prometheus2 });
    expect(openMetrics.headers['content-type']).toBe(
      'application/openmetrics-text; version=1.0.0; charset=utf-8',
    );
    expect(String(openMetrics.body)).toMatch(/\n# EOF\n$/);
  });
});

describe('compression', () => {
  test.each([
    [undefined, false],
    ['identity', false],
    ['gzip', true],
    ['br;q=1.0, gzip;q=0.5', true],
    ['gzip;q=0', false],
    ['*', true],
    ['gzip;q=0, *', false],
  ])('for Accept-Encoding "%s" is %s', (acceptEncoding, gzip) => {
    expect(acceptsGzip(acceptEncoding)).toBe(gzip);
  });

  test('decompresses to the same text', async () => {
    const { headers, body } = await telemetry.scrape({ acceptEncoding: 'gzip' });
    expect(headers['content-encoding']).toBe('gzip');
    const text = gunzipSync(body).toString();
    expect(parseSamples(text).get('telemetry_series_limit')).toBe(1000);
    expect(body.length).toBeLessThan(text.length / 4);
  });
});

describe('a collection', () => {
  let gauge: ObservableGauge;
  let callback: ObservableCallback | undefined;
  const observe = (broken: ObservableCallback): void => gauge.addCallback((callback = broken));

  beforeAll(() => {
    gauge = api.getMeter('broken').createObservableGauge('broken');
  });

  afterEach(() => {
    if (callback !== undefined) gauge.removeCallback(callback);
  });

  test('that fails is a 500 without the reason', async () => {
    observe(() => {
      throw new Error('canary');
    });
    const { status, body } = await telemetry.scrape({});
    expect(status).toBe(500);
    expect(String(body)).toBe('Metrics collection failed with 1 error(s). See the log.\n');
  });

  test('that hangs is a 500 within three seconds', async () => {
    observe(() => new Promise(() => {}));
    const timeout = new Promise((resolve) => setTimeout(resolve, 3000, 'timeout'));
    expect(await Promise.race([telemetry.scrape({}), timeout])).toMatchObject({ status: 500 });
  });

  test('succeeds again once the cause is gone', async () => {
    expect(await telemetry.scrape({})).toMatchObject({ status: 200 });
  });
});

describe('concurrent scrapes', () => {
  function createCounted(
    shareMillis: number,
    idleMillis?: number,
  ): {
    scrape: () => Promise<unknown>;
    collections: () => number;
    durations: number[];
  } {
    let collections = 0;
    const durations: number[] = [];
    const onScraped = (seconds: number): void => void durations.push(seconds);
    const exporter = new OpenMetricsExporter({ shareMillis, idleMillis, onScraped });
    exporter.setMetricProducer({
      async collect() {
        collections += 1;
        await new Promise((resolve) => setImmediate(resolve));
        return { resourceMetrics: { resource: emptyResource, scopeMetrics: [] }, errors: [] };
      },
    });
    return { scrape: () => exporter.scrape({}), collections: () => collections, durations };
  }
  const emptyResource = { attributes: {} } as never;

  test('share one collection, even while it is running', async () => {
    const { scrape, collections, durations } = createCounted(0);
    await Promise.all([scrape(), scrape(), scrape()]);
    expect(collections()).toBe(1);
    expect(durations).toHaveLength(1);
    await scrape();
    expect(collections()).toBe(2);
    expect(durations).toHaveLength(2);
  });

  test('are not needed: without them the exporter collects by itself', async () => {
    const { collections } = createCounted(0, 5);
    await vi.waitFor(() => expect(collections()).toBeGreaterThanOrEqual(2));
  });

  test('share the last collection for `shareMillis`, and its duration is measured once', async () => {
    const { scrape, collections, durations } = createCounted(60_000);
    await scrape();
    await scrape();
    expect(collections()).toBe(1);
    expect(durations).toHaveLength(1);
  });
});

async function readScrapes(): Promise<number | undefined> {
  const { body } = await telemetry.scrape({});
  return parseSamples(String(body)).get('telemetry_scrape_duration_seconds_count');
}

test('a scrape reports the duration of the scrapes before it', async () => {
  const before = await readScrapes();
  expect(await readScrapes()).toBe((before ?? NaN) + 1);
});
