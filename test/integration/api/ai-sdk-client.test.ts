import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { embed, generateText, Output, stepCountIs, streamText, tool, type LanguageModel } from 'ai';
import { beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { reasonOf, shared } from '../../support/shared.ts';
import { hasRealModel, realModelId } from '../../support/engine/real-model.ts';

function connect(service: { url: string }, request = fetch) {
  return createOpenAICompatible({
    name: 'llamascope',
    baseURL: `${service.url}/v1`,
    includeUsage: true,
    supportsStructuredOutputs: true,
    fetch: request,
  });
}

const City = z.object({ city: z.enum(['Paris', 'London']) });

describe('the AI SDK', () => {
  let service: { url: string };
  let model: LanguageModel;
  beforeAll(async () => {
    service = await shared('chat');
    model = connect(service)('demo');
  });

  test('generates a text', async () => {
    const { text, usage, finishReason } = await generateText({ model, prompt: 'Hello' });
    expect(text).toContain('make model');
    expect(finishReason).toBe('stop');
    expect(usage.totalTokens).toBeGreaterThan(usage.outputTokens!);
  });

  test('streams the same text, with its usage', async () => {
    const whole = await generateText({ model, prompt: 'Hello' });
    const result = streamText({ model, prompt: 'Hello' });
    let text = '';
    for await (const piece of result.textStream) text += piece;
    expect(text).toBe(whole.text);
    expect((await result.usage).outputTokens).toBe(whole.usage.outputTokens);
  });

  test('generates an object that matches a schema', async () => {
    const schema = z.object({ capital: z.boolean(), rank: z.enum(['first', 'second']) });
    const { output } = await generateText({
      model,
      prompt: 'Describe Paris.',
      output: Output.object({ schema }),
    });
    expect(schema.safeParse(output)).toMatchObject({ success: true });
  });

  test('calls a tool and continues with its result', async () => {
    const asked: string[] = [];
    const weather = tool({
      description: 'The weather of a city, now.',
      inputSchema: City,
      async execute({ city }) {
        asked.push(city);
        return { sky: 'rain' };
      },
    });
    const { steps, text } = await generateText({
      model,
      prompt: 'What is the weather in Paris?',
      tools: { weather },
      stopWhen: stepCountIs(2),
      // The demo model never calls a tool by choice.
      prepareStep: ({ stepNumber }) => ({ toolChoice: stepNumber === 0 ? 'required' : 'none' }),
    });
    expect(steps.map(({ finishReason }) => finishReason)).toEqual(['tool-calls', 'stop']);
    expect(['Paris', 'London']).toContain(asked[0]);
    expect(text).toContain('make model');
  });

  test('streams a tool call', async () => {
    const result = streamText({
      model,
      prompt: 'What is the weather in Paris?',
      tools: { weather: tool({ description: 'The weather.', inputSchema: City }) },
      toolChoice: { type: 'tool', toolName: 'weather' },
    });
    const [call] = await result.toolCalls;
    expect(call?.toolName).toBe('weather');
    expect(City.safeParse(call?.input)).toMatchObject({ success: true });
  });

  test('aborts, and the generation is cancelled', async () => {
    const client = new AbortController();
    let traceparent: string | null = null;
    const observed: typeof fetch = async (...request) => {
      const response = await fetch(...request);
      traceparent = response.headers.get('traceparent');
      return response;
    };
    const result = streamText({
      model: connect(service, observed)('demo'),
      prompt: 'Hello',
      abortSignal: client.signal,
      maxOutputTokens: 3000,
      output: Output.object({ schema: z.object({ ones: z.array(z.literal(1)).min(1000) }) }),
      onError() {},
    });
    for await (const piece of result.textStream) {
      if (piece !== '') client.abort();
    }
    expect(await reasonOf(service.url, traceparent)).toBe('client_gone');
  });

  test('embeds a text', async () => {
    const { embedding } = await embed({
      model: connect(service).embeddingModel('demo'),
      value: 'Hello',
    });
    expect(Math.hypot(...embedding)).toBeCloseTo(1, 4);
  });

  test('throws an error with the status and the message of the service', async () => {
    const error = await generateText({ model, prompt: 'Hi', temperature: 3, maxRetries: 0 }).catch(
      (error: unknown) => error,
    );
    expect(error).toMatchObject({
      statusCode: 400,
      message: expect.stringContaining('temperature: '),
    });
  });
});

describe.skipIf(!hasRealModel)('the AI SDK with a real model', () => {
  let service: { url: string };
  beforeAll(async () => {
    service = await shared('realChat');
  });

  test('answers with the result of a tool', async () => {
    const { text, steps } = await generateText({
      model: connect(service)(realModelId),
      temperature: 0,
      prompt: 'What is the weather in Paris?',
      maxOutputTokens: 80,
      tools: {
        weather: tool({
          description: 'The weather of a city, now.',
          inputSchema: City,
          execute: async ({ city }) => `In ${city} it is 18 degrees with light rain.`,
        }),
      },
      stopWhen: stepCountIs(2),
      prepareStep: ({ stepNumber }) => ({ toolChoice: stepNumber === 0 ? 'required' : 'none' }),
    });
    expect(steps[0]?.toolCalls[0]?.input).toEqual({ city: 'Paris' });
    expect(text).toMatch(/18|rain/);
  });
});
