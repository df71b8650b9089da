/** A simulated fleet: targets that replay a recorded exposition, and a real Prometheus that scrapes them. Used by scale.ts. */
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endProcess, startServer } from '../support/alerting/alertmanager-node.ts';
import { startChatService } from '../support/api/chat-service.ts';
import { freePort } from '../support/free-ports.ts';
import { driveTraffic } from '../support/otel/prometheus-traffic.ts';
import { readCpuTime, secondsByRole } from './cpu-time.ts';
import { median } from './statistics.ts';

export const openMetrics = 'application/openmetrics-text; version=1.0.0; charset=utf-8';

export interface Recording {
  text: string;
  /** CPU seconds of the service for one scrape. */
  scrapeCpuSeconds: number;
  /** Of the trace of a completed answer; a median. */
  spans: number;
}

/** The exposition of a service that has answered, refused and failed, as Prometheus gets it. */
export async function recordExposition(scrapes: number): Promise<Recording> {
  const service = await startChatService({ CHAT_SEQUENCES: '1', CHAT_QUEUE_LIMIT: '1' });
  const scrape = async (): Promise<string> =>
    (await fetch(`${service.url}/metrics`, { headers: { accept: openMetrics } })).text();
  try {
    await driveTraffic(service.url, service.process.pid!);
    await scrape();
    const read = () => readCpuTime({ api: service.process.pid });
    const before = read();
    for (let at = 0; at < scrapes; at += 1) await scrape();
    const { api = Number.NaN } = secondsByRole(before, read());
    const listed = await (await fetch(`${service.url}/api/traces?outcome=completed`)).json();
    const { traces } = listed as { traces: { spans: number }[] };
    const spans = median(traces.map((trace) => trace.spans));
    return { text: await scrape(), scrapeCpuSeconds: api / scrapes, spans };
  } finally {
    await service.stop();
  }
}

export interface Targets {
  port: number;
  stop(): void;
}

/** Serves `/N/metrics` for any N. Counters and histograms grow by a percent a scrape, so that every sample is a new value. */
export async function serveTargets(exposition: string): Promise<Targets> {
  const lines = exposition.split('\n').map(parseLine);
  const scrapes = new Map<string, number>();
  const server = createServer((request, response) => {
    const count = (scrapes.get(request.url!) ?? 0) + 1;
    scrapes.set(request.url!, count);
    const text = lines.map(({ before, value, after, grows }) =>
      grows ? `${before}${Math.floor(value * (1 + count / 100) * 1e6) / 1e6}${after}` : before,
    );
    response.writeHead(200, { 'content-type': openMetrics }).end(text.join('\n'));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, stop: () => server.closeAllConnections() };
}

interface Line {
  before: string;
  value: number;
  after: string;
  grows: boolean;
}

function parseLine(line: string): Line {
  const [, name = '', labels = '', value = '', after = ''] =
    /^(\w+)(\{.*?\})? (\S+)(.*)$/.exec(line.startsWith('#') ? '' : line) ?? [];
  const grows = /_(?:total|bucket|count|sum)$/.test(name) && Number(value) > 0;
  return grows
    ? { before: `${name}${labels} `, value: Number(value), after, grows }
    : { before: line, value: 0, after: '', grows };
}

export interface Prometheus {
  url: string;
  pid: number;
  /** The one value of a query. @throws Error when there is not exactly one */
  ask(query: string): Promise<number>;
  /** Bytes of the chunks and of the index of a block with all samples so far, and the number of these. */
  snapshot(): Promise<{ chunkBytes: number; indexBytes: number; samples: number; series: number }>;
  stop(): Promise<void>;
}

/** Scrapes `count` targets every `intervalSeconds`, and evaluates the rules of `make up` as often. */
export async function startPrometheus(
  { port }: Targets,
  count: number,
  intervalSeconds: number,
): Promise<Prometheus> {
  const folder = mkdtempSync(join(tmpdir(), 'llamascope-scale-'));
  const interval = `${intervalSeconds}s`;
  const targets = Array.from({ length: count }, (_, at) => ({
    targets: [`127.0.0.1:${port}`],
    labels: { instance: `replica-${at}`, __metrics_path__: `/${at}/metrics` },
  }));
  const configuration = {
    global: { scrape_interval: interval, evaluation_interval: interval, scrape_timeout: interval },
    rule_files: [join(process.cwd(), 'alerting/generated/*.yml')],
    scrape_configs: [{ job_name: 'qwen-instruct', static_configs: targets }],
  };
  // JSON is YAML.
  writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify(configuration));
  const url = `http://127.0.0.1:${await freePort()}`;
  const child = await startServer(
    'prometheus',
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=${url.replace('http://', '')}`,
      '--web.enable-admin-api',
      '--enable-feature=exemplar-storage',
    ],
    url,
  );
  return {
    url,
    pid: child.pid!,
    ask: (query) => ask(url, query),
    snapshot: () => takeSnapshot(url, join(folder, 'data/snapshots')),
    async stop() {
      await endProcess(child);
      rmSync(folder, { recursive: true });
    },
  };
}

async function ask(url: string, query: string): Promise<number> {
  const response = await fetch(`${url}/api/v1/query`, {
    method: 'POST',
    body: new URLSearchParams({ query }),
  });
  const { data } = (await response.json()) as { data: { result: { value: [number, string] }[] } };
  const [first, ...others] = data.result;
  if (first === undefined || others.length > 0) {
    throw new Error(`${query}: expected one value, got ${data.result.length}`);
  }
  return Number(first.value[1]);
}

async function takeSnapshot(url: string, folder: string) {
  await fetch(`${url}/api/v1/admin/tsdb/snapshot`, { method: 'POST' });
  const [snapshot = ''] = readdirSync(folder);
  const [block = ''] = readdirSync(join(folder, snapshot));
  const path = join(folder, snapshot, block);
  const { stats } = JSON.parse(readFileSync(join(path, 'meta.json'), 'utf8')) as {
    stats: { numSamples: number; numSeries: number };
  };
  const chunks = readdirSync(join(path, 'chunks')).map(
    (file) => statSync(join(path, 'chunks', file)).size,
  );
  return {
    chunkBytes: chunks.reduce((sum, size) => sum + size, 0),
    indexBytes: statSync(join(path, 'index')).size,
    samples: stats.numSamples,
    series: stats.numSeries,
  };
}
