import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startChatService, type ChatService } from '../../support/api/chat-service.ts';
import { until } from '../../support/until.ts';

/* oxlint-disable typescript/no-explicit-any -- answers are asserted field by field */
const canary = 'canary-7f3a';

async function json(response: Response): Promise<any> {
  return response.json();
}

function post(service: ChatService, path: string, body: unknown, init: RequestInit = {}) {
  return fetch(service.url + path, {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...init,
  });
}

/** Sends a request as it is; resolves with the whole answer when the service closes the connection. */
async function sendRaw(service: ChatService, head: string, body = ''): Promise<string> {
  const socket = connect(Number(new URL(service.url).port), '127.0.0.1');
  socket.write(`${head}\r\n\r\n${body}`);
  let answer = '';
  for await (const chunk of socket) answer += String(chunk);
  return answer;
}

const strictly = (schema: object) => ({
  type: 'json_schema',
  json_schema: { name: 'a', schema, strict: true },
});

const hello = { messages: [{ role: 'user', content: `hello ${canary}` }] };

describe('the chat service', () => {
  let service: ChatService;
  beforeAll(async () => {
    service = await startChatService({ CHAT_SEQUENCES: '2', CHAT_QUEUE_LIMIT: '1' });
  });
  afterAll(() => service.stop());

  test("answers a chat completion in OpenAI's format", async () => {
    const response = await post(service, '/v1/chat/completions', hello);
    expect(response.status).toBe(200);
    expect(response.headers.get('traceparent')).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    expect(response.headers.get('x-request-id')).toBeTruthy();
    const body = await json(response);
    expect(body).toMatchObject({
      object: 'chat.completion',
      model: 'demo',
      choices: [{ index: 0, message: { role: 'assistant' }, finish_reason: 'stop' }],
    });
    expect(body.choices[0].message.content).toContain('make model');
    expect(body.choices[0].message.content).not.toContain('\uFFFD');
    expect(body.usage.total_tokens).toBe(body.usage.prompt_tokens + body.usage.completion_tokens);
  });

  test('streams the same answer as frames that end with [DONE]', async () => {
    const whole = await json(await post(service, '/v1/chat/completions', hello));
    const response = await post(service, '/v1/chat/completions', {
      ...hello,
      stream: true,
      stream_options: { include_usage: true },
    });
    const frames = (await response.text())
      .split('\n\n')
      .filter((frame) => frame !== '')
      .map((frame) => frame.replace(/^data: /, ''));
    expect(frames.pop()).toBe('[DONE]');
    const chunks = frames.map((frame) => JSON.parse(frame));
    expect(chunks[0].choices[0].delta.role).toBe('assistant');
    const { prompt_tokens, completion_tokens } = whole.usage;
    expect(chunks.at(-1)).toMatchObject({
      choices: [],
      usage: { prompt_tokens, completion_tokens },
    });
    const text = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('');
    expect(text).toBe(whole.choices[0].message.content);
  });

  test('streams plain text on /chat', async () => {
    const response = await post(service, '/chat', { prompt: 'hi' });
    expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(await response.text()).toContain('make model');
  });

  test('continues a text on /v1/completions with at most 16 tokens', async () => {
    const body = await json(await post(service, '/v1/completions', { prompt: 'once upon' }));
    expect(body).toMatchObject({ object: 'text_completion', choices: [{ index: 0 }] });
    expect(body.usage.completion_tokens).toBeLessThanOrEqual(16);
  });

  test('ends with length at max_tokens and with stop at a stop sequence', async () => {
    const short = await json(
      await post(service, '/v1/chat/completions', { ...hello, max_tokens: 3 }),
    );
    expect(short.choices[0].finish_reason).toBe('length');
    expect(short.usage.completion_tokens).toBe(3);
    const cut = await json(
      await post(service, '/v1/chat/completions', { ...hello, stop: 'llamascope' }),
    );
    expect(cut.choices[0]).toMatchObject({ finish_reason: 'stop', message: { content: '这是 ' } });
  });

  test('reuses the cached prefix of earlier turns', async () => {
    const short = { ...hello, max_tokens: 8 };
    const first = await json(await post(service, '/v1/chat/completions', short));
    const messages = [...hello.messages, first.choices[0].message, ...hello.messages];
    const { usage } = await json(await post(service, '/v1/chat/completions', { messages }));
    expect(usage.prompt_tokens_details.cached_tokens).toBeGreaterThanOrEqual(
      first.usage.prompt_tokens,
    );
  });

  test('sends Server-Timing with every answer', async () => {
    const whole = await post(service, '/v1/chat/completions', hello);
    expect(whole.headers.get('server-timing')).toMatch(
      /^tokenize;dur=[\d.]+, queue;dur=[\d.]+, prefill;dur=[\d.]+, decode;dur=[\d.]+$/,
    );
    const streamed = await post(service, '/v1/chat/completions', { ...hello, stream: true });
    expect(streamed.headers.get('server-timing')).toMatch(/^tokenize;dur=[\d.]+, queue;dur=/);
    await streamed.text();
  });

  test.each([
    ['a wrong role', '/chat', { messages: [{ role: 'x', content: '' }] }, 400, 'messages.0.role: '],
    [
      'an unsupported value',
      '/v1/completions',
      { prompt: 'a', best_of: 2 },
      400,
      'best_of: expected 1',
    ],
    [
      'an unknown token id',
      '/v1/chat/completions',
      { ...hello, logit_bias: { 99999999: 1 } },
      400,
      'logit_bias: expected token ids from 0 to',
    ],
    [
      'a schema that the grammar cannot enforce',
      '/v1/chat/completions',
      { ...hello, response_format: strictly({ type: 'array', uniqueItems: true }) },
      400,
      'response_format: ',
    ],
    ['disabled embeddings', '/v1/embeddings', { input: 'a' }, 400, 'CHAT_EMBEDDINGS=true'],
    [
      'an unknown model',
      '/v1/chat/completions',
      { ...hello, model: canary },
      404,
      'model: expected "demo"',
    ],
    [
      'a body of 10 MB',
      '/v1/chat/completions',
      'x'.repeat(10 * 1024 * 1024),
      413,
      'body: expected at most',
    ],
    [
      'more than the context',
      '/chat',
      { prompt: 'word '.repeat(9000) },
      400,
      'Shorten the messages',
    ],
    ['a wrong path', '/v1/nothing', hello, 404, 'Unknown path. GET /openapi.json'],
    [
      'a wrong method',
      '/v1/models/demo',
      hello,
      405,
      'method: expected GET, HEAD for this path, got POST.',
    ],
  ])('rejects %s with the expected and the given value', async (_, path, body, status, message) => {
    const response = await post(service, path, body);
    expect(response.status).toBe(status);
    const { error } = await json(response);
    expect(error.message).toContain(message);
    expect(error.message).not.toContain(canary);
    const names = Object.keys(error).filter((name) => name !== 'message_zh');
    expect(names.toSorted()).toEqual(['code', 'message', 'param', 'type']);
  });

  test('counts exactly one outcome for every POST to a generation route', async () => {
    const sum = async () => {
      const text = await (await fetch(`${service.url}/metrics`)).text();
      const values = [...text.matchAll(/^inference_requests_total\{.*\} (\d+)$/gm)];
      return values.reduce((total, [, value]) => total + Number(value), 0);
    };
    // Collections within a second share one result.
    let before = -1;
    await until(async () => before === (before = await sum()) && before > 0, 5);
    await post(service, '/v1/chat/completions', hello).then((response) => response.text());
    await post(service, '/chat', '{').then((response) => response.text());
    await post(service, '/v1/nothing', hello).then((response) => response.text());
    await until(async () => (await sum()) === before + 2);
  });

  test('answers HTTP/1.0 without Host; an invalid Host is a 400, and not counted against the service', async () => {
    const bodyless = await sendRaw(service, 'GET /healthz HTTP/1.0');
    expect(bodyless).toMatch(/^HTTP\/1\.1 200 /);
    expect(await sendRaw(service, 'GET /readyz HTTP/1.0')).toMatch(/^HTTP\/1\.1 200 /);
    const text = JSON.stringify(hello);
    for (const host of ['127.0..1', '1.2.3.4.5', '127.0.0.999']) {
      for (const path of ['/chat', '/v1/chat/completions', '/tokenize', '/metrics', '/']) {
        const method = /chat|tokenize/.test(path) ? 'POST' : 'GET';
        const head = `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: close`;
        const sent = method === 'GET' ? head : `${head}\r\ncontent-length: ${text.length}`;
        const answer = await sendRaw(service, sent, method === 'GET' ? '' : text);
        expect(answer).toMatch(/^HTTP\/1\.1 400 /);
      }
    }
    const failed = 'inference_requests_total{outcome="failed",reason="internal_error"}';
    const refused = 'inference_requests_total{outcome="rejected",reason="bad_request"}';
    await until(async () => ((await service.sample(refused)) ?? 0) >= 6);
    expect(await service.sample(failed)).toBe(0);
  });

  test('stops generating when the client disconnects, and counts it', async () => {
    const gone = 'inference_requests_total{outcome="cancelled",reason="client_gone"}';
    const before = (await service.sample(gone)) ?? 0;
    const socket = connect(Number(new URL(service.url).port), '127.0.0.1');
    const body = JSON.stringify({ ...hello, stream: true });
    socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
    await new Promise((resolve) => socket.once('data', resolve));
    socket.destroy();
    await until(async () => (await service.sample(gone)) === before + 1);
    await until(async () => (await service.sample('inference_sequences_active')) === 0);
  });

  test('counts a client that disconnects while sending its request', async () => {
    const gone = 'inference_requests_total{outcome="cancelled",reason="client_gone"}';
    const before = (await service.sample(gone)) ?? 0;
    const socket = connect(Number(new URL(service.url).port), '127.0.0.1');
    socket.write('POST /chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{"prompt"');
    await until(
      async () =>
        (await service.sample(
          'http_server_active_requests{http_request_method="POST",url_scheme="http"}',
        )) === 1,
    );
    socket.destroy();
    await until(async () => (await service.sample(gone)) === before + 1);
  });

  test('writes no prompt and no answer to log and metrics', async () => {
    await post(service, '/v1/chat/completions', hello).then((response) => response.text());
    const metrics = await (await fetch(`${service.url}/metrics`)).text();
    expect(service.log.join('\n')).toContain('"outcome":"completed"');
    expect(service.log.join('\n') + metrics).not.toContain(canary);
    expect(service.log.join('\n') + metrics).not.toContain('demo model built into');
  });
});

