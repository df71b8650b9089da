/** Requests as clients of vLLM, llama-server, LangChain and lm-eval send them, beyond what OpenAI's own client does. */
import { describe, expect, test } from 'vitest';
import { ChatError } from '../../../src/errors.ts';
import { createApiApp, toFrames } from '../../support/api/app.ts';

/* oxlint-disable typescript/no-explicit-any -- answers are asserted field by field */
const user = { role: 'user', content: 'hello' };
const hello = { messages: [user] };
const chat = '/v1/chat/completions';
const schema = { type: 'object', properties: { a: { type: 'integer' } } };

test('continues an assistant message that comes last, and reads missing content as empty', async () => {
  const api = createApiApp();
  const said = { role: 'assistant', content: 'Once' };
  const ask = async (...messages: object[]) => {
    expect((await api.post(chat, { messages })).status).toBe(200);
    return api.requests.at(-1)!.prompt;
  };
  expect(await ask(user, said)).toEqual({ kind: 'chat', messages: [user, said], continues: true });
  for (const content of [null, undefined, []]) {
    const prompt = await ask(user, { role: 'assistant', content }, user);
    expect(prompt).toMatchObject({ messages: [user, { role: 'assistant', content: '' }, user] });
    expect(prompt).not.toHaveProperty('continues');
  }
  const call = { id: 'a', type: 'function', function: { name: 'time', arguments: '{}' } };
  const called = { role: 'assistant', content: [], tool_calls: [call] };
  expect(await ask(user, called)).not.toHaveProperty('continues');
});

test('refuses continue_final_message where nothing can be continued', async () => {
  const last = { role: 'assistant', content: 'Once' };
  const ask = { messages: [user, last], continue_final_message: true };
  expect((await createApiApp().post(chat, ask)).status).toBe(200);
  for (const wrong of [{ add_generation_prompt: true }, { messages: [user] }]) {
    const refused = await createApiApp().post(chat, { ...ask, ...wrong });
    const { error } = await refused.json();
    expect([refused.status, error.param]).toEqual([400, 'continue_final_message']);
  }
});

test.each(['9223372036854775807', '1e30'])(
  'accepts the seed %s, top_p 0, and 16 stop sequences of which empty ones do not count',
  async (seed) => {
    const api = createApiApp();
    const stop = ['', ...Array.from({ length: 15 }, String)];
    const body = JSON.stringify({ ...hello, top_p: 0, stop, seed: 0 });
    const answer = await api.post(chat, body.replace('"seed":0', `"seed":${seed}`));
    expect(answer.status).toBe(200);
    expect(api.requests[0]?.sampling).toMatchObject({ topP: 0, stop: stop.slice(1) });
    expect(Number.isSafeInteger(api.requests[0]?.sampling.seed)).toBe(true);
  },
);

test('answers each prompt n times, in order, as one request', async () => {
  const api = createApiApp();
  const ask = { prompt: [[4], [5, 6]], n: 2, seed: 7, max_tokens: 0 };
  const answer = await (await api.post('/v1/completions', ask)).json();
  expect(answer.choices.map(({ index, text }: any) => [index, text])).toEqual([
    [0, 'Hello there'],
    [1, 'Hello there'],
    [2, 'Hello there'],
    [3, 'Hello there'],
  ]);
  expect(api.requests.map(({ prompt, sampling }) => [prompt, sampling.seed])).toEqual([
    [{ kind: 'tokens', tokens: [4] }, 7],
    [{ kind: 'tokens', tokens: [4] }, 8],
    [{ kind: 'tokens', tokens: [5, 6] }, 7],
    [{ kind: 'tokens', tokens: [5, 6] }, 8],
  ]);
  // The prompt of 3 tokens counts once for its answers.
  expect(answer.usage).toMatchObject({ prompt_tokens: 6, completion_tokens: 8 });
  expect(api.endings).toMatchObject([{ outcome: 'completed', reason: 'stop' }]);
});

test('streams n answers to a conversation, each with its role and its end', async () => {
  const api = createApiApp();
  const text = await (await api.post(chat, { ...hello, n: 2, stream: true })).text();
  const choices = toFrames(text)
    .slice(0, -1)
    .map((frame) => JSON.parse(frame.slice('data: '.length)).choices[0]);
  for (const index of [0, 1]) {
    const own = choices.filter((choice) => choice.index === index);
    expect(own.map(({ delta }) => delta.content ?? '').join('')).toBe('Hello there');
    expect([own[0].delta.role, own.at(-1).finish_reason]).toEqual(['assistant', 'stop']);
  }
});

