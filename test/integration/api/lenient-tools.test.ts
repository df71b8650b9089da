/** Tool calls that Qwen2.5-Coder-0.5B-Instruct writes as bare JSON (CHAT_LENIENT_TOOLS). */
import OpenAI from 'openai';
import { expect, test } from 'vitest';
import { startChatService } from '../../support/api/chat-service.ts';
import { coderFile, hasCoder } from '../../support/engine/coder-model.ts';

const parameters = {
  type: 'object',
  properties: { city: { type: 'string', maxLength: 40 } },
  required: ['city'],
  additionalProperties: false,
};
const description = 'The current weather of a city.';
const tools: OpenAI.ChatCompletionTool[] = [
  { type: 'function', function: { name: 'get_weather', description, parameters } },
];
const question = { role: 'user', content: 'What is the weather in Paris?' } as const;

type Ask = (more?: OpenAI.ChatCompletionMessageParam[]) => Promise<OpenAI.ChatCompletion.Choice>;

async function withCoder(env: Record<string, string>, run: (ask: Ask) => Promise<void>) {
  const model = { CHAT_MODEL: coderFile, CHAT_STRICT_MODEL: 'false', CHAT_THREADS: 'auto' };
  const service = await startChatService({ ...model, ...env }, { readySeconds: 90 });
  const client = new OpenAI({ baseURL: `${service.url}/v1`, apiKey: 'none', maxRetries: 0 });
  try {
    await run(async (more = []) => {
      const messages = [question, ...more];
      const rest = { model: 'coder', tools, temperature: 0, max_tokens: 300 };
      const { choices } = await client.chat.completions.create({ messages, ...rest });
      return choices[0]!;
    });
  } finally {
    await service.stop();
  }
}

test.skipIf(!hasCoder)('a call without tags is a call, in every turn', async () => {
  await withCoder({}, async (ask) => {
    const { message, finish_reason } = await ask();
    expect(finish_reason).toBe('tool_calls');
    expect(message.content).toBeNull();
    expect(message.tool_calls).toHaveLength(1);
    const [call] = message.tool_calls as OpenAI.ChatCompletionMessageFunctionToolCall[];
    expect(JSON.parse(call!.function.arguments)).toEqual({ city: 'Paris' });
    // The model calls again, which is its own mistake.
    const result = { role: 'tool', tool_call_id: call!.id, content: '18 degrees' } as const;
    const next = await ask([message, result]);
    expect(next.message.content ?? '').not.toMatch(/get_weather|[{}]/);
    expect(next.message.tool_calls).toBeDefined();
  });
});

test.skipIf(!hasCoder)('with CHAT_LENIENT_TOOLS=false it is text', async () => {
  await withCoder({ CHAT_LENIENT_TOOLS: 'false' }, async (ask) => {
    const { message, finish_reason } = await ask();
    expect(finish_reason).toBe('stop');
    expect(message.tool_calls).toBeUndefined();
    expect(message.content).toMatch(/"name": ?"get_weather"/);
  });
});
