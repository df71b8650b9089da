/** HTTP telemetry of a real server: routes, methods, aborts, streams, connections and ignored paths. */
import { context, SpanStatusCode } from '@opentelemetry/api';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Agent, createServer, request, type IncomingMessage, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  initialiseHttpSeries,
  isIgnored,
  observeServer,
  setErrorType,
  setRoute,
} from '../../../otel/http.ts';
import { startTelemetry, type Telemetry } from '../../../otel/sdk.ts';
import { changesDuring, readSamples } from '../../support/otel/scrape.ts';
import { readTrace } from '../../support/otel/trace.ts';

let telemetry: Telemetry;
let server: Server;
let port: number;
const released: (() => void)[] = [];

/** `/chat` answers at once, `/stream` sends one event and waits, `/slow` waits before its headers; any other path is a 404. */
beforeAll(async () => {
  telemetry = startTelemetry({ serviceName: 'test', serviceVersion: '1.0.0', shareMillis: 0 });
  server = createServer((incoming, response) => {
    const path = (incoming.url ?? '').split('?', 1)[0] ?? '';
    if (!['/chat', '/stream', '/slow', '/broken', '/torn'].includes(path)) {
      response.statusCode = 404;
      response.end();
      return;
    }
    setRoute(path);
    if (path === '/broken') response.statusCode = 503;
    if (path === '/torn') setErrorType('engine_exit', context.active());
    if (path === '/stream') response.write('data: 1\n\n');
    if (path === '/stream' || path === '/slow') released.push(() => response.end('data: 2\n\n'));
    else response.end('ok');
  });
  observeServer(server);
  initialiseHttpSeries(['/chat'], [200, 503]);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
});

afterAll(async () => {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
});

/** Call it in the same turn as the request: a short response closes before the continuation of a promise runs. */
function nextResponseClosed(): Promise<void> {
  return new Promise((resolve) => {
    server.once('request', (_, response) => response.once('close', resolve));
  });
}

/** Resolves when the response has ended on both sides. */
async function send(
  path: string,
  options: { method?: string; headers?: Record<string, string> } = {},
): Promise<IncomingMessage> {
  const over = nextResponseClosed();
  const { method = 'POST', headers = {} } = options;
  const outgoing = request({ port, path, method, headers, agent: new Agent() });
  outgoing.end();
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  response.resume();
  await Promise.all([once(response, 'end'), over]);
  return response;
}

const scheme = 'url_scheme="http"';
const count = (labels: string): string =>
  `http_server_request_duration_seconds_count{${labels},${scheme}}`;

test('a request is one observation with its method, route and status', async () => {
  const changes = await changesDuring(telemetry, async () => void (await send('/chat?key=secret')));
  expect(changes).toEqual({
    [count('http_request_method="POST",http_response_status_code="200",http_route="/chat"')]: 1,
  });
});

test('a 503 has its status as error.type, like the series with 0 before the first one', async () => {
  const key = 'error_type="503",http_request_method="POST",http_response_status_code="503"';
  expect((await readSamples(telemetry)).get(count(`${key},http_route="/chat"`))).toBe(0);
  const changes = await changesDuring(telemetry, async () => void (await send('/broken')));
  expect(changes).toEqual({ [count(`${key},http_route="/broken"`)]: 1 });
});

test('an answer that broke off after its 200 has the reason as error.type', async () => {
  const changes = await changesDuring(telemetry, async () => void (await send('/torn')));
  const labels = 'error_type="engine_exit",http_request_method="POST"';
  expect(changes).toEqual({
    [count(`${labels},http_response_status_code="200",http_route="/torn"`)]: 1,
  });
});

/** Varies everything that a client controls in each request. */
async function flood(agent: Agent, from: number, to: number): Promise<void> {
  for (let index = from; index < to; index += 200) {
    await Promise.all(
      Array.from({ length: 200 }, (_, offset) => sendUnknown(agent, index + offset)),
    );
  }
}

async function sendUnknown(agent: Agent, index: number): Promise<void> {
  const outgoing = request({
    port,
    path: `/canary-${index}?q=${index}`,
    method: ['PROPFIND', 'MKCOL', 'REPORT'][index % 3] ?? 'LOCK',
    headers: { host: `canary-${index}:${index}`, 'user-agent': `canary-${index}` },
    agent,
  });
  outgoing.end();
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  response.resume();
  await once(response, 'end');
}

test('1,000 unknown paths, methods, hosts and user agents are one series', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 50 });
  await flood(agent, 0, 200);
  const before = await readSamples(telemetry);
  await flood(agent, 200, 1000);
  const after = await readSamples(telemetry);
  agent.destroy();
  const inFlight = [...after.keys()].filter((key) => key.startsWith('http_server_active_requests'));
  expect(inFlight).toEqual(
    ['GET', 'POST', '_OTHER'].map(
      (method) => `http_server_active_requests{http_request_method="${method}",${scheme}}`,
    ),
  );
  expect([...after.keys()].filter((key) => !before.has(key))).toEqual([]);
  expect([...after.keys()].filter((key) => key.includes('canary'))).toEqual([]);
  expect(after.get(count('http_request_method="_OTHER",http_response_status_code="404"'))).toBe(
    1000,
  );
});

