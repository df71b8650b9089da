import OpenAI from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { longAnswer, startChatService } from '../../support/api/chat-service.ts';
import { reasonOf, shared } from '../../support/shared.ts';
import { hasRealModel, realModelId } from '../../support/engine/real-model.ts';

const messages = [{ role: 'user' as const, content: 'What is the weather in Paris?' }];
const City = z.object({ city: z.enum(['Paris', 'London']) });
const weather = {
  type: 'function' as const,
  function: {
    name: 'get_weather',
    description: 'The weather of a city, now.',
    parameters: z.toJSONSchema(City) as Record<string, unknown>,
  },
};

function connect(service: { url: string }, apiKey = 'none'): OpenAI {
  return new OpenAI({ baseURL: `${service.url}/v1`, apiKey, maxRetries: 0 });
}

describe('the openai client', () => {
  let service: { url: string };
  let client: OpenAI;
  beforeAll(async () => {
    service = await shared('chat');
    client = connect(service);
  });

  test('chats', async () => {
    const { data, response, request_id } = await client.chat.completions
      .create({ model: 'demo', messages })
      .withResponse();
    expect(data.choices[0]?.message.content).toContain('make model');
    expect(data.usage?.total_tokens).toBe(
      data.usage!.prompt_tokens + data.usage!.completion_tokens,
    );
    expect(request_id).toBe(response.headers.get('x-request-id'));
  });

  test('streams the same answer, with usage at the end', async () => {
    const whole = await client.chat.completions.create({ model: 'demo', messages });
    const stream = await client.chat.completions.create({
      model: 'demo',
      messages,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = '';
    let usage: OpenAI.CompletionUsage | null | undefined;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? '';
      usage = chunk.usage;
    }
    expect(text).toBe(whole.choices[0]?.message.content);
    expect(usage?.completion_tokens).toBe(whole.usage?.completion_tokens);
  });

  test('assembles a stream with its own helper', async () => {
    const stream = client.chat.completions.stream({ model: 'demo', messages });
    expect(await stream.finalContent()).toContain('make up');
  });

  test('aborts, and the generation is cancelled', async () => {
    const { data: stream, response } = await client.chat.completions
      .create({ model: 'demo', messages, stream: true, ...longAnswer })
      .withResponse();
    for await (const chunk of stream) {
      if ((chunk.choices[0]?.delta.content ?? '') !== '') break;
    }
    expect(await reasonOf(service.url, response.headers.get('traceparent'))).toBe('client_gone');
  });

  test('calls a tool and answers with its result', async () => {
    const { choices } = await client.chat.completions.create({
      model: 'demo',
      messages,
      tools: [weather],
      tool_choice: 'required',
      parallel_tool_calls: false,
    });
    const { message, finish_reason } = choices[0]!;
    expect([finish_reason, message.content]).toEqual(['tool_calls', null]);
    const call = message.tool_calls![0]!;
    if (call.type !== 'function') throw new Error('expected a function');
    expect(City.safeParse(JSON.parse(call.function.arguments))).toMatchObject({ success: true });
    const second = await client.chat.completions.create({
      model: 'demo',
      messages: [...messages, message, { role: 'tool', tool_call_id: call.id, content: 'rain' }],
      tools: [weather],
      tool_choice: 'none',
    });
    expect(second.choices[0]?.message.content).toContain('make model');
  });

  test('assembles a streamed tool call with its helper', async () => {
    const stream = client.chat.completions.stream({
      model: 'demo',
      messages,
      tools: [weather],
      tool_choice: { type: 'function', function: { name: 'get_weather' } },
    });
    const { choices } = await stream.finalChatCompletion();
    expect(choices[0]).toMatchObject({
      finish_reason: 'tool_calls',
      message: { tool_calls: [{ type: 'function', function: { name: 'get_weather' } }] },
    });
  });

  test('parses an answer that a zod schema describes', async () => {
    const Reply = z.object({ capital: z.boolean(), rank: z.enum(['first', 'second']) });
    const { choices } = await client.chat.completions.parse({
      model: 'demo',
      messages,
      response_format: zodResponseFormat(Reply, 'reply'),
    });
    expect(Reply.safeParse(choices[0]?.message.parsed)).toMatchObject({ success: true });
  });

  test('gets log-probabilities', async () => {
    const { choices } = await client.chat.completions.create({
      model: 'demo',
      messages,
      logprobs: true,
      top_logprobs: 2,
      max_tokens: 3,
    });
    const content = choices[0]!.logprobs!.content!;
    expect(content).toHaveLength(3);
    for (const { logprob, top_logprobs } of content) {
      expect(logprob).toBeLessThanOrEqual(0);
      expect(top_logprobs).toHaveLength(2);
    }
  });

  test('continues a text', async () => {
    const { choices } = await client.completions.create({ model: 'demo', prompt: 'once' });
    expect(choices[0]?.text).not.toBe('');
  });

  test('lists and finds the model', async () => {
    const models = await client.models.list();
    expect(models.data.map(({ id }) => id)).toEqual(['demo']);
    expect(await client.models.retrieve('llamascope-demo.gguf')).toMatchObject({ id: 'demo' });
    await expect(client.models.retrieve('gpt-4o')).rejects.toBeInstanceOf(OpenAI.NotFoundError);
  });

  test('gets embeddings of unit length, the same in both encodings', async () => {
    const ask = { model: 'demo', input: ['one', 'two'] };
    // The client requests base64 and decodes it.
    const { data, usage } = await client.embeddings.create(ask);
    const plain = await client.embeddings.create({ ...ask, encoding_format: 'float' });
    expect(usage.prompt_tokens).toBeGreaterThan(0);
    for (const [index, { embedding }] of data.entries()) {
      expect(Math.hypot(...embedding)).toBeCloseTo(1, 4);
      expect(embedding).toEqual(plain.data[index]?.embedding.map(Math.fround));
    }
    expect(data[0]?.embedding).not.toEqual(data[1]?.embedding);
  });

  test('throws its own errors', async () => {
    const ask = (more: object) =>
      client.chat.completions.create({ model: 'demo', messages, ...more });
    const refused = await ask({ n: 129 }).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(OpenAI.BadRequestError);
    expect(refused).toMatchObject({ status: 400, code: 'bad_request', param: 'n' });
    const many = [{ role: 'user', content: 'word '.repeat(9000) }];
    const long = await ask({ messages: many }).catch((error: unknown) => error);
    expect(long).toMatchObject({ status: 400, code: 'context_length_exceeded' });
  });
});

test('the openai client reports a wrong key, an unknown model and a full queue', async () => {
  const service = await startChatService({
    CHAT_API_KEYS: 'sk-one',
    CHAT_SEQUENCES: '1',
    CHAT_QUEUE_LIMIT: '0',
  });
  try {
    const wrong = connect(service, 'sk-two');
    await expect(wrong.models.list()).rejects.toBeInstanceOf(OpenAI.AuthenticationError);
    const client = connect(service, 'sk-one');
    const ask = { model: 'demo', messages };
    const unknown = await client.chat.completions
      .create({ ...ask, model: 'gpt-4o' })
      .catch((error: unknown) => error);
    expect(unknown).toBeInstanceOf(OpenAI.NotFoundError);
    expect(unknown).toMatchObject({ code: 'model_not_found', param: 'model' });
    const running = await client.chat.completions.create({
      ...ask,
      stream: true,
      ...longAnswer,
    });
    const full = await client.chat.completions.create(ask).catch((error: unknown) => error);
    expect(full).toBeInstanceOf(OpenAI.RateLimitError);
    expect(
      Number((full as InstanceType<typeof OpenAI.APIError>).headers?.get('retry-after')),
    ).toBeGreaterThan(0);
    running.controller.abort();
  } finally {
    await service.stop();
  }
});

describe.skipIf(!hasRealModel)('the openai client with a real model', () => {
  let client: OpenAI;
  beforeAll(async () => {
    client = connect(await shared('realChat'));
  });

  test('calls a tool and uses its result', async () => {
    const ask = { model: realModelId, temperature: 0, tools: [weather] };
    const first = await client.chat.completions.create({
      ...ask,
      messages,
      tool_choice: 'required',
      parallel_tool_calls: false,
    });
    const { message, finish_reason } = first.choices[0]!;
    expect(finish_reason).toBe('tool_calls');
    const call = message.tool_calls![0]!;
    if (call.type !== 'function') throw new Error('expected a function');
    expect(JSON.parse(call.function.arguments)).toEqual({ city: 'Paris' });
    const answer = { role: 'tool' as const, tool_call_id: call.id, content: '18 degrees, rain' };
    const second = await client.chat.completions.create({
      ...ask,
      messages: [...messages, message, answer],
      tool_choice: 'none',
      max_tokens: 60,
    });
    expect(second.choices[0]?.message.content).toMatch(/Paris|rain|18/);
  });

  test('answers with an object that matches a zod schema', async () => {
    const Reply = z.object({ country: z.enum(['France', 'Spain', 'Japan']) });
    const { choices } = await client.chat.completions.parse({
      model: realModelId,
      temperature: 0,
      messages: [{ role: 'user', content: 'In which country is Paris?' }],
      response_format: zodResponseFormat(Reply, 'reply'),
    });
    expect(choices[0]?.message.parsed).toEqual({ country: 'France' });
  });
});
