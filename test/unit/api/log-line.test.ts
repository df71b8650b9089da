/** What the log line and the spans of a request tell an operator, and that they never quote its client. */
import { metrics } from '@opentelemetry/api';
import { TracerProvider } from '@opentelemetry/sdk-trace';
import { expect, test } from 'vitest';
import { createInferenceTelemetry } from '../../../otel/generation/inference.ts';
import { createMemoryStore } from '../../../otel/traces/memory-store.ts';
import { ChatError } from '../../../src/errors.ts';
import { createApiApp, type AppOverrides } from '../../support/api/app.ts';
import { until } from '../../support/until.ts';

const path = '/v1/chat/completions';
const hello = { messages: [{ role: 'user', content: 'canary' }] };
const from = { incoming: { socket: { remoteAddress: '10.0.0.7' } } };

/** The service's routes with spans that are kept. */
function createObservedApp(options: AppOverrides = {}) {
  const { store, processor } = createMemoryStore({ traces: 100, bytes: 1e9 });
  const provider = new TracerProvider({ spanProcessors: [processor] });
  const inference = createInferenceTelemetry({
    meter: metrics.getMeter('test'),
    tracer: provider.getTracer('test'),
    contextTokens: () => 0,
    state: () => 'ready',
  });
  const api = createApiApp({ inference, ...options });
  return {
    ...api,
    send: (body: object, route = path, headers: Record<string, string> = {}) =>
      api.request(route, { method: 'POST', body: JSON.stringify(body), headers }, from),
    lines: (message = 'generation') =>
      api.log.filter((line) => line.message === message).map(({ facts }) => facts),
    traces: async () => (await store.list()).traces,
  };
}

test('a request that is refused has message, field and status in its line and on its span', async () => {
  const app = createObservedApp();
  await app.send({ ...hello, top_p: 'canary' });
  const error = 'top_p: expected number, got a string of 6 characters.';
  expect(app.lines()).toMatchObject([
    { outcome: 'rejected', reason: 'bad_request', status: 400, error, param: 'top_p' },
  ]);
  expect(await app.traces()).toMatchObject([
    { outcome: 'rejected', failed: false, error: { message: error, param: 'top_p' } },
  ]);
});

test('a request that fails has its message and status, and 200 if its stream had begun', async () => {
  const app = createObservedApp();
  app.script.failure = new ChatError('engine_error', 'llama.cpp failed.');
  await (await app.send(hello)).text();
  await (await app.send({ ...hello, stream: true })).text();
  expect(app.lines()).toMatchObject([
    { outcome: 'failed', status: 500, error: 'llama.cpp failed.' },
    { outcome: 'failed', status: 200, error: 'llama.cpp failed.', streamEnding: 'error_frame' },
  ]);
  const [last] = await app.traces();
  expect(last).toMatchObject({ failed: true, error: { message: 'llama.cpp failed.' } });
});

test('a request without a generation has a line too, unless the page polls its route', async () => {
  const app = createObservedApp();
  await app.send({}, '/tokenize');
  await app.request('/api/traces?limit=0');
  await app.request('/canary');
  expect(app.lines('request refused')).toEqual([
    {
      request_id: expect.any(String),
      route: '/tokenize',
      status: 400,
      code: 'bad_request',
      error: 'content: expected either "content" or "messages", got neither.',
      param: 'content',
    },
    expect.objectContaining({ route: undefined, status: 404, code: 'not_found' }),
  ]);
  expect(JSON.stringify(app.log)).not.toContain('canary');
});

test('the line has the client, its sampling, its place in the queue and how its stream ended', async () => {
  const app = createObservedApp();
  const sampling = { temperature: 1.5, top_p: 0.9, top_k: 5, seed: 7, max_tokens: 9 };
  await (await app.send({ ...hello, ...sampling, stop: ['canary'], stream: true })).text();
  expect(app.lines()).toMatchObject([
    {
      client: '10.0.0.7',
      stream: true,
      streamEnding: 'done',
      queuePosition: 1,
      temperature: 1.5,
      topP: 0.9,
      topK: 5,
      seed: 7,
      maxTokens: 9,
      stopSequences: 1,
      status: 200,
    },
  ]);
  expect(JSON.stringify(app.lines())).not.toContain('canary');
});

test('the client is the id of its API key, where keys are set', async () => {
  const app = createObservedApp({ apiKeys: ['sk-canary'] });
  const headers = { authorization: 'Bearer sk-canary' };
  await (await app.send(hello, path, headers)).text();
  await app.send(hello, path, { authorization: 'Bearer canary' });
  const id = expect.stringMatching(/^[0-9a-f]{16}$/);
  expect(app.lines()).toMatchObject([{ client: id }, { client: '10.0.0.7', status: 401 }]);
  expect(await app.traces()).toMatchObject([{}, { client: id }]);
});

test('who leaves before the first token has the time in the queue; who leaves later, the first token', async () => {
  const app = createObservedApp();
  const leave = new AbortController();
  const request = { method: 'POST', body: JSON.stringify(hello), signal: leave.signal };
  app.script.start = new Promise(() => {});
  const left = app.request(path, request, from);
  await until(() => app.requests.length === 1);
  leave.abort();
  await Promise.resolve(left).catch(() => {});
  await until(() => app.lines().length === 1);
  expect(app.lines()[0]).toMatchObject({
    outcome: 'cancelled',
    reason: 'client_gone',
    status: 499,
    queuePosition: 1,
    queueSeconds: expect.any(Number),
  });
  expect(app.lines()[0]).not.toHaveProperty('firstTokenSeconds');

  app.script.start = Promise.resolve();
  app.script.failure = new ChatError('client_gone', 'The client disconnected.');
  await (await app.send({ ...hello, stream: true })).text();
  expect(app.lines()[1]).toMatchObject({
    outcome: 'cancelled',
    streamEnding: 'client_gone',
    outputTokens: 2,
    firstTokenSeconds: expect.any(Number),
  });
});

test('a refused embeddings request has its message and field too', async () => {
  const app = createObservedApp();
  await app.send({ input: 5 }, '/v1/embeddings');
  expect(app.lines('embeddings')).toMatchObject([
    { outcome: 'rejected', status: 400, client: '10.0.0.7', param: 'input' },
  ]);
  expect(app.lines('request refused')).toEqual([]);
  expect(await app.traces()).toMatchObject([{ error: { param: 'input' } }]);
});

test('what the engine says about a client is not recorded', async () => {
  const app = createObservedApp();
  app.script.failure = new ChatError(
    'bad_request',
    'tools: parameters of canary: expected a type',
    {
      param: 'tools',
      recorded: 'tools: a schema that cannot be used, at #/properties/*',
    },
  );
  const { error } = (await (await app.send(hello)).json()) as { error: { message: string } };
  expect(error.message).toContain('canary');
  expect(JSON.stringify([app.log, await app.traces()])).not.toContain('canary');
  expect(app.lines()).toMatchObject([
    { error: 'tools: a schema that cannot be used, at #/properties/*', param: 'tools' },
  ]);
});

test('a stream whose answer ends before its first frame has one line, with its ending', async () => {
  const app = createObservedApp();
  app.script.atOnce = true;
  await (await app.send({ ...hello, stream: true })).text();
  expect(app.lines()).toMatchObject([{ outcome: 'completed', streamEnding: 'done' }]);
});
