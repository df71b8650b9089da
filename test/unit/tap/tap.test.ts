/** A server behind the service: its bytes pass unchanged, and every way in which it can answer or fail has one outcome. */
import { once } from 'node:events';
import { request } from 'node:http';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startTelemetry } from '../../../otel/sdk.ts';
import { changesDuring, readSamples } from '../../support/otel/scrape.ts';
import { findSpan, readTrace, tree } from '../../support/otel/trace.ts';
import { askThrough, how, outcome, tokens } from '../../support/tap/ask.ts';
import {
  startStandIn,
  streams,
  timings,
  whole,
  type Reply,
  type StandIn,
} from '../../support/tap/stand-in.ts';
import { startTapApp, type TapApp } from '../../support/tap/tap-app.ts';
import { until } from '../../support/until.ts';

const telemetry = startTelemetry({ serviceName: 'test', serviceVersion: '1', shareMillis: 0 });
let server: StandIn;
let tap: TapApp;

beforeAll(async () => {
  server = await startStandIn();
  tap = await startTapApp(telemetry, { url: server.url, timeoutSeconds: 1, stallMillis: 300 });
});
afterAll(() => {
  tap.close();
  server.close();
});
beforeEach(() => {
  server.asked = [];
  server.aborted = 0;
  tap.log.length = 0;
});

const sse = { 'content-type': 'text/event-stream' };
const json = { 'content-type': 'application/json' };
const prompt = '{"messages":[{"role":"user","content":"SECRET"}],\n "stream": true}';

const ask = (reply: Reply | 'cut', path?: string) =>
  askThrough(telemetry, { server, tap, prompt }, reply, path);

