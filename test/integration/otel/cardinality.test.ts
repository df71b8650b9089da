/**
 * Requests with different values of everything that a client controls add no series to the real service. 2,000 requests are twice
 * its series limit; `make chaos` sends 20,000 (CARDINALITY_REQUESTS).
 */
import { once } from 'node:events';
import { Agent, request, type IncomingMessage } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../../support/until.ts';
import { parseSamples, type Samples } from '../../support/otel/scrape.ts';
import { startProcess, type ServiceProcess } from '../../support/otel/service-process.ts';

const clients = Number(process.env['CARDINALITY_REQUESTS'] ?? 2000);
const methods = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'PROPFIND', 'MKCOL', 'REPORT'];

let service: ServiceProcess;
const agent = new Agent({ keepAlive: true, maxSockets: 50 });

beforeAll(async () => {
  service = await startProcess('src/main.ts', {
    CHAT_MODEL: 'demo',
    CHAT_PORT: '0',
    CHAT_THREADS: '1',
    CHAT_STRICT_MODEL: 'true',
  });
});

afterAll(async () => {
  agent.destroy();
  await service.stop();
});

/** Varies everything that a client controls. */
async function send(index: number): Promise<void> {
  const canary = `canary-${index}`;
  const paths = [
    `/${canary}`,
    `/v1/models/${canary}`,
    `/v1/${canary}/completions`,
    `/chat/${canary}`,
  ];
  const asks = index % 2 === 0;
  const path = asks ? '/v1/chat/completions' : (paths[(index >> 1) % paths.length] ?? '/');
  const outgoing = request(service.url + `${path}?q=${canary}`, {
    method: asks ? 'POST' : (methods[index % methods.length] ?? 'GET'),
    headers: {
      // An address: another name is refused.
      host: `127.0.${index >> 8}.${index % 256}:${index}`,
      'user-agent': canary,
      authorization: `Bearer ${canary}`,
      'content-type': `text/${canary}`,
    },
    agent,
  });
  const body = { model: canary, user: canary, messages: [{ role: 'user', content: canary }] };
  outgoing.end(asks ? JSON.stringify(body) : undefined);
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  response.resume();
  await once(response, 'end');
}

async function flood(from: number, to: number): Promise<void> {
  let next = from;
  const work = async (): Promise<void> => {
    while (next < to) await send(next++);
  };
  await Promise.all(Array.from({ length: 50 }, work));
}

/** Scrapes within a second share one collection, so the latest counts may be missing at first. */
async function scrapeAfter(requests: number): Promise<Samples> {
  let samples: Samples = new Map();
  await until(async () => {
    samples = parseSamples(await (await fetch(`${service.url}/metrics`)).text());
    return samples.get(rejected) === requests / 2;
  });
  return samples;
}

const rejected = 'inference_requests_total{outcome="rejected",reason="model_not_found"}';

test(`${clients} paths, methods, models, keys and user agents add no series`, async () => {
  const first = 20 * methods.length;
  await flood(0, first);
  const before = await scrapeAfter(first);
  await flood(first, clients);
  const after = await scrapeAfter(clients);
  expect([...after.keys()].filter((series) => !before.has(series))).toEqual([]);
  expect([...after.keys()].filter((series) => series.includes('canary'))).toEqual([]);
  expect(after.get('telemetry_series')).toBeLessThan(400);
  expect(after.get('telemetry_series_refused_total')).toBe(0);
});
