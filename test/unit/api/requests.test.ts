import { expect, test } from 'vitest';
import { createApiApp, demoModel } from '../../support/api/app.ts';

/* oxlint-disable typescript/no-explicit-any -- answers are asserted field by field */
const user = { role: 'user', content: 'hello' };
const hello = { messages: [user] };
const chat = '/v1/chat/completions';
const weather = {
  type: 'function',
  function: {
    name: 'weather',
    description: 'The weather.',
    parameters: { type: 'object', properties: { city: { type: 'string' } } },
  },
};
const time = { type: 'function', function: { name: 'time' } };
const toolOf = ({ function: tool }: typeof weather) => tool;
const timeTool = { name: 'time', parameters: { type: 'object' } };

test('passes every sampling field to the engine', async () => {
  const api = createApiApp();
  await api.post(chat, {
    ...hello,
    max_tokens: 9,
    max_completion_tokens: 8,
    temperature: 0,
    top_p: 0.5,
    top_k: 4,
    min_p: 0.1,
    seed: 7,
    stop: 'END',
    presence_penalty: 1,
    frequency_penalty: -1,
    repeat_penalty: 1.1,
    logit_bias: { 5: -100, 6: 2.5 },
    logprobs: true,
    top_logprobs: 3,
  });
  expect(api.requests[0]).toEqual({
    prompt: { kind: 'chat', messages: [user] },
    sampling: {
      maxTokens: 8,
      temperature: 0,
      topP: 0.5,
      topK: 4,
      minP: 0.1,
      seed: 7,
      stop: ['END'],
      presencePenalty: 1,
      frequencyPenalty: -1,
      repeatPenalty: 1.1,
      logitBias: [
        [5, -100],
        [6, 2.5],
      ],
      topLogprobs: 3,
    },
  });
});

test('treats null as absent, because many clients send it', async () => {
  const api = createApiApp();
  const names =
    'max_tokens temperature top_p seed stop n tools tool_choice response_format logprobs top_logprobs logit_bias stream stream_options functions audio model user';
  const nulls = Object.fromEntries(names.split(' ').map((name) => [name, null]));
  expect((await api.post(chat, { ...hello, ...nulls })).status).toBe(200);
});

test('joins the parts of a message and treats the developer role as system', async () => {
  const api = createApiApp();
  const parts = ['a', 'b'].map((text) => ({ type: 'text', text }));
  await api.post(chat, { messages: [{ role: 'developer', content: parts }, user] });
  expect(api.requests[0]?.prompt).toEqual({
    kind: 'chat',
    messages: [{ role: 'system', content: 'ab' }, user],
  });
});

test('accepts a conversation with tool calls and their results', async () => {
  const api = createApiApp();
  const call = { id: 'call_1', type: 'function', function: { name: 'time', arguments: '{"a":1}' } };
  const bare = { id: 'call_2', type: 'function', function: { name: 'time', arguments: '' } };
  const response = await api.post(chat, {
    messages: [
      user,
      { role: 'assistant', content: null, tool_calls: [call, bare] },
      { role: 'tool', tool_call_id: 'call_2', content: 'noon' },
    ],
    tools: [time],
  });
  expect(response.status).toBe(200);
  expect(api.requests[0]?.prompt).toEqual({
    kind: 'chat',
    tools: [timeTool],
    messages: [
      user,
      {
        role: 'assistant',
        content: '',
        toolCalls: [
          { id: 'call_1', name: 'time', arguments: { a: 1 } },
          { id: 'call_2', name: 'time', arguments: {} },
        ],
      },
      { role: 'tool', toolCallId: 'call_2', content: 'noon' },
    ],
  });
});

const both = [toolOf(weather), timeTool];
test.each([
  [undefined, { kind: 'tool_calls', tools: both, choice: 'auto', parallel: true }],
  ['auto', { kind: 'tool_calls', tools: both, choice: 'auto', parallel: true }],
  ['required', { kind: 'tool_calls', tools: both, choice: 'required', parallel: true }],
  ['none', undefined],
  [
    { type: 'function', function: { name: 'time' } },
    { kind: 'tool_calls', tools: [timeTool], choice: 'required', parallel: false },
  ],
])('constrains the answer to tool_choice %j', async (choice, format) => {
  const api = createApiApp();
  const response = await api.post(chat, { ...hello, tools: [weather, time], tool_choice: choice });
  expect(response.status).toBe(200);
  expect(api.requests[0]?.prompt).toMatchObject({ tools: both });
  expect(api.requests[0]?.format).toEqual(format);
});

