/** Span export to collectors: a collector that answers gets all spans; any other collector causes only the loss of spans. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { runRegistered } from '../../support/otel/program.ts';
import {
  startCollector,
  type Collector,
  type CollectorKind,
} from '../../support/otel/collector.ts';

let folder: string;
let collector: Collector;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'otlp-'));
});

afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => collector.close());

/** The output of a program that creates 50 spans and then runs `program`. */
async function runAgainst(
  kind: CollectorKind,
  program: string,
  env: Record<string, string> = {},
): Promise<{ code: number | null; printed: unknown[]; lines: string[] }> {
  collector = await startCollector(kind);
  const spans = `createLogger({ name: 'lost' }).info('a record for the collector');
    for (let index = 0; index < 50; index += 1) telemetry.tracer.startSpan('span ' + index).end();`;
  const { code, lines } = await runRegistered(folder, `${spans}\n${program}`, {
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, ...env },
  });
  const entries = lines.map((line) => JSON.parse(line) as { msg?: string });
  return { code, lines, printed: entries.filter((entry) => entry.msg === undefined) };
}

const shutDown = `
  const startedAt = performance.now();
  await telemetry.shutdown();
  print(performance.now() - startedAt);
  process.exit();`;
/** Waits until all 50 spans are exported or lost, prints the counts, and stops. */
const account = `
  const read = async () => {
    const { body } = await telemetry.scrape({});
    const lines = String(body).matchAll(/^otel_sdk_processor_span_processed_total(?:\\{error_type="(\\w+)"\\})? (\\d+)$/gm);
    return Object.fromEntries([...lines].map(([, error = 'none', count]) => [error, Number(count)]));
  };
  const sum = (counts) => Object.values(counts).reduce((total, count) => total + count, 0);
  let counts = await read();
  while (sum(counts) < 50) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    counts = await read();
  }
  print(counts);
  process.exit();`;
const allSignals = { OTEL_METRICS_EXPORTER: 'otlp,prometheus', OTEL_LOGS_EXPORTER: 'otlp' };
/** A short queue, exported at once, with a timeout of half a second. */
const hasty = {
  OTEL_BSP_MAX_QUEUE_SIZE: '10',
  OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '10',
  OTEL_EXPORTER_OTLP_TIMEOUT: '500',
};

describe('a collector that answers', () => {
  test('gets every span once, the last ones at shutdown', async () => {
    const { code } = await runAgainst('receiving', shutDown);
    const names = Array.from({ length: 50 }, (_, index) => `span ${index}`);
    expect(code).toBe(0);
    expect(collector.spanNames().toSorted()).toEqual(names.toSorted());
  });

  test('gets spans with the resource of the process, and spans dropped from a full queue are counted', async () => {
    const { printed } = await runAgainst('receiving', account, hasty);
    const sent = collector.spanNames().length;
    expect(collector.bodies()[0]).toContain(
      '{"key":"service.name","value":{"stringValue":"llamascope"}}',
    );
    expect(sent).toBeGreaterThanOrEqual(10);
    expect(printed).toEqual([
      { none: sent, queue_full: 50 - sent, OTLPExporterError: 0, Error: 0 },
    ]);
  });
});

describe.each(['unavailable', 'hanging', 'absent'] as const)('a collector that is %s', (kind) => {
  test('loses spans, and each lost span is counted', async () => {
    const { code, printed } = await runAgainst(kind, account, hasty);
    expect(code).toBe(0);
    const [{ none, queue_full: full = 0, OTLPExporterError: bad = 0, Error: other = 0 }] =
      printed as [Record<string, number>];
    expect(none).toBe(0);
    expect(bad + other).toBeGreaterThanOrEqual(10);
    expect(full + bad + other).toBe(50);
  });

  test('delays the end of the program by less than two seconds, and is logged once', async () => {
    const { code, printed, lines } = await runAgainst(kind, shutDown, allSignals);
    expect(code).toBe(0);
    expect(printed[0]).toBeLessThan(2000);
    const warning = /telemetry (did not stop in time|stopped with an error)/;
    expect(lines.filter((line) => warning.test(line))).toHaveLength(1);
  });
});
