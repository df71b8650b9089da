import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { streamText } from 'ai';
import OpenAI from 'openai';
import { expect, test } from 'vitest';
import { ChatError } from '../../../src/errors.ts';
import { createApiApp, toFrames } from '../../support/api/app.ts';
import { until } from '../../support/until.ts';

/* oxlint-disable typescript/no-explicit-any -- answers are asserted field by field */
const hello = { messages: [{ role: 'user', content: 'hello' }] };
const quick = { keepAliveMillis: 20, stallMillis: 50 };
const path = '/v1/chat/completions';

function chunks(text: string): any[] {
  const frames = toFrames(text).filter((frame) => frame.startsWith('data: {'));
  return frames.map((frame) => JSON.parse(frame.slice(6)));
}

test('streams role, deltas, finish reason, usage and [DONE] like OpenAI', async () => {
  const api = createApiApp();
  const options = { stream: true, stream_options: { include_usage: true } };
  const response = await api.post(path, { ...hello, ...options });
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  expect(response.headers.get('server-timing')).toMatch(/^tokenize;dur=.*, queue;dur=/);
  const text = await response.text();
  expect(toFrames(text).at(-1)).toBe('data: [DONE]');
  const [role, first, second, end, usage] = chunks(text);
  expect(role.choices[0].delta).toEqual({ role: 'assistant', content: '' });
  expect([first, second].map((chunk) => chunk.choices[0].delta)).toEqual([
    { content: 'Hello' },
    { content: ' there' },
  ]);
  expect(end.choices[0]).toMatchObject({ delta: {}, finish_reason: 'stop' });
  expect(end.usage).toBeNull();
  expect(usage).toMatchObject({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 2 } });
  expect(api.streamEndings).toEqual(['done']);
  expect(api.endings).toMatchObject([{ outcome: 'completed', reason: 'stop' }]);
});

test('a stream that may call begins without content, and any other with an empty one', async () => {
  const tools = [{ type: 'function', function: { name: 'f' } }];
  const firstOf = async (fields: object): Promise<unknown> => {
    const response = await createApiApp().post(path, { ...hello, stream: true, tools, ...fields });
    return chunks(await response.text())[0].choices[0].delta.content;
  };
  expect(await firstOf({})).toBeNull();
  expect(await firstOf({ tool_choice: 'none' })).toBe('');
});

test('generates at full speed even if the client does not read', async () => {
  const api = createApiApp();
  api.script.pieces = Array.from({ length: 500 }, (_, index) => ` ${index}`);
  const response = await api.post(path, { ...hello, stream: true });
  await until(() => api.endings.length === 1);
  expect(api.streamEndings).toEqual([]);
  const text = await response.text();
  expect(
    chunks(text)
      .map((chunk) => chunk.choices[0].delta.content ?? '')
      .join(''),
  ).toBe(api.script.pieces.join(''));
});

test('drops a client that stops reading', async () => {
  const api = createApiApp({ timeouts: quick });
  const response = await api.post(path, { ...hello, stream: true });
  await until(() => api.streamEndings.length > 0);
  expect(api.streamEndings[0]).toBe('stalled');
  await response.body?.cancel();
});

test('sends comments with place and expected seconds while the request is queued', async () => {
  const api = createApiApp({ timeouts: quick });
  api.script.waiting = { position: 33, seconds: 39.2 };
  const start = Promise.withResolvers<void>();
  api.script.start = start.promise;
  const response = await api.post(path, { ...hello, stream: true });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  const comment = ': queued {"position":33,"seconds":40}\n\n';
  expect((await reader.read()).value).toBe(comment);
  expect((await reader.read()).value).toBe(comment);
  start.resolve();
  let text = '';
  for (let next = await reader.read(); !next.done; next = await reader.read()) text += next.value;
  expect(chunks(text).at(-1).choices[0].finish_reason).toBe('stop');
  expect(api.streamEndings).toEqual(['done']);
});