describe('a stream', () => {
  test.each([
    ['llamaServer', 'stop', { input: 21, cached_input: 10, output: 4 }, 2],
    ['ollama', 'stop', { input: 31, output: 4 }, 1],
    ['vllm', 'length', { input: 15, cached_input: 16, output: 4 }, 1],
  ] as const)('of %s passes byte for byte, with its facts', async (name, reason, counts, gaps) => {
    const body = streams[name];
    const { status, body: got, changes, line } = await ask({ headers: sse, body });
    expect(status).toBe(200);
    expect(String(got)).toBe(body.join(''));
    expect(outcome(changes)).toEqual([`completed ${reason}`]);
    expect(how(changes)).toEqual(['done']);
    expect(tokens(changes)).toEqual(counts);
    expect(changes['inference_inter_token_duration_seconds_count']).toBe(gaps);
    const genAi = Object.keys(changes).filter((key) => /^gen_ai.*_count/.test(key));
    expect(genAi.every((key) => key.includes('request_model="m"'))).toBe(true);
    expect(genAi.map((key) => key.replace(/^gen_ai_\w+?_(\w+)_count.*/, '$1')).length).toBe(5);
    expect(line).toMatchObject({ model: 'm', status: 200, streamEnding: 'done', outputTokens: 4 });
  });

  test('of llama-server has the phases of its timings, in one trace that goes on in the server', async () => {
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    server.reply = { headers: sse, body: streams.llamaServer };
    const headers = { traceparent: `00-${traceId}-b7ad6b7169203331-01` };
    const answer = await fetch(`${tap.url}/v1/chat/completions`, { method: 'POST', headers });
    await answer.text();
    await until(() => tap.log.length > 0);
    expect(answer.headers.get('traceparent')).toContain(traceId);
    const spans = await readTrace(telemetry, traceId);
    expect(tree(spans)).toEqual(
      expect.arrayContaining([
        'prefill < chat m',
        'decode < chat m',
        'chat m < POST /v1/chat/completions',
      ]),
    );
    const chat = findSpan(spans, 'chat m');
    const sent = server.asked[0]?.headers['traceparent'];
    expect(sent).toBe(`00-${traceId}-${chat.id}-01`);
    expect(chat.attributes).toMatchObject({ 'gen_ai.usage.output_tokens': 4 });
  });

  test('without usage has times and no tokens, anywhere', async () => {
    const body = streams.ollama.filter((event) => !event.includes('usage'));
    const { changes, line, headers } = await ask({ headers: sse, body });
    expect(outcome(changes)).toEqual(['completed stop']);
    expect(tokens(changes)).toEqual({});
    expect(Object.keys(changes).join('\n')).not.toMatch(/token_usage|per_output_token/);
    expect(Object.keys(changes).join('\n')).toMatch(/time_to_first_token_seconds_count/);
    expect(Object.keys(line).join()).not.toMatch(/Tokens/);
    const spans = await readTrace(telemetry, headers.get('traceparent')!.split('-')[1]!);
    expect(Object.keys(findSpan(spans, 'chat m').attributes).join()).not.toContain('usage');
  });

  test.each<[string, Reply, string, string]>([
    ['closes', { body: streams.ollama.slice(0, 2), after: 'cut' }, 'failed engine_exit', 'broken'],
    ['ends early', { body: streams.ollama.slice(0, 2) }, 'failed engine_error', 'broken'],
    [
      'falls silent',
      { body: streams.ollama.slice(0, 2), after: 'stall' },
      'cancelled deadline',
      'broken',
    ],
    [
      'speaks no JSON',
      { body: ['data: {"choices"', ':[\n\ndata: }\n\n'] },
      'failed engine_error',
      'broken',
    ],
    ['is empty', { body: [] }, 'failed engine_error', 'broken'],
    [
      'sends an error',
      {
        body: [
          ...streams.ollama.slice(0, 2),
          'data: {"error":{"message":"out of memory","type":"server_error"}}\n\n',
        ],
      },
      'failed engine_error',
      'error_frame',
    ],
  ])('of a server that %s ends once: %j', async (_, reply, expected, ending) => {
    const { changes, body, isBroken, line } = await ask({ headers: sse, ...reply });
    expect(outcome(changes)).toEqual([expected]);
    expect(how(changes)).toEqual([ending]);
    expect(String(body)).toBe(reply.body!.join(''));
    expect(isBroken).toBe(reply.after !== undefined);
    expect(line['status']).toBe(200);
  });

  test('ends at the server when its client leaves', async () => {
    server.reply = { headers: sse, body: streams.ollama.slice(0, 2), after: 'stall' };
    const changes = await changesDuring(telemetry, async () => {
      const client = new AbortController();
      const { signal } = client;
      const answer = await fetch(`${tap.url}/v1/chat/completions`, { method: 'POST', signal });
      await answer.body?.getReader().read();
      client.abort();
      await until(() => tap.log.length > 0 && server.aborted === 1);
    });
    expect(outcome(changes)).toEqual(['cancelled client_gone']);
    expect(how(changes)).toEqual(['client_gone']);
  });

  test('whose client does not read holds the server back, and then ends', async () => {
    const event = `data: ${JSON.stringify({ choices: [{ delta: { content: 'x'.repeat(500_000) } }] })}\n\n`;
    server.reply = { headers: sse, body: Array.from({ length: 60 }, () => event) };
    const changes = await changesDuring(telemetry, async () => {
      const options = { method: 'POST', path: '/v1/chat/completions', port: new URL(tap.url).port };
      const client = request(options).end(prompt);
      const [answer] = await once(client, 'response');
      answer.pause();
      answer.on('error', () => undefined);
      await until(() => tap.log.length > 0);
      client.destroy();
    });
    expect(how(changes)).toEqual(['stalled']);
    await until(() => server.aborted === 1);
  });
});