test('tells the engine that calls may lack their tags, under auto and CHAT_LENIENT_TOOLS', async () => {
  const api = createApiApp({ model: { ...demoModel, lenientTools: true } });
  const ask = { ...hello, tools: [time] };
  for (const more of [{}, { tool_choice: 'required' }]) await api.post(chat, { ...ask, ...more });
  expect(api.requests.map(({ format }) => format)).toMatchObject([
    { choice: 'auto', lenient: true },
    { choice: 'required' },
  ]);
  expect(api.requests[1]?.format).not.toHaveProperty('lenient');
});

test('allows a single tool call with parallel_tool_calls false', async () => {
  const api = createApiApp();
  await api.post(chat, { ...hello, tools: [time], parallel_tool_calls: false });
  expect(api.requests[0]?.format).toMatchObject({ parallel: false });
});

const schema = { type: 'object', properties: { a: { type: 'integer' } } };
test.each([
  [{ type: 'text' }, undefined],
  [{ type: 'json_object' }, { kind: 'json_object' }],
  [
    { type: 'json_schema', json_schema: { name: 'a', schema, strict: true } },
    { kind: 'json_schema', schema, strict: true },
  ],
  [
    { type: 'json_schema', json_schema: { name: 'a', schema } },
    { kind: 'json_schema', schema, strict: false },
  ],
])('constrains the answer to response_format %j', async (format, expected) => {
  for (const path of [chat, '/v1/completions', '/chat']) {
    const api = createApiApp();
    const ask = path === chat ? hello : { prompt: 'a' };
    expect((await api.post(path, { ...ask, response_format: format })).status).toBe(200);
    expect(api.requests[0]?.format).toEqual(expected);
  }
});

test('answers any model name with its own, and with CHAT_STRICT_MODEL only its names', async () => {
  const open = createApiApp();
  const answer = await open.post(chat, { ...hello, model: 'gpt-4o' });
  expect([answer.status, (await answer.json()).model]).toEqual([200, 'demo']);
  const strict = createApiApp({ model: { ...demoModel, strict: true } });
  for (const model of ['demo', 'demo-file.gguf', 'demo-file', undefined]) {
    expect((await strict.post(chat, { ...hello, model })).status).toBe(200);
  }
  const unknown = await strict.post(chat, { ...hello, model: 'gpt-4o' });
  expect([unknown.status, (await unknown.json()).error.code]).toEqual([404, 'model_not_found']);
});

test('logs an unknown field once, and only names that look like a field', async () => {
  const api = createApiApp();
  const odd = { frobnicate: 1, 'a secret of mine': 1, user: 'x', store: true };
  await api.post(chat, { ...hello, ...odd });
  await api.post(chat, { ...hello, ...odd });
  const noted = api.log.filter(({ message }) => message.includes('unknown request field'));
  expect(noted.map(({ facts }) => facts)).toEqual([{ field: 'frobnicate', route: chat }]);
  const many = Object.fromEntries(
    Array.from({ length: 676 }, (_, index) => [
      `x${String.fromCodePoint(97 + (index % 26), 97 + Math.floor(index / 26))}`,
      1,
    ]),
  );
  await api.post(chat, { ...hello, ...many });
  expect(api.log.filter(({ message }) => message.includes('unknown request field'))).toHaveLength(
    100,
  );
});

test('identifies each key to the engine by an opaque client id', async () => {
  const api = createApiApp({ apiKeys: ['sk-one', 'sk-two'] });
  for (const key of ['sk-one', 'sk-two', 'sk-one']) {
    const headers = { authorization: `Bearer ${key}` };
    await api.request(chat, { method: 'POST', headers, body: JSON.stringify(hello) });
  }
  const [one, two, again] = api.clients;
  expect(one).toBe(again);
  expect(one).not.toBe(two);
  expect(one).toMatch(/^[0-9a-f]{16}$/);
  const open = createApiApp();
  await open.post(chat, hello);
  expect(open.clients).toEqual(['anonymous']);
});