test('sends comments with its progress after the role until the prompt is evaluated', async () => {
  const api = createApiApp({ timeouts: quick });
  api.script.evaluatedTokens = 2;
  const prefill = Promise.withResolvers<void>();
  api.script.prefill = prefill.promise;
  const response = await api.post(path, { ...hello, stream: true });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  expect(chunks((await reader.read()).value!)[0].choices[0].delta.role).toBe('assistant');
  const comment = ': prefill {"evaluated":2,"tokens":3}\n\n';
  expect((await reader.read()).value).toBe(comment);
  expect((await reader.read()).value).toBe(comment);
  prefill.resolve();
  let text = '';
  for (let next = await reader.read(); !next.done; next = await reader.read()) text += next.value;
  expect(chunks(text).at(-1).choices[0].finish_reason).toBe('stop');
});

test('is understood by the openai package and the AI SDK while it is queued', async () => {
  const api = createApiApp({ timeouts: quick });
  const fetch = async (url: string | URL | Request, init?: RequestInit) => {
    const start = Promise.withResolvers<void>();
    api.script.start = start.promise;
    const response = await api.request(new Request(url, init));
    start.resolve();
    return response;
  };
  const baseURL = 'http://localhost/v1';
  const openai = new OpenAI({ baseURL, apiKey: 'none', fetch });
  const stream = openai.chat.completions.stream({
    model: 'demo',
    messages: [{ role: 'user', content: 'hello' }],
  });
  expect(await stream.finalContent()).toBe('Hello there');
  const model = createOpenAICompatible({ name: 'llamascope', baseURL, fetch })('demo');
  expect(await streamText({ model, prompt: 'hello' }).text).toBe('Hello there');
});

test('reports an error before the headers as a status, and a later one as an error frame', async () => {
  const api = createApiApp({ timeouts: quick });
  const full = new ChatError('queue_full', 'Full.', { retryAfterSeconds: 7 });
  api.script.start = Promise.reject(full);
  const refused = await api.post(path, { ...hello, stream: true });
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '7']);
  expect(api.endings).toMatchObject([{ outcome: 'rejected', reason: 'queue_full' }]);

  const late = Promise.withResolvers<void>();
  api.script.start = late.promise;
  const response = await api.post(path, { ...hello, stream: true });
  expect(response.status).toBe(200);
  late.reject(new ChatError('queue_timeout', 'Waited.'));
  const frames = toFrames(await response.text()).filter(
    (frame) => !frame.startsWith(': queued {"position":1}'),
  );
  expect(frames).toEqual([expect.stringContaining('"code":"queue_timeout"')]);
  expect(api.streamEndings).toEqual(['error_frame']);
});

test('reports an engine exit after the text generated so far', async () => {
  const api = createApiApp();
  api.script.failure = new ChatError('engine_exit', 'The engine process ended.');
  const response = await api.post(path, { ...hello, stream: true });
  const frames = toFrames(await response.text());
  expect(frames.at(-2)).toContain(' there');
  expect(frames.at(-1)).toContain('"code":"engine_exit"');
  expect(api.endings).toMatchObject([{ outcome: 'failed', reason: 'engine_exit' }]);
  const whole = await api.post(path, hello);
  expect(whole.status).toBe(503);
});

test('cancels the generation of a client that disconnects', async () => {
  const api = createApiApp();
  api.script.start = new Promise(() => {});
  const client = new AbortController();
  const init = { method: 'POST', body: JSON.stringify(hello), signal: client.signal };
  const answer = api.request(path, init);
  await until(() => api.requests.length === 1);
  client.abort();
  expect((await answer).status).toBe(499);
  expect(api.endings).toMatchObject([{ outcome: 'cancelled', reason: 'client_gone' }]);
});

test('ends at the deadline and at shutdown, each with its own code', async () => {
  const api = createApiApp({ deadlineSeconds: 0.05 });
  api.script.start = new Promise(() => {});
  const late = await api.post(path, hello);
  expect([late.status, (await late.json()).error.code]).toEqual([503, 'deadline']);
  api.shutdown.abort(new ChatError('shutdown', 'The service is shutting down.'));
  const ended = await api.post(path, hello);
  expect([ended.status, (await ended.json()).error.code]).toEqual([503, 'shutdown']);
  expect(api.endings.map(({ reason }) => reason)).toEqual(['deadline', 'shutdown']);
});