describe('a service with keys that captures content', () => {
  let service: ChatService;
  const authorization = { headers: { authorization: 'Bearer sk-two' } };
  beforeAll(async () => {
    service = await startChatService({
      CHAT_API_KEYS: 'sk-one,sk-two',
      OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: 'true',
    });
  });
  afterAll(() => service.stop());

  test('requires a key', async () => {
    const without = await post(service, '/v1/chat/completions', hello);
    expect(without.status).toBe(401);
    expect(without.headers.get('www-authenticate')).toBe('Bearer');
    expect((await post(service, '/v1/chat/completions', hello, authorization)).status).toBe(200);
    expect((await fetch(`${service.url}/metrics`)).status).toBe(200);
    expect(
      await service.sample('inference_requests_total{outcome="rejected",reason="unauthorized"}'),
    ).toBe(1);
  });

  test('has the content on the trace only', async () => {
    const response = await post(service, '/v1/chat/completions', hello, authorization);
    await response.text();
    const traceId = response.headers.get('traceparent')!.split('-')[1];
    let trace = '';
    await until(async () => {
      trace = await (await fetch(`${service.url}/api/traces/${traceId}`)).text();
      return trace.includes('gen_ai.output.messages');
    });
    expect(trace).toContain(canary);
    expect(trace).toContain('make model');
    expect(service.log.join('\n')).not.toContain(canary);
  });
});

test('restarts a killed engine and keeps answering meanwhile, and exits with code 0 on SIGTERM, after the running answers', async () => {
  const service = await startChatService();
  try {
    process.kill(service.enginePid(), 'SIGKILL');
    await until(async () => (await fetch(`${service.url}/readyz`)).status === 503);
    expect((await fetch(`${service.url}/healthz`)).status).toBe(200);
    const refused = await post(service, '/chat', { prompt: 'hi' });
    expect(refused.status).toBe(503);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    await until(async () => (await fetch(`${service.url}/readyz`)).ok);
    const response = await post(service, '/chat', { prompt: 'hi' });
    expect(response.status).toBe(200);
    const [code, text] = await Promise.all([service.stop(), response.text()]);
    expect(text).toContain('make up');
    expect(code).toBe(0);
  } finally {
    await service.stop();
  }
});

test('leaves no engine process behind when it is killed', async () => {
  const service = await startChatService();
  const pid = service.enginePid();
  service.process.kill('SIGKILL');
  await until(() => {
    try {
      process.kill(pid, 0);
      return false;
    } catch {
      return true;
    }
  });
});
