import { expect, test, vi } from 'vitest';
import { createItemMemory } from '../../../src/api/openai/responses/memory.ts';
import { ChatError } from '../../../src/errors.ts';
import { createApiApp, toFrames } from '../../support/api/app.ts';

/* oxlint-disable typescript/no-explicit-any -- events are asserted field by field */
const path = '/v1/responses';
const weather = { type: 'function', name: 'weather', parameters: { type: 'object' }, strict: true };
const call = '<tool_call>\n{"name": "weather", "arguments": {"a": 1}}\n</tool_call>';

function toEvents(text: string): any[] {
  return toFrames(text).map((frame) => JSON.parse(frame.replace(/^event: .*\ndata: /, '')));
}

test('converts items to the messages of a conversation', async () => {
  const api = createApiApp();
  const asked = await api.post(path, {
    instructions: 'Be brief.',
    input: [
      { role: 'developer', content: 'In French.' },
      { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'hi' }] },
      { type: 'reasoning', id: 'rs_1', summary: [] },
      {
        type: 'message',
        role: 'assistant',
        content: [{ type: 'output_text', text: 'Let me see' }],
      },
      { type: 'function_call', call_id: 'a', name: 'weather', arguments: '{"x":1}' },
      { type: 'function_call', call_id: 'b', name: 'weather', arguments: '' },
      { type: 'function_call_output', call_id: 'b', output: 'rain' },
    ],
    tools: [weather],
    tool_choice: {
      type: 'allowed_tools',
      mode: 'auto',
      tools: [{ type: 'function', name: 'weather' }],
    },
    text: { format: { type: 'json_object' } },
    max_output_tokens: 7,
    reasoning: { effort: 'low' },
  });
  expect(asked.status).toBe(200);
  const tool = { name: 'weather', parameters: { type: 'object' } };
  expect(api.requests[0]).toMatchObject({
    prompt: {
      kind: 'chat',
      tools: [tool],
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'system', content: 'In French.' },
        { role: 'user', content: 'hi' },
        {
          role: 'assistant',
          content: 'Let me see',
          toolCalls: [
            { id: 'a', name: 'weather', arguments: { x: 1 } },
            { id: 'b', name: 'weather', arguments: {} },
          ],
        },
        { role: 'tool', content: 'rain', toolCallId: 'b' },
      ],
    },
    sampling: { maxTokens: 7 },
    format: {
      kind: 'tool_calls',
      tools: [{ ...tool, strict: true }],
      choice: 'auto',
      otherwise: { kind: 'json_object' },
    },
  });
});

test('streams text and a call as two items, and references find both', async () => {
  const api = createApiApp();
  api.script.pieces = ['One moment. ', call];
  const ask = { input: 'hi', tools: [weather], stream: true };
  const events = toEvents(await (await api.post(path, ask)).text());
  expect(events.map(({ type }) => type.replace('response.', ''))).toEqual([
    'created',
    'in_progress',
    'output_item.added',
    'content_part.added',
    'output_text.delta',
    'output_text.done',
    'content_part.done',
    'output_item.done',
    'output_item.added',
    'function_call_arguments.delta',
    'function_call_arguments.done',
    'output_item.done',
    'completed',
  ]);
  const { output, usage, id } = events.at(-1).response;
  expect(output).toMatchObject([
    { type: 'message', status: 'completed', content: [{ text: 'One moment.' }] },
    { type: 'function_call', name: 'weather', arguments: '{"a": 1}' },
  ]);
  expect(usage).toMatchObject({ input_tokens: 3, output_tokens: 2, total_tokens: 5 });
  const result = { type: 'function_call_output', call_id: output[1].call_id, output: 'rain' };
  const references = output.map(({ id }: { id: string }) => ({ type: 'item_reference', id }));
  await api.post(path, { input: [{ role: 'user', content: 'hi' }, ...references, result] });
  await api.post(path, { previous_response_id: id, input: [result] });
  const [, byItem, byResponse] = api.requests;
  expect(byItem?.prompt).toMatchObject({
    messages: [{ role: 'user' }, { role: 'assistant', content: 'One moment.' }, { role: 'tool' }],
  });
  expect(byResponse?.prompt).toEqual(byItem?.prompt);
});

test('names the field of the request after items that are remembered', async () => {
  const api = createApiApp();
  const { id } = await (await api.post(path, { input: 'hi' })).json();
  const output = { type: 'function_call_output', call_id: 'unknown', output: 'rain' };
  const refused = await api.post(path, { previous_response_id: id, input: [output] });
  expect(refused.status).toBe(400);
  expect((await refused.json()).error.param).toBe('input.0.call_id');
});

test('goes on after a call that max_tokens cut', async () => {
  const api = createApiApp();
  api.script.pieces = ['<tool_call>\n{"name": "weather", "arguments": {"a"'];
  api.script.finishReason = 'length';
  const { id, output } = await (await api.post(path, { input: 'hi', tools: [weather] })).json();
  expect(output).toMatchObject([{ type: 'function_call', arguments: '{"a"' }]);
  const next = await api.post(path, { previous_response_id: id, input: 'go on', tools: [weather] });
  expect(next.status).toBe(200);
});

test('finds neither what was asked not to be kept nor what another key received', async () => {
  const api = createApiApp({ apiKeys: ['sk-one', 'sk-two'] });
  const post = async (key: string, body: object): Promise<any> => {
    const headers = { authorization: `Bearer ${key}` };
    const answer = await api.request(path, { method: 'POST', headers, body: JSON.stringify(body) });
    return answer.json();
  };
  const kept = await post('sk-one', { input: 'hi' });
  const dropped = await post('sk-one', { input: 'hi', store: false });
  const next = (id: string) => ({ input: 'hi', previous_response_id: id });
  expect(await post('sk-one', next(kept.id))).toMatchObject({ status: 'completed' });
  for (const refused of [
    await post('sk-two', next(kept.id)),
    await post('sk-one', next(dropped.id)),
  ]) {
    expect(refused.error).toMatchObject({ code: 'bad_request', param: 'previous_response_id' });
  }
});

test('ends a stream that fails with an error event and the failed response', async () => {
  const api = createApiApp();
  api.script.failure = new ChatError('engine_error', 'broken');
  const events = toEvents(await (await api.post(path, { input: 'hi', stream: true })).text());
  expect(events.slice(-2)).toMatchObject([
    { type: 'error', code: 'engine_error', message: 'broken' },
    { type: 'response.failed', response: { status: 'failed', error: { code: 'engine_error' } } },
  ]);
  expect(api.streamEndings).toEqual(['error_frame']);
});

test('forgets the oldest by count and size, and everything after an hour', () => {
  vi.useFakeTimers();
  const item = (content: string) => [{ role: 'user' as const, content }];
  const memory = createItemMemory({ entries: 2, characters: 200, minutes: 60 });
  for (const id of ['a', 'b', 'c']) memory.remember('key', id, item(id));
  expect(['a', 'b', 'c'].map((id) => memory.find('key', id) !== undefined)).toEqual([
    false,
    true,
    true,
  ]);
  memory.remember('key', 'long', item('x'.repeat(150)));
  expect([memory.find('key', 'c'), memory.find('other', 'long')]).toEqual([undefined, undefined]);
  memory.remember('key', 'longer', item('x'.repeat(200)));
  expect(memory.find('key', 'long')).toBeDefined();
  vi.advanceTimersByTime(60 * 60_000);
  expect(memory.find('key', 'long')).toBeUndefined();
  vi.useRealTimers();
});
