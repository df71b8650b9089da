/** What the tap changes of a request: headers and keys. And what it says without its server, or at its end. */
import { once } from 'node:events';
import { request } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createShutdownError } from '../../../src/errors.ts';
import { startStandIn, streams, type StandIn } from '../../support/tap/stand-in.ts';
import { noTelemetry, startTapApp, type TapApp } from '../../support/tap/tap-app.ts';
import { until } from '../../support/until.ts';

let server: StandIn;
let tap: TapApp;

beforeAll(async () => {
  server = await startStandIn();
  tap = await startTapApp(noTelemetry, { url: server.url });
});
afterAll(() => {
  tap.close();
  server.close();
});
beforeEach(() => {
  server.asked = [];
  tap.log.length = 0;
});

const json = { 'content-type': 'application/json' };
const prompt = '{"messages":[{"role":"user","content":"SECRET"}],\n "stream": true}';

describe('headers', () => {
  test('differ only in those of one connection, the host and the trace', async () => {
    const send = [
      'X-Custom',
      'a',
      'x-custom',
      'b',
      'Authorization',
      'Bearer theirs',
      'Connection',
      'keep-alive, X-Hop',
      'X-Hop',
      '1',
      'Host',
      'localhost',
      'Content-Length',
      String(Buffer.byteLength(prompt)),
    ];
    server.reply = {
      headers: {
        ...json,
        'X-Backend': 'yes',
        'x-request-id': 'theirs',
        connection: 'x-gone',
        'x-gone': '1',
      },
      body: ['{}'],
    };
    const options = {
      method: 'POST',
      path: '/v1/chat/completions?a=%20b',
      port: new URL(tap.url).port,
      headers: send,
    };
    const client = request(options).end(prompt);
    const [answer] = await once(client, 'response');
    answer.resume();
    await until(() => tap.log.length > 0);
    const { url, body, rawHeaders } = server.asked[0]!;
    expect([url, body]).toEqual(['/v1/chat/completions?a=%20b', prompt]);
    expect(rawHeaders.filter((name, at) => at % 2 === 0 && name !== 'traceparent')).toEqual([
      'X-Custom',
      'x-custom',
      'Authorization',
      'Content-Length',
      'host',
      'Connection',
    ]);
    expect(answer.headers).toMatchObject({ 'x-backend': 'yes', 'x-request-id': 'theirs' });
    expect(answer.headers['x-gone']).toBeUndefined();
  });

  test('never leave a body without framing, which the server would read as a request of its own', async () => {
    server.reply = { headers: json, body: ['{}'] };
    const hidden = 'POST /slots/0 HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n';
    const client = request({
      method: 'DELETE',
      path: '/v1/files/1',
      port: new URL(tap.url).port,
      headers: { 'transfer-encoding': 'chunked' },
    }).end(hidden);
    const [answer] = await once(client, 'response');
    answer.resume();
    await once(answer, 'end');
    expect(server.asked).toMatchObject([{ method: 'DELETE', url: '/v1/files/1', body: hidden }]);
  });

  test('with keys of ours: checked, and replaced by the key of the server', async () => {
    const closed = await startTapApp(noTelemetry, {
      url: server.url,
      key: 'server-key',
      apiKeys: ['ours'],
    });
    server.reply = { status: 401, headers: json, body: ['{}'] };
    const post = (headers: Record<string, string>) =>
      fetch(`${closed.url}/v1/chat/completions`, { method: 'POST', headers, body: '{}' });
    expect((await post({ authorization: 'Bearer wrong' })).status).toBe(401);
    expect(server.asked).toEqual([]);
    expect((await post({ 'x-api-key': 'ours' })).status).toBe(401);
    expect(server.asked[0]?.headers).toMatchObject({ authorization: 'Bearer server-key' });
    expect(server.asked[0]?.headers['x-api-key']).toBeUndefined();
    await until(() => closed.log.some(({ facts }) => facts['reason'] === 'engine_error'));
    closed.close();
  });
});

test('without the server /readyz and /api/status say so, and requests get 502', async () => {
  const other = await startStandIn();
  other.close();
  const gone = await startTapApp(noTelemetry, { url: other.url });
  const ready = await fetch(`${gone.url}/readyz`);
  expect([ready.status, await ready.json()]).toMatchObject([
    503,
    { status: 'unreachable', reason: 'ECONNREFUSED', backend: true },
  ]);
  expect(await (await fetch(`${gone.url}/healthz`)).json()).toEqual({
    status: 'ok',
    backend: 'unreachable',
  });
  expect(await (await fetch(`${gone.url}/api/status`)).json()).toMatchObject({
    state: 'unreachable',
    backend: { reason: 'ECONNREFUSED' },
  });
  expect((await fetch(`${gone.url}/v1/chat/completions`, { method: 'POST' })).status).toBe(502);
  gone.close();
});

test('a shutdown ends a running stream', async () => {
  const ending = await startTapApp(noTelemetry, { url: server.url });
  server.reply = {
    headers: { 'content-type': 'text/event-stream' },
    body: streams.ollama.slice(0, 1),
    after: 'stall',
  };
  const answer = await fetch(`${ending.url}/v1/chat/completions`, { method: 'POST' });
  ending.shutdown.abort(createShutdownError());
  await expect(answer.text()).rejects.toThrow('terminated');
  await until(() => ending.log.some(({ facts }) => facts['reason'] === 'shutdown'));
  ending.close();
});
