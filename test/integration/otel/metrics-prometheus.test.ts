/** A real Prometheus scrapes both formats and stores every sample and exemplar. */
import { context, trace } from '@opentelemetry/api';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { freePort } from '../../support/free-ports.ts';
import { generate, steps, stop, telemetry } from '../../support/otel/generation.ts';
import { findTool, parseSamples } from '../../support/otel/scrape.ts';

const patience = { timeout: 20_000, interval: 100 };
let folder: string;
let metricsServer: Server;
let prometheus: ChildProcess;
let prometheusUrl: string;
const accepted: (string | undefined)[] = [];

beforeAll(async () => {
  const program = findTool('prometheus');
  metricsServer = createServer((request, response) => {
    const { accept, 'accept-encoding': acceptEncoding } = request.headers;
    accepted.push(accept);
    // Prometheus always prefers OpenMetrics, so its Accept header is ignored for the second job.
    const wanted = request.url?.endsWith('text') ? undefined : accept;
    void telemetry
      .scrape({ accept: wanted, acceptEncoding: String(acceptEncoding) })
      .then(({ status, headers, body }) => response.writeHead(status, headers).end(body));
  });
  metricsServer.listen(0, '127.0.0.1');
  await once(metricsServer, 'listening');
  const target = `127.0.0.1:${(metricsServer.address() as AddressInfo).port}`;
  folder = mkdtempSync(join(tmpdir(), 'prometheus-'));
  const config = {
    global: { scrape_interval: '500ms', scrape_timeout: '500ms' },
    scrape_configs: [
      { job_name: 'lab', static_configs: [{ targets: [target] }] },
      {
        job_name: 'text',
        params: { format: ['text'] },
        static_configs: [{ targets: [target] }],
      },
    ],
  };
  // JSON is valid YAML.
  writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify(config));
  const listen = `127.0.0.1:${await freePort()}`;
  prometheusUrl = `http://${listen}`;
  prometheus = spawn(
    program,
    [
      `--config.file=${folder}/prometheus.yml`,
      `--storage.tsdb.path=${folder}/data`,
      `--web.listen-address=${listen}`,
      '--enable-feature=exemplar-storage',
      '--log.level=error',
    ],
    { stdio: 'ignore' },
  );
});

afterAll(async () => {
  const gone = once(prometheus, 'exit');
  prometheus.kill('SIGKILL');
  await gone;
  metricsServer.closeAllConnections();
  metricsServer.close();
  rmSync(folder, { recursive: true });
});

async function query(endpoint: string, parameters: Record<string, string>): Promise<unknown[]> {
  const url = `${prometheusUrl}/api/v1/${endpoint}?${new URLSearchParams(parameters).toString()}`;
  const response = await fetch(url).catch(() => undefined);
  const { data } = ((await response?.json().catch(() => undefined)) ?? {}) as {
    data?: { result?: unknown[] } | unknown[];
  };
  return (Array.isArray(data) ? data : data?.result) ?? [];
}

/** The value of the only matching series; NaN if there are none or several. */
async function valueOf(selector: string): Promise<number> {
  const found = (await query('query', { query: selector })) as { value: [number, string] }[];
  return found.length === 1 ? Number(found[0]?.value[1]) : NaN;
}

test.each(['lab', 'text'])('the target %s is up, and every sample is stored', async (name) => {
  const job = `{job="${name}"}`;
  await vi.waitFor(async () => expect(await valueOf(`up${job}`)).toBe(1), patience);
  const scraped = await valueOf(`scrape_samples_scraped${job}`);
  expect(accepted[0]).toContain('application/openmetrics-text');
  const { body } = await telemetry.scrape({});
  // Event loop delay gauges appear only after some samples, so their number varies.
  expect(Math.abs(scraped - parseSamples(String(body)).size)).toBeLessThanOrEqual(7);
});

test.each(['0.0025', '1.28', '20.48', '300.0'])(
  'the bound le="%s" is stored as rules name it',
  async (le) => {
    const selector = `inference_duration_seconds_bucket{job="lab",le="${le}"}`;
    await vi.waitFor(
      async () => expect(await valueOf(selector)).toBeGreaterThanOrEqual(0),
      patience,
    );
  },
);

test.each([
  'gen_ai_server_request_duration_seconds',
  'gen_ai_server_time_to_first_token_seconds',
  'inference_queue_duration_seconds',
  'inference_prefill_duration_seconds',
])('the exemplar of %s is a stored trace', async (name) => {
  const server = telemetry.tracer.startSpan('POST /chat');
  const within = trace.setSpan(context.active(), server);
  const { traceId } = context.with(within, () => generate(steps.length)).end(stop);
  server.end();
  await vi.waitFor(async () => {
    const now = Date.now() / 1000;
    const range = { start: String(now - 600), end: String(now + 5) };
    const found = (await query('query_exemplars', { query: `${name}_bucket`, ...range })) as {
      exemplars: { labels: Record<string, string> }[];
    }[];
    const ids = found.flatMap(({ exemplars }) => exemplars.map(({ labels }) => labels['trace_id']));
    expect(ids).toContain(traceId);
  }, patience);
  expect(await telemetry.traces.get(traceId)).toBeDefined();
});