test('fails as a whole when one of its answers fails', async () => {
  const api = createApiApp();
  api.script.failure = new ChatError('engine_error', 'broken');
  expect((await api.post(chat, { ...hello, n: 3 })).status).toBe(500);
  expect(api.requests).toHaveLength(1);
  expect(api.endings).toHaveLength(1);
});

test('echoes the prompt before the answer, with its log-probabilities', async () => {
  const api = createApiApp();
  const token = (text: string, logprob: number | null) => {
    const top = logprob === null ? [] : [{ token: text, bytes: [], logprob }];
    return { token: text, bytes: [...Buffer.from(text)], logprob, top };
  };
  api.script.prompt = [token('a', null), token(' b', -2)];
  api.script.logprob = (piece) => token(piece, -1) as never;
  const ask = { prompt: [1, 2], echo: true, logprobs: 1 };
  const { choices } = await (await api.post('/v1/completions', ask)).json();
  expect(choices).toMatchObject([
    {
      text: 'a bHello there',
      logprobs: {
        tokens: ['a', ' b', 'Hello', ' there'],
        token_logprobs: [null, -2, -1, -1],
        top_logprobs: [null, { ' b': -2 }, { Hello: -1 }, { ' there': -1 }],
        text_offset: [0, 1, 3, 8],
      },
    },
  ]);
  expect(api.requests[0]).toMatchObject({ echo: true, sampling: { topLogprobs: 1 } });
});

test('embeds token ids', async () => {
  const api = createApiApp();
  expect((await api.post('/v1/embeddings', { input: [[1, 2], [3]] })).status).toBe(200);
  expect(api.embedded).toEqual([[1, 2], [3]]);
});

test.each(['json_schema', 'guided_json', 'structured_outputs'])(
  'serves the schema of %s',
  async (field) => {
    for (const path of [chat, '/v1/completions', '/chat', '/v1/responses', '/v1/messages']) {
      const api = createApiApp();
      const ask = path === '/v1/completions' ? { prompt: 'a' } : { ...hello, input: 'a' };
      const constraint = { [field]: field === 'structured_outputs' ? { json: schema } : schema };
      expect((await api.post(path, { ...ask, ...constraint })).status).toBe(200);
      expect(api.requests[0]?.format).toEqual({ kind: 'json_schema', schema, strict: true });
      const both = { ...constraint, guided_json: schema, json_schema: schema };
      expect((await api.post(path, { ...ask, ...both })).status).toBe(400);
    }
  },
);

test.each([
  { guided_choice: ['a'] },
  { guided_regex: 'a' },
  { grammar: 'root ::= "a"' },
  { structured_outputs: { choice: ['a'] } },
  { min_tokens: 3 },
  { ignore_eos: true },
  { bad_words: ['a'] },
  { stop_token_ids: [1] },
])('refuses a constraint that it cannot keep: %j', async (field) => {
  for (const path of [chat, '/v1/completions', '/chat', '/v1/responses', '/v1/messages']) {
    const api = createApiApp();
    const ask = path === '/v1/completions' ? { prompt: 'a' } : { ...hello, input: 'a' };
    const [name = ''] = Object.keys(field);
    const refused = await api.post(path, { ...ask, ...field });
    expect([refused.status, (await refused.json()).error.message]).toEqual([
      400,
      expect.stringContaining(name),
    ]);
  }
});

