/** Whole answers of a server behind the service: their bytes pass unchanged, and every way to answer or fail has one outcome. */
import { once } from 'node:events';
import { request } from 'node:http';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { changesDuring, readSamples } from '../../support/otel/scrape.ts';
import { readTrace } from '../../support/otel/trace.ts';
import { outcome, tokens } from '../../support/tap/ask.ts';
import { timings, whole, type Reply } from '../../support/tap/stand-in.ts';
import { prompt, useTap } from '../../support/tap/use-tap.ts';
import { until } from '../../support/until.ts';

const world = useTap();
const json = { 'content-type': 'application/json' };

describe('an answer that comes whole', () => {
  const text = JSON.stringify(whole);

  test('passes byte for byte, and has a first token only where timings tell it', async () => {
    const first = await world.ask({
      headers: { ...json, 'content-length': Buffer.byteLength(text) },
      body: [text],
    });
    expect(String(first.body)).toBe(text);
    expect(first.headers.get('content-length')).toBe(String(Buffer.byteLength(text)));
    expect(tokens(first.changes)).toEqual({ input: 31, output: 4 });
    expect(Object.keys(first.changes).join('\n')).not.toMatch(/first_token|inter_token/);
    world.tap.log.length = 0;
    const second = await world.ask({
      headers: json,
      body: [JSON.stringify({ ...whole, timings })],
    });
    expect(Object.keys(second.changes).join('\n')).toMatch(/time_to_first_token_seconds_count/);
    expect(second.changes['inference_prefill_duration_seconds_count']).toBe(1);
  });

  test.each([
    ['gzip', gzipSync],
    ['zstd', zstdCompressSync],
  ])('in %s reaches the client so, and is read here', async (encoding, compress) => {
    const headers = { ...json, 'content-encoding': encoding };
    const compressed = compress(text);
    world.server.reply = { headers, body: [compressed.subarray(0, 20), compressed.subarray(20)] };
    const changes = await changesDuring(world.telemetry, async () => {
      const options = {
        method: 'POST',
        path: '/v1/chat/completions',
        port: new URL(world.tap.url).port,
      };
      const client = request(options).end(prompt);
      const [answer] = await once(client, 'response');
      const parts: Buffer[] = [];
      for await (const part of answer) parts.push(part as Buffer);
      expect(Buffer.concat(parts).equals(compressed)).toBe(true);
      expect(answer.headers['content-encoding']).toBe(encoding);
      await until(() => world.tap.log.length > 0);
    });
    expect(tokens(changes)).toEqual({ input: 31, output: 4 });
  });

  test.each<[string, Reply | 'cut', number, string]>([
    ['dies before its headers', 'cut', 502, 'failed engine_exit'],
    ['dies after its headers', { headers: json, after: 'cut' }, 502, 'failed engine_exit'],
    ['falls silent', { headers: json, after: 'stall' }, 504, 'cancelled deadline'],
    [
      'speaks HTML',
      { headers: { 'content-type': 'text/html' }, body: ['<p>'] },
      200,
      'failed engine_error',
    ],
    ['ends within its JSON', { headers: json, body: ['{"choices":['] }, 200, 'failed engine_error'],
    [
      'damages its gzip',
      { headers: { ...json, 'content-encoding': 'gzip' }, body: [gzipSync('{}').subarray(0, 12)] },
      200,
      'failed engine_error',
    ],
  ])('of a server that %s ends once', async (_, reply, status, expected) => {
    const got = await world.ask(reply);
    expect(got.status).toBe(status);
    expect(outcome(got.changes)).toEqual([expected]);
    if (status === 200) return;
    const { error } = JSON.parse(String(got.body)) as { error: { code: string; message: string } };
    expect(error.code).toBe(status === 502 ? 'backend_unreachable' : 'backend_timeout');
    expect(error.message).toMatch(/^The backend .*\(/);
  });

  const good = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n';
  test.each<[string, string, number, string, boolean]>([
    ['is no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n', 502, 'failed engine_exit', false],
    [
      'has headers without end',
      `${good}x: ${'x'.repeat(100_000)}\r\n`,
      502,
      'failed engine_exit',
      false,
    ],
    [
      'is longer than its length',
      `${good}content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}rest`,
      200,
      'completed stop',
      false,
    ],
    [
      'has two lengths',
      `${good}content-length: 2\r\ncontent-length: 3\r\n\r\n{}`,
      502,
      'failed engine_exit',
      false,
    ],
    [
      'has a broken chunk',
      `${good}transfer-encoding: chunked\r\n\r\n2\r\n{"\r\nzz\r\n`,
      200,
      'failed engine_exit',
      true,
    ],
    [
      'follows early hints',
      `HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n${good}\r\n${text}`,
      200,
      'completed stop',
      false,
    ],
  ])('that %s ends once', async (_, raw, status, expected, isBroken) => {
    const got = await world.ask({ raw });
    expect([got.status, got.isBroken]).toEqual([status, isBroken]);
    expect(outcome(got.changes)).toEqual([expected]);
    expect(world.tap.log).toHaveLength(1);
  });

  test('that is shorter than its length breaks off at the client, too', async () => {
    const headers = { ...json, 'content-length': 1000 };
    const { isBroken, changes } = await world.ask({ headers, body: [text], after: 'cut' });
    expect(isBroken).toBe(true);
    expect(outcome(changes)).toEqual(['failed engine_exit']);
  });

  test.each<[number, object, string]>([
    [
      400,
      {
        error: {
          code: 400,
          message: 'the request exceeds the available context size',
          type: 'exceed_context_size_error',
        },
      },
      'rejected context_overflow',
    ],
    [
      400,
      { object: 'error', message: "[{'input': 'SECRET'}]", type: 'BadRequestError', code: 400 },
      'rejected bad_request',
    ],
    [
      401,
      { error: { message: 'Invalid API Key', type: 'authentication_error' } },
      'rejected unauthorized',
    ],
    [
      404,
      { error: { message: 'model "SECRET" not found', type: 'not_found_error' } },
      'rejected model_not_found',
    ],
    [422, { detail: [{ input: 'SECRET' }] }, 'rejected bad_request'],
    [429, { error: 'busy' }, 'rejected queue_full'],
    [
      500,
      { error: { message: 'SECRET'.padStart(12, '"'), type: 'server_error' } },
      'failed engine_error',
    ],
    [
      500,
      {
        error: {
          code: 500,
          message:
            "[json.exception.parse_error.101] parse error at line 1, column 5: invalid literal; last read: '\"SECRET'",
          type: 'server_error',
        },
      },
      'rejected bad_request',
    ],
    [
      503,
      { error: { message: 'Loading model', type: 'unavailable_error', code: 503 } },
      'rejected not_ready',
    ],
  ])(
    'with status %i passes, and its message is recorded without what it quotes: %j',
    async (status, body, expected) => {
      const headers = { ...json, 'retry-after': 7 };
      const got = await world.ask({ status, headers, body: [JSON.stringify(body)] });
      expect(got.status).toBe(status);
      expect(JSON.parse(String(got.body))).toEqual(body);
      expect(got.headers.get('retry-after')).toBe('7');
      expect(outcome(got.changes)).toEqual([expected]);
      expect(got.line['status']).toBe(status);
      expect(JSON.stringify(world.tap.log)).not.toContain('SECRET');
      const spans = await readTrace(
        world.telemetry,
        got.headers.get('traceparent')!.split('-')[1]!,
      );
      expect(JSON.stringify(spans)).not.toContain('SECRET');
    },
  );
});

test('other paths of /v1 pass without an account, and paths without /v1 get it', async () => {
  world.server.reply = { headers: { 'content-type': 'audio/wav' }, body: ['RIFF'] };
  const before = await readSamples(world.telemetry);
  expect(await (await fetch(`${world.tap.url}/v1/audio/speech`, { method: 'POST' })).text()).toBe(
    'RIFF',
  );
  expect((await fetch(`${world.tap.url}/v1/anything`, { method: 'DELETE' })).status).toBe(200);
  const models = await (await fetch(`${world.tap.url}/models`)).json();
  expect(models).toMatchObject({ data: [{ id: 'm' }] });
  const count = [...before].filter(([key]) => key.startsWith('inference_requests_total'));
  const after = await readSamples(world.telemetry);
  expect(count.filter(([key, value]) => after.get(key) !== value)).toEqual([]);
  expect((await fetch(`${world.tap.url}/tokenize`, { method: 'POST' })).status).toBe(404);
});

test('embeddings are counted with their tokens', async () => {
  const body = {
    object: 'list',
    data: [{ embedding: [1, 2] }],
    model: 'm',
    usage: { prompt_tokens: 5, total_tokens: 5 },
  };
  const { changes } = await world.ask(
    { headers: json, body: [JSON.stringify(body)] },
    '/v1/embeddings',
  );
  const key = 'inference_embeddings_requests_total{outcome="completed",reason="stop"}';
  expect(changes[key]).toBe(1);
});

test('the first scrape has no series of an engine of ours', async () => {
  const names = [...(await readSamples(world.telemetry)).keys()].join('\n');
  expect(names).not.toMatch(
    /inference_(queue|sequences|context|prefix|batch|threads|tokenize|perplexity|model_load)/,
  );
  expect(names).toContain('inference_requests_total');
});
