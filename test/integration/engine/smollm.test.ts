/** A small real model: meaningful answers, in the requested format. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { ChatMessage, Tool } from '../../../src/engine/engine.ts';
import type { DisposableModel } from '../../../src/engine/worker/llama/model.ts';
import {
  chat,
  cosine,
  embed,
  generate,
  greedy,
  loadForTest,
} from '../../support/engine/llama-model.ts';
import { hasRealModel, realModelFile } from '../../support/engine/real-model.ts';

describe.skipIf(!hasRealModel)('SmolLM2-135M-Instruct', () => {
  let model: DisposableModel;
  beforeAll(async () => {
    model = await loadForTest(realModelFile!, { embeddings: true });
  });
  afterAll(() => model.dispose());

  const sampling = { ...greedy, maxTokens: 80 };

  test('knows the capital of France', async () => {
    const prompt = chat('What is the capital of France?', 'You are a helpful assistant.');
    const { text, ended } = await generate(model, { prompt, sampling });
    expect(text).toContain('Paris');
    expect(ended).toBe(true);
  });

  test('continues a text', async () => {
    const prompt = { kind: 'text', text: 'The capital of France is' } as const;
    const few = { ...sampling, maxTokens: 3 };
    expect((await generate(model, { prompt, sampling: few })).text).toMatch(/^ Paris/);
  });

  test('fills in a JSON schema', async () => {
    const schema = {
      type: 'object',
      properties: {
        city: { type: 'string', maxLength: 30 },
        country: { enum: ['France', 'Italy'] },
      },
      required: ['city', 'country'],
      additionalProperties: false,
    };
    const { text } = await generate(model, {
      prompt: chat('Where is the Eiffel Tower? Answer as JSON with city and country.'),
      sampling,
      format: { kind: 'json_schema', schema, strict: true },
    });
    const place = z.strictObject({ city: z.string(), country: z.string() }).parse(JSON.parse(text));
    expect(place).toEqual({ city: 'Paris', country: 'France' });
  });

  const city = { type: 'object', properties: { city: { type: 'string', maxLength: 20 } } };
  const tools: Tool[] = [
    { name: 'get_weather', description: 'The weather of a city.', parameters: city },
  ];

  test('calls a required tool', async () => {
    const { text, ended } = await generate(model, {
      prompt: { ...chat('What is the weather in Rome?'), tools },
      sampling,
      format: { kind: 'tool_calls', tools, choice: 'required', parallel: false },
    });
    const [, call = ''] = /^<tool_call>\n(.*)\n<\/tool_call>$/s.exec(text) ?? [];
    expect(JSON.parse(call)).toEqual({ name: 'get_weather', arguments: { city: 'Rome' } });
    expect(ended).toBe(true);
  });

  test('calls an optional tool as in the examples of its history, with an opening of several tokens', async () => {
    const example = (name: string, id: string): ChatMessage[] => [
      { role: 'user', content: `What is the weather in ${name}?` },
      {
        role: 'assistant',
        content: '',
        toolCalls: [{ id, name: 'get_weather', arguments: { city: name } }],
      },
      { role: 'tool', content: 'sunny', toolCallId: id },
      { role: 'assistant', content: `It is sunny in ${name}.` },
    ];
    const messages = [
      ...example('Paris', 'a'),
      ...example('Berlin', 'b'),
      ...example('Madrid', 'c'),
      { role: 'user' as const, content: 'What is the weather in Rome?' },
    ];
    const { text, decoded } = await generate(model, {
      prompt: { kind: 'chat', messages, tools },
      sampling,
      format: { kind: 'tool_calls', tools, choice: 'auto', parallel: true },
    });
    expect(model.detokenize([decoded[0]!.token], [])).not.toContain('<tool_call>');
    const [, call = ''] = /^<tool_call>\n(.*?)\n<\/tool_call>/s.exec(text) ?? [];
    expect(JSON.parse(call)).toEqual({ name: 'get_weather', arguments: { city: 'Rome' } });
  });

  test('embeds texts as vectors of length 1, which are closer for similar texts', async () => {
    const cat = await embed(model, 'A cat sleeps on the sofa.');
    const kitten = await embed(model, 'A kitten is sleeping on the couch.');
    const tax = await embed(model, 'Tax law changed in 2019.');
    expect(cat).toHaveLength(model.facts.embeddingDimensions!);
    expect(cosine(cat, cat)).toBeCloseTo(1, 5);
    expect(cosine(cat, kitten)).toBeGreaterThan(cosine(cat, tax));
  });
});