const scriptedCall = [
  '<tool_call>\n',
  '{"name": "f", "arguments"',
  ': {"a": ',
  '1}}',
  '\n</tool_call>',
];
const tools = [{ type: 'function', function: { name: 'f', parameters: { type: 'object' } } }];

test('streams a tool call in pieces and ends with tool_calls', async () => {
  const api = createApiApp();
  api.script.pieces = scriptedCall;
  const response = await api.post(path, { ...hello, tools, stream: true });
  const deltas = chunks(await response.text()).map((chunk) => chunk.choices[0]);
  const calls = deltas.flatMap(({ delta }) => delta.tool_calls ?? []);
  expect(calls[0]).toMatchObject({ index: 0, type: 'function', function: { name: 'f' } });
  expect(calls.slice(1).map((call) => call.function.arguments)).toEqual(['{"a": ', '1}']);
  expect(deltas.at(-1).finish_reason).toBe('tool_calls');
  expect(api.endings).toMatchObject([{ outcome: 'completed', reason: 'tool_calls' }]);
});

test('answers tool calls with null content', async () => {
  const api = createApiApp();
  api.script.pieces = scriptedCall;
  const { choices } = await (await api.post(path, { ...hello, tools })).json();
  expect(choices[0]).toMatchObject({
    finish_reason: 'tool_calls',
    message: { content: null, tool_calls: [{ function: { name: 'f', arguments: '{"a": 1}' } }] },
  });
  api.script.finishReason = 'length';
  const cut = await (await api.post(path, { ...hello, tools })).json();
  expect(cut.choices[0].finish_reason).toBe('length');
});

test('returns a call as text if tool_choice is none', async () => {
  const api = createApiApp();
  api.script.pieces = scriptedCall;
  const response = await api.post(path, { ...hello, tools, tool_choice: 'none' });
  const { choices } = await response.json();
  expect(choices[0]).toMatchObject({
    finish_reason: 'stop',
    message: { content: scriptedCall.join('') },
  });
});

const toLogprob = (token: string) => ({
  token,
  bytes: [...Buffer.from(token)],
  logprob: -0.5,
  top: [{ token, bytes: [...Buffer.from(token)], logprob: -0.5 }],
});

test('returns the log-probability of each token once, whole and streamed', async () => {
  const api = createApiApp();
  // The text of the second token arrives with the third; the last token has no text.
  Object.assign(api.script, { pieces: ['He', '', 'llo', ''], logprob: toLogprob });
  const asked = { ...hello, logprobs: true, top_logprobs: 1 };
  const whole = await (await api.post(path, asked)).json();
  const tokens = ['He', '', 'llo', ''];
  const content = whole.choices[0].logprobs.content;
  expect(content.map((one: any) => one.token)).toEqual(tokens);
  expect(content[0]).toEqual({
    token: 'He',
    logprob: -0.5,
    bytes: [72, 101],
    top_logprobs: [{ token: 'He', logprob: -0.5, bytes: [72, 101] }],
  });
  const streamed = await api.post(path, { ...asked, stream: true });
  const given = chunks(await streamed.text()).flatMap(
    (chunk) => chunk.choices[0].logprobs?.content ?? [],
  );
  expect(given).toEqual(content);
});

test('continues the text offsets of a completion from chunk to chunk', async () => {
  const api = createApiApp();
  Object.assign(api.script, { pieces: ['He', 'llo', '!'], logprob: toLogprob });
  const asked = { prompt: 'a', logprobs: 1 };
  const whole = await (await api.post('/v1/completions', asked)).json();
  expect(whole.choices[0].logprobs).toEqual({
    tokens: ['He', 'llo', '!'],
    token_logprobs: [-0.5, -0.5, -0.5],
    top_logprobs: [{ He: -0.5 }, { llo: -0.5 }, { '!': -0.5 }],
    text_offset: [0, 2, 5],
  });
  const streamed = await api.post('/v1/completions', { ...asked, stream: true });
  const given = chunks(await streamed.text()).flatMap(
    (chunk) => chunk.choices[0]?.logprobs?.text_offset ?? [],
  );
  expect(given).toEqual([0, 2, 5]);
});