describe.each([
  [chat, hello],
  ['/v1/completions', { prompt: 'a' }],
])("llama-server's reports at %s", (path, ask) => {
  const framesOf = async (api: ReturnType<typeof createApiApp>, more: object) => {
    const usage = { stream_options: { include_usage: true } };
    const text = await (await api.post(path, { ...ask, stream: true, ...usage, ...more })).text();
    return toFrames(text)
      .slice(0, -1)
      .map((frame) => JSON.parse(frame.slice('data: '.length)));
  };

  test('timings_per_token gives timings to each chunk with text and to the end', async () => {
    const timed = await framesOf(createApiApp(), { timings_per_token: true });
    const counts = timed.flatMap(({ timings }) => timings?.predicted_n ?? []);
    expect(counts).toEqual([1, 2, 2, 2]);
    expect(timed.at(-1).timings).toEqual({
      cache_n: 0,
      prompt_n: 3,
      prompt_ms: expect.any(Number),
      prompt_per_token_ms: expect.any(Number),
      prompt_per_second: expect.any(Number),
      predicted_n: 2,
      predicted_ms: expect.any(Number),
      predicted_per_token_ms: expect.any(Number),
      predicted_per_second: expect.any(Number),
    });
    expect(timed.at(-2).timings).toMatchObject({
      predicted_n: 2,
      duration_seconds: expect.any(Number),
    });
    const plain = await framesOf(createApiApp(), {});
    expect(plain.filter(({ timings }) => timings !== undefined)).toHaveLength(1);
    const whole = await createApiApp().post(path, { ...ask, timings_per_token: true });
    expect((await whole.json()).timings).toMatchObject({ prompt_n: 3, predicted_n: 2 });
  });

  test('return_progress gives chunks from the cached tokens to the whole prompt', async () => {
    const api = createApiApp();
    api.script.evaluatedTokens = 2;
    const frames = await framesOf(api, { return_progress: true });
    const progress = frames.flatMap(({ prompt_progress }) => prompt_progress ?? []);
    expect(progress).toEqual(
      [0, 2, 3].map((processed) => ({
        total: 3,
        cache: 0,
        processed,
        time_ms: expect.any(Number),
      })),
    );
    expect(frames.at(-2).choices[0].finish_reason).toBe('stop');
  });
});

test("llama-server's reports are in the events of /v1/responses", async () => {
  const ask = { input: 'a', stream: true, timings_per_token: true, return_progress: true };
  const text = await (await createApiApp().post('/v1/responses', ask)).text();
  const events = toFrames(text).map((frame) => JSON.parse(frame.slice(frame.indexOf('{'))));
  const progress = events.filter(({ prompt_progress }) => prompt_progress !== undefined);
  expect(progress.map((event) => [event.type, event.prompt_progress.processed])).toEqual([
    ['response.in_progress', 0],
    ['response.in_progress', 3],
  ]);
  const timed = events.filter(({ timings }) => timings !== undefined);
  expect(timed.map(({ type, timings }) => [type, timings.predicted_n])).toEqual([
    ['response.output_text.delta', 1],
    ['response.output_text.delta', 2],
    ['response.completed', 2],
  ]);
});

test('serves the schema of a JSON object, and a schema without a name', async () => {
  for (const response_format of [
    { type: 'json_object', schema },
    { type: 'json_schema', json_schema: { schema, strict: true } },
  ]) {
    const api = createApiApp();
    expect((await api.post(chat, { ...hello, response_format })).status).toBe(200);
    expect(api.requests[0]?.format).toEqual({ kind: 'json_schema', schema, strict: true });
  }
});

test.each(['timings_per_token', 'return_progress'])(
  'refuses %s where no chunk has a place for it',
  async (field) => {
    for (const path of ['/chat', '/v1/messages']) {
      const ask = { ...hello, max_tokens: 9 };
      const refused = await createApiApp().post(path, { ...ask, [field]: true });
      const { error } = await refused.json();
      expect([refused.status, error.message]).toEqual([400, expect.stringContaining(field)]);
      expect((await createApiApp().post(path, { ...ask, [field]: false })).status).toBe(200);
    }
  },
);

test('serves the paths of /v1 without it, as the same route, and the health of llama-server', async () => {
  const api = createApiApp();
  for (const [path, body] of [
    ['/chat/completions', hello],
    ['/completions', { prompt: 'a' }],
    ['/responses', { input: 'a' }],
    ['/messages', hello],
    ['/embeddings', { input: 'a' }],
  ] as const) {
    expect((await api.post(path, body)).status).toBe(200);
    expect(api.log.at(-1)?.facts).toMatchObject({ route: `/v1${path}` });
  }
  for (const path of ['/models', '/models/demo', '/health', '/v1/health']) {
    expect((await api.request(path)).status).toBe(200);
  }
});

test('logs the keywords of a schema that its grammar does not enforce', async () => {
  const api = createApiApp();
  api.script.droppedKeywords = ['uniqueItems', 'a secret of mine'];
  await api.post(chat, hello);
  const { facts } = api.log.find(({ message }) => message === 'generation')!;
  expect(facts).toMatchObject({ droppedKeywords: ['uniqueItems'] });
});
