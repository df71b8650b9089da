/** The Responses API as the AI SDK's and OpenAI's own clients use it at their defaults. */
import { createOpenAI } from '@ai-sdk/openai';
import { generateText, Output, stepCountIs, streamText, tool, type LanguageModel } from 'ai';
import OpenAI from 'openai';
import { zodTextFormat } from 'openai/helpers/zod';
import { beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { shared } from '../../support/shared.ts';

const City = z.object({ city: z.enum(['Paris', 'London']) });
const weather = tool({
  description: 'The weather of a city, now.',
  inputSchema: City,
  execute: async ({ city }) => `Rain in ${city}.`,
});

let model: LanguageModel;
let client: OpenAI;
/** The bodies that the AI SDK sent. */
const sent: string[] = [];
beforeAll(async () => {
  const { url } = await shared('chat');
  const record: typeof fetch = (input, init) => {
    sent.push(typeof init?.body === 'string' ? init.body : '');
    return fetch(input, init);
  };
  model = createOpenAI({ baseURL: `${url}/v1`, apiKey: 'none', fetch: record })('demo');
  client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 });
});

test('the AI SDK continues with what its first turn answered', async () => {
  const first = await generateText({ model, prompt: 'Hello' });
  expect(first.text).toContain('make model');
  expect(first.usage.inputTokens).toBeGreaterThan(0);
  const question = { role: 'user' as const, content: 'Hello' };
  const again = { role: 'user' as const, content: 'And again?' };
  const second = await generateText({
    model,
    messages: [question, ...first.response.messages, again],
  });
  // The reference stands for the whole answer, so the prompt is longer than both questions.
  expect(sent.at(-1)).toContain('item_reference');
  expect(second.usage.inputTokens).toBeGreaterThan(
    first.usage.inputTokens! + first.usage.outputTokens!,
  );
});

test('the AI SDK calls a tool and continues with its result', async () => {
  const result = streamText({
    model,
    prompt: 'What is the weather in Paris?',
    tools: { weather },
    stopWhen: stepCountIs(2),
    // The demo model never calls a tool by choice.
    prepareStep: ({ stepNumber }) => ({ toolChoice: stepNumber === 0 ? 'required' : 'none' }),
  });
  let text = '';
  for await (const piece of result.textStream) text += piece;
  const steps = await result.steps;
  expect(steps.map(({ finishReason }) => finishReason)).toEqual(['tool-calls', 'stop']);
  expect(City.safeParse(steps[0]?.toolCalls[0]?.input)).toMatchObject({ success: true });
  expect(sent.at(-1)).toContain('function_call_output');
  expect(text).toContain('make model');
});

test('the AI SDK generates an object that matches a schema', async () => {
  const schema = z.object({ capital: z.boolean(), rank: z.enum(['first', 'second']) });
  const { output } = await generateText({
    model,
    prompt: 'Describe Paris.',
    output: Output.object({ schema }),
  });
  expect(schema.safeParse(output)).toMatchObject({ success: true });
});

test('the openai client streams events in their order, and its helper assembles them', async () => {
  const stream = client.responses.stream({ model: 'demo', input: 'Hello' });
  const types: string[] = [];
  const numbers: number[] = [];
  for await (const event of stream) {
    if (types.at(-1) !== event.type) types.push(event.type);
    numbers.push(event.sequence_number);
  }
  expect(types).toEqual([
    'response.created',
    'response.in_progress',
    'response.output_item.added',
    'response.content_part.added',
    'response.output_text.delta',
    'response.output_text.done',
    'response.content_part.done',
    'response.output_item.done',
    'response.completed',
  ]);
  expect(numbers).toEqual(numbers.map((_, index) => index));
  const final = await stream.finalResponse();
  expect(final.output_text).toContain('make up');
  expect(final).toMatchObject({ status: 'completed', store: false, error: null });
});

test('the openai client continues a response by its id, and hears of an unknown one', async () => {
  const first = await client.responses.create({ model: 'demo', input: 'Hello' });
  const next = { model: 'demo', input: 'And again?', previous_response_id: first.id };
  const second = await client.responses.create(next);
  expect(second.usage!.input_tokens).toBeGreaterThan(first.usage!.total_tokens);
  for (const ask of [
    { ...next, previous_response_id: 'resp_unknown' },
    { model: 'demo', input: [{ type: 'item_reference' as const, id: 'msg_unknown' }] },
  ]) {
    await expect(client.responses.create(ask)).rejects.toMatchObject({
      status: 400,
      message: expect.stringContaining('"store": false'),
    });
  }
});

test('the openai client parses JSON and function calls', async () => {
  const Reply = z.object({ rank: z.enum(['first', 'second']) });
  const { output_parsed } = await client.responses.parse({
    model: 'demo',
    input: 'Describe Paris.',
    text: { format: zodTextFormat(Reply, 'reply') },
  });
  expect(Reply.safeParse(output_parsed)).toMatchObject({ success: true });
  const { output } = await client.responses.create({
    model: 'demo',
    input: 'The weather in Paris?',
    tools: [
      {
        type: 'function',
        name: 'weather',
        parameters: z.toJSONSchema(City),
        strict: true,
      },
    ],
    tool_choice: { type: 'function', name: 'weather' },
    stream: false,
  });
  expect(output).toMatchObject([{ type: 'function_call', name: 'weather', status: 'completed' }]);
});

test('the openai client gets an incomplete response and log-probabilities', async () => {
  const response = await client.responses.create({
    model: 'demo',
    input: 'Hello',
    max_output_tokens: 2,
    top_logprobs: 2,
    include: ['message.output_text.logprobs'],
    temperature: 0,
  });
  expect(response).toMatchObject({
    status: 'incomplete',
    incomplete_details: { reason: 'max_output_tokens' },
    output: [{ status: 'incomplete', content: [{ logprobs: [{}, {}] }] }],
  });
});