test("keeps the caller's X-Request-Id, and replaces one that is not an id", async () => {
  const api = createApiApp();
  const send = async (id: string) => {
    const init = { method: 'POST', headers: { 'x-request-id': id }, body: JSON.stringify(hello) };
    const sent = (await api.request(chat, init)).headers.get('x-request-id');
    const { facts } = api.log.findLast(({ message }) => message === 'generation')!;
    return { sent, logged: (facts as { request_id: string }).request_id };
  };
  expect(await send('order-42_a=')).toEqual({ sent: 'order-42_a=', logged: 'order-42_a=' });
  for (const id of ['two words', 'a"quote', 'x'.repeat(256)]) {
    const { sent, logged } = await send(id);
    expect(sent).toMatch(/^[0-9a-f-]{36}$/);
    expect(logged).toBe(sent);
  }
});

test.each([
  ['GET', chat, 405, 'POST'],
  ['DELETE', '/v1/models/demo', 405, 'GET, HEAD'],
  ['POST', '/', 405, 'GET, HEAD'],
  ['GET', '/v1/nothing', 404, null],
  ['POST', '/v1/models/a/b', 404, null],
  ['HEAD', '/healthz', 200, null],
])('answers %s %s with %i and Allow: %s', async (method, path, status, allow) => {
  const answer = await createApiApp().request(path, { method });
  expect([answer.status, answer.headers.get('allow')]).toEqual([status, allow]);
  expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
});

test('tells the telemetry the penalties and the type of the output', async () => {
  const api = createApiApp();
  const response_format = { type: 'json_object' };
  await api.post(chat, {
    ...hello,
    frequency_penalty: 0.5,
    presence_penalty: -1,
    response_format,
    stream: true,
  });
  await api.post(chat, { ...hello, tools: [weather] });
  expect(api.admissions).toMatchObject([
    { frequencyPenalty: 0.5, presencePenalty: -1, outputType: 'json', stream: true },
    { outputType: 'text', stream: false },
  ]);
});

test('counts each embeddings request once, however it ends', async () => {
  const api = createApiApp();
  await api.post('/v1/embeddings', { input: ['a', 'b'], encoding_format: 'base64' });
  await api.post('/v1/embeddings', { input: [] });
  const strict = createApiApp({ model: { ...demoModel, strict: true } });
  await strict.post('/v1/embeddings', { input: 'a', model: 'unknown' });
  const lines = [...api.log, ...strict.log].filter(({ message }) => message === 'embeddings');
  expect(lines.map(({ facts }) => facts)).toMatchObject([
    { outcome: 'completed', reason: 'stop', inputTokens: 4, route: '/v1/embeddings' },
    { outcome: 'rejected', reason: 'bad_request', inputTokens: 0 },
    { outcome: 'rejected', reason: 'model_not_found' },
  ]);
  expect(api.endings).toEqual([]);
});

test('returns embeddings as numbers, and as base64 for the openai client', async () => {
  const api = createApiApp();
  const numbers = await (await api.post('/v1/embeddings', { input: ['a', 'b'] })).json();
  expect(numbers).toMatchObject({
    data: [
      { index: 0, embedding: [0.6, -0.8] },
      { index: 1, embedding: [0.6, -0.8] },
    ],
    usage: { prompt_tokens: 4, total_tokens: 4 },
  });
  const asked = { input: 'a', encoding_format: 'base64' };
  const { data } = await (await api.post('/v1/embeddings', asked)).json();
  const bytes = Buffer.from(data[0].embedding, 'base64');
  expect([bytes.readFloatLE(0), bytes.readFloatLE(4)]).toEqual([0.6, -0.8].map(Math.fround));
  const off = await createApiApp({ embeddings: false }).post('/v1/embeddings', { input: 'a' });
  expect([off.status, (await off.json()).error.message]).toEqual([
    400,
    expect.stringContaining('CHAT_EMBEDDINGS=true'),
  ]);
});

test('returns tokens in the format of llama-server', async () => {
  const api = createApiApp();
  const plain = await (await api.post('/tokenize', { content: 'a' })).json();
  expect(plain).toEqual({ tokens: [1, 2] });
  const pieces = await (await api.post('/tokenize', { ...hello, with_pieces: true })).json();
  expect(pieces.tokens[0]).toEqual({ id: 1, piece: 'a' });
});
