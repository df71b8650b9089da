/** The Messages API as Anthropic's own client uses it. */
import Anthropic from '@anthropic-ai/sdk';
import { beforeAll, expect, test } from 'vitest';
import { shared } from '../../support/shared.ts';

const model = 'any-name';
const question: Anthropic.MessageParam = { role: 'user', content: 'What is the weather in Paris?' };
const ask = { model, max_tokens: 200, messages: [question] };
const weather: Anthropic.Tool = {
  name: 'get_weather',
  description: 'The weather of a city, now.',
  input_schema: {
    type: 'object',
    properties: { city: { type: 'string', enum: ['Paris', 'London'] } },
    required: ['city'],
  },
};

let client: Anthropic;
beforeAll(async () => {
  const { url } = await shared('chat');
  client = new Anthropic({ baseURL: url, apiKey: 'none', maxRetries: 0 });
});

test('answers a message, and counts its tokens beforehand', async () => {
  const message = await client.messages.create(ask);
  expect(message).toMatchObject({
    type: 'message',
    role: 'assistant',
    model: 'demo',
    stop_reason: 'end_turn',
    content: [{ type: 'text', text: expect.stringContaining('make model') }],
  });
  const { input_tokens } = await client.messages.countTokens({ model, messages: [question] });
  const { usage } = message;
  expect(input_tokens).toBe(usage.input_tokens + (usage.cache_read_input_tokens ?? 0));
});

test('streams the same text in events, and its helper assembles them', async () => {
  const stream = client.messages.stream(ask);
  const types: string[] = [];
  for await (const { type } of stream) if (types.at(-1) !== type) types.push(type);
  expect(types).toEqual([
    'message_start',
    'content_block_start',
    'content_block_delta',
    'content_block_stop',
    'message_delta',
    'message_stop',
  ]);
  const { content, usage } = await stream.finalMessage();
  expect(content).toMatchObject([{ text: expect.stringContaining('make up') }]);
  expect(usage.output_tokens).toBeGreaterThan(2);
});

test('streams a call, and continues with its result', async () => {
  const tools = [weather];
  const stream = client.messages.stream({
    ...ask,
    tools,
    tool_choice: { type: 'tool', name: 'get_weather' },
  });
  const { content, stop_reason } = await stream.finalMessage();
  expect(stop_reason).toBe('tool_use');
  const [call] = content;
  expect(call).toMatchObject({ type: 'tool_use', input: { city: expect.any(String) } });
  const result: Anthropic.ToolResultBlockParam = {
    type: 'tool_result',
    tool_use_id: (call as Anthropic.ToolUseBlock).id,
    content: [{ type: 'text', text: 'rain' }],
  };
  const last = await client.messages.create({
    ...ask,
    tools,
    tool_choice: { type: 'none' },
    messages: [question, { role: 'assistant', content }, { role: 'user', content: [result] }],
  });
  expect(last.content).toMatchObject([{ text: expect.stringContaining('make model') }]);
});

test('ends at a stop sequence or at max_tokens, and throws its own errors', async () => {
  const stopped = await client.messages.create({ ...ask, stop_sequences: ['', 'demo'] });
  expect(stopped).toMatchObject({ stop_reason: 'stop_sequence', stop_sequence: 'demo' });
  const cut = await client.messages.create({ ...ask, max_tokens: 2 });
  expect(cut).toMatchObject({ stop_reason: 'max_tokens', usage: { output_tokens: 2 } });
  const image = { type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } };
  const messages = [{ role: 'user', content: [image] }] as Anthropic.MessageParam[];
  const refused = await client.messages.create({ ...ask, messages }).catch((e: unknown) => e);
  expect(refused).toBeInstanceOf(Anthropic.BadRequestError);
  expect((refused as InstanceType<typeof Anthropic.APIError>).error).toMatchObject({
    error: { type: 'invalid_request_error', message: expect.stringContaining('messages.0') },
  });
  const long = [{ role: 'user' as const, content: 'word '.repeat(9000) }];
  // Anthropic's words, for which programs such as Claude Code look before they shorten a conversation.
  await expect(client.messages.create({ ...ask, messages: long })).rejects.toThrow(
    'prompt is too long',
  );
});