describe('a stream', () => {
  test('is in flight and measured until its last byte', async () => {
    const active = `http_server_active_requests{http_request_method="GET",${scheme}}`;
    const outgoing = request({ port, path: '/stream', agent: new Agent() }).end();
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    await once(response, 'data');
    const during = await readSamples(telemetry);
    expect(during.get(active)).toBe(1);
    const stream = count(
      'http_request_method="GET",http_response_status_code="200",http_route="/stream"',
    );
    expect(during.has(stream)).toBe(false);
    released.pop()?.();
    response.resume();
    await once(response, 'end');
    await vi.waitFor(async () => {
      const after = await readSamples(telemetry);
      expect([after.get(active), after.get(stream)]).toEqual([0, 1]);
    });
  });

  test('ends when its client disconnects, and is no longer in flight', async () => {
    const over = nextResponseClosed();
    const outgoing = request({ port, path: '/stream', method: 'POST', agent: new Agent() }).end();
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    await once(response, 'data');
    outgoing.on('error', () => {});
    response.on('error', () => {});
    outgoing.destroy();
    await over;
    const after = await readSamples(telemetry);
    expect(after.get(`http_server_active_requests{http_request_method="POST",${scheme}}`)).toBe(0);
  });
});

test('a client that disconnects before the headers is a 499, not a 200', async () => {
  const changes = await changesDuring(telemetry, async () => {
    const arrived = once(server, 'request');
    const over = nextResponseClosed();
    const outgoing = request({ port, path: '/slow', method: 'POST', agent: new Agent() }).end();
    outgoing.on('error', () => {});
    await arrived;
    outgoing.destroy();
    await over;
  });
  expect(changes).toEqual({
    [count('http_request_method="POST",http_response_status_code="499",http_route="/slow"')]: 1,
  });
});

async function connections(): Promise<number | undefined> {
  return (await readSamples(telemetry)).get('http_server_connections');
}

test('open connections are counted, idle ones included', async () => {
  await vi.waitFor(async () => expect(await connections()).toBe(0));
  const idle = connect(port, '127.0.0.1');
  await vi.waitFor(async () => expect(await connections()).toBe(1));
  idle.destroy();
  await vi.waitFor(async () => expect(await connections()).toBe(0));
});

test('scrapes, probes, the API of the console and its files are neither counted nor traced', async () => {
  const paths = [
    '/metrics',
    '/healthz',
    '/readyz',
    '/api/traces',
    '/',
    '/console/assets/a.js',
    '/favicon.ico',
  ];
  const { counts } = await telemetry.traces.list();
  const changes = await changesDuring(telemetry, async () => {
    for (const path of paths) await send(`${path}?x=1`, { method: 'GET' });
  });
  expect(changes).toEqual({});
  expect(await telemetry.traces.list()).toMatchObject({ counts });
});

test.each([
  ['/chat', false],
  ['/metricsx', false],
  ['/apiary', false],
  ['/v1/chat/completions', false],
  ['/api/panels/1', true],
  ['/consoles', false],
  [undefined, true],
])('%s is ignored: %s', (url, ignored) => {
  expect(isIgnored(url)).toBe(ignored);
});

describe('the trace of a request', () => {
  test("continues the client's traceparent without its baggage", async () => {
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    const traceparent = `00-${traceId}-b7ad6b7169203331-01`;
    await send('/chat', { headers: { traceparent, baggage: 'user=canary' } });
    const [span] = await readTrace(telemetry, traceId);
    expect(span).toMatchObject({ name: 'POST /chat', parentId: 'b7ad6b7169203331' });
    expect(JSON.stringify(span)).not.toContain('canary');
  });

  test.each([
    ['/chat', 'HTTP /chat'],
    ['/unknown', 'HTTP'],
  ])('of an unknown method to %s is named %s', async (path, name) => {
    const traceId = randomBytes(16).toString('hex');
    const traceparent = `00-${traceId}-b7ad6b7169203331-01`;
    await send(path, { method: 'PROPFIND', headers: { traceparent } });
    expect(await readTrace(telemetry, traceId)).toMatchObject([{ name }]);
  });

  test('has no error status for a 4xx, and one for a 5xx', async () => {
    const statuses = [];
    for (const path of ['/unknown', '/broken']) {
      const traceId = randomBytes(16).toString('hex');
      await send(path, { headers: { traceparent: `00-${traceId}-b7ad6b7169203331-01` } });
      const [span] = await readTrace(telemetry, traceId);
      statuses.push(span?.status.code);
    }
    expect(statuses).toEqual([SpanStatusCode.UNSET, SpanStatusCode.ERROR]);
  });

  test('is not stored if the client does not sample it', async () => {
    const traceId = '1af7651916cd43dd8448eb211c80319c';
    await send('/chat', { headers: { traceparent: `00-${traceId}-b7ad6b7169203331-00` } });
    expect(await telemetry.traces.get(traceId)).toBeUndefined();
  });

  test('has no query, which may contain a key, and no other attribute that a client controls', async () => {
    const canary = 'canary';
    const headers = {
      host: `${canary}:${port}`,
      'user-agent': canary,
      'x-forwarded-for': canary,
      forwarded: `for=${canary};host=${canary};proto=${canary}`,
      authorization: `Bearer ${canary}`,
      cookie: canary,
    };
    await send('/chat?api_key=canary', { headers });
    const [latest] = (await telemetry.traces.list()).traces;
    const trace = JSON.stringify(await telemetry.traces.get(latest?.traceId ?? ''));
    expect(trace).toContain('"/chat"');
    expect(trace).toContain('network.peer.address');
    expect(trace).not.toContain(canary);
  });
});
