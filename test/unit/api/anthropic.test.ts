import { expect, test } from 'vitest';
import { ChatError } from '../../../src/errors.ts';
import { createApiApp, toFrames } from '../../support/api/app.ts';

const path = '/v1/messages';
const user = { role: 'user', content: 'hi' };
const weather = { name: 'weather', input_schema: { type: 'object' } };
const use = { type: 'tool_use', id: 'a', name: 'weather', input: { x: 1 } };
const result = { type: 'tool_result', tool_use_id: 'a', content: 'rain' };

test('converts blocks to the messages of a conversation', async () => {
  const api = createApiApp();
  const asked = await api.post(path, {
    max_tokens: 7,
    system: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } }],
    messages: [
      user,
      {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: 'hm', signature: 's' },
          { type: 'text', text: 'One moment.' },
          use,
        ],
      },
      { role: 'user', content: [result, { type: 'text', text: 'Well?' }] },
    ],
    tools: [weather],
    tool_choice: { type: 'any', disable_parallel_tool_use: true },
    stop_sequences: ['END', ''],
    thinking: { type: 'enabled', budget_tokens: 1024 },
  });
  expect(asked.status).toBe(200);
  const tool = { name: 'weather', parameters: { type: 'object' } };
  expect(api.requests[0]).toMatchObject({
    prompt: {
      kind: 'chat',
      tools: [tool],
      messages: [
        { role: 'system', content: 'Be brief.' },
        user,
        {
          role: 'assistant',
          content: 'One moment.',
          toolCalls: [{ id: 'a', name: 'weather', arguments: { x: 1 } }],
        },
        { role: 'tool', content: 'rain', toolCallId: 'a' },
        { role: 'user', content: 'Well?' },
      ],
    },
    sampling: { maxTokens: 7, stop: ['END'] },
    format: { kind: 'tool_calls', choice: 'required', parallel: false },
  });
});

test('constrains the answer to a JSON schema', async () => {
  const api = createApiApp();
  const schema = { type: 'object' };
  const output_config = { format: { type: 'json_schema', schema } };
  await api.post(path, { messages: [user], output_config });
  expect(api.requests[0]?.format).toEqual({ kind: 'json_schema', schema, strict: true });
});

test.each([
  ['a result without its call', { messages: [{ role: 'user', content: [result] }] }, 'tool_use_id'],
  ['a call of the user', { messages: [{ role: 'user', content: [use] }] }, '"assistant"'],
  ['a built-in tool', { messages: [user], tools: [{ ...weather, type: 'bash_20250124' }] }, 'tool'],
  ['a wrong model', { messages: [user], model: 4 }, 'model: expected string'],
])('refuses %s in the form of the API', async (_, body, message) => {
  for (const route of [path, `${path}/count_tokens`]) {
    const answer = await createApiApp().post(route, body);
    expect([answer.status, await answer.json()]).toEqual([
      400,
      {
        type: 'error',
        error: { type: 'invalid_request_error', message: expect.stringContaining(message) },
      },
    ]);
  }
});

test('requires a key, as x-api-key or as a bearer token', async () => {
  const api = createApiApp({ apiKeys: ['sk-one'] });
  const body = JSON.stringify({ messages: [user] });
  const statusWith = async (headers: Record<string, string>) =>
    (await api.request(path, { method: 'POST', headers, body })).status;
  expect([
    await statusWith({ 'x-api-key': 'sk-one' }),
    await statusWith({ authorization: 'Bearer sk-one' }),
    await statusWith({ 'x-api-key': 'sk-two' }),
    await statusWith({}),
  ]).toEqual([200, 200, 401, 401]);
});

test('ends a stream that fails with an error event', async () => {
  const api = createApiApp();
  api.script.failure = new ChatError('engine_error', 'broken');
  const answer = await api.post(path, { messages: [user], stream: true });
  expect(toFrames(await answer.text()).at(-1)).toBe(
    'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"broken"}}',
  );
});