describe('an answer that comes whole', () => {
  const text = JSON.stringify(whole);

  test('passes byte for byte, and has a first token only where timings tell it', async () => {
    const first = await ask({
      headers: { ...json, 'content-length': Buffer.byteLength(text) },
      body: [text],
    });
    expect(String(first.body)).toBe(text);
    expect(first.headers.get('content-length')).toBe(String(Buffer.byteLength(text)));
    expect(tokens(first.changes)).toEqual({ input: 31, output: 4 });
    expect(Object.keys(first.changes).join('\n')).not.toMatch(/first_token|inter_token/);
    tap.log.length = 0;
    const second = await ask({ headers: json, body: [JSON.stringify({ ...whole, timings })] });
    expect(Object.keys(second.changes).join('\n')).toMatch(/time_to_first_token_seconds_count/);
    expect(second.changes['inference_prefill_duration_seconds_count']).toBe(1);
  });

  test.each([
    ['gzip', gzipSync],
    ['zstd', zstdCompressSync],
  ])('in %s reaches the client so, and is read here', async (encoding, compress) => {
    const headers = { ...json, 'content-encoding': encoding };
    const compressed = compress(text);
    server.reply = { headers, body: [compressed.subarray(0, 20), compressed.subarray(20)] };
    const changes = await changesDuring(telemetry, async () => {
      const options = { method: 'POST', path: '/v1/chat/completions', port: new URL(tap.url).port };
      const client = request(options).end(prompt);
      const [answer] = await once(client, 'response');
      const parts: Buffer[] = [];
      for await (const part of answer) parts.push(part as Buffer);
      expect(Buffer.concat(parts).equals(compressed)).toBe(true);
      expect(answer.headers['content-encoding']).toBe(encoding);
      await until(() => tap.log.length > 0);
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
    const got = await ask(reply);
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
    const got = await ask({ raw });
    expect([got.status, got.isBroken]).toEqual([status, isBroken]);
    expect(outcome(got.changes)).toEqual([expected]);
    expect(tap.log).toHaveLength(1);
  });

  test('that is shorter than its length breaks off at the client, too', async () => {
    const headers = { ...json, 'content-length': 1000 };
    const { isBroken, changes } = await ask({ headers, body: [text], after: 'cut' });
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
      const got = await ask({ status, headers, body: [JSON.stringify(body)] });
      expect(got.status).toBe(status);
      expect(JSON.parse(String(got.body))).toEqual(body);
      expect(got.headers.get('retry-after')).toBe('7');
      expect(outcome(got.changes)).toEqual([expected]);
      expect(got.line['status']).toBe(status);
      expect(JSON.stringify(tap.log)).not.toContain('SECRET');
      const spans = await readTrace(telemetry, got.headers.get('traceparent')!.split('-')[1]!);
      expect(JSON.stringify(spans)).not.toContain('SECRET');
    },
  );
});

test('other paths of /v1 pass without an account, and paths without /v1 get it', async () => {
  server.reply = { headers: { 'content-type': 'audio/wav' }, body: ['RIFF'] };
  const before = await readSamples(telemetry);
  expect(await (await fetch(`${tap.url}/v1/audio/speech`, { method: 'POST' })).text()).toBe('RIFF');
  expect((await fetch(`${tap.url}/v1/anything`, { method: 'DELETE' })).status).toBe(200);
  const models = await (await fetch(`${tap.url}/models`)).json();
  expect(models).toMatchObject({ data: [{ id: 'm' }] });
  const count = [...before].filter(([key]) => key.startsWith('inference_requests_total'));
  const after = await readSamples(telemetry);
  expect(count.filter(([key, value]) => after.get(key) !== value)).toEqual([]);
  expect((await fetch(`${tap.url}/tokenize`, { method: 'POST' })).status).toBe(404);
});

test('embeddings are counted with their tokens', async () => {
  const body = {
    object: 'list',
    data: [{ embedding: [1, 2] }],
    model: 'm',
    usage: { prompt_tokens: 5, total_tokens: 5 },
  };
  const { changes } = await ask({ headers: json, body: [JSON.stringify(body)] }, '/v1/embeddings');
  const key = 'inference_embeddings_requests_total{outcome="completed",reason="stop"}';
  expect(changes[key]).toBe(1);
});

test('the first scrape has no series of an engine of ours', async () => {
  const names = [...(await readSamples(telemetry)).keys()].join('\n');
  expect(names).not.toMatch(
    /inference_(queue|sequences|context|prefix|batch|threads|tokenize|perplexity|model_load)/,
  );
  expect(names).toContain('inference_requests_total');
});
