import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { startChatService, type ChatService } from '../support/chat-service.ts';

interface Answer {
  tokens: { bytes: number[]; logprob: number; top_logprobs: { logprob: number }[] }[];
  cached: number;
}

/** At temperature 0, with what each token was chosen by. */
async function ask(service: ChatService, content: string): Promise<Answer> {
  const response = await fetch(`${service.url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({
      messages: [{ role: 'user', content }],
      temperature: 0,
      max_tokens: 16,
      logprobs: true,
      top_logprobs: 2,
    }),
  });
  expect(response.status).toBe(200);
  const { choices, usage } = (await response.json()) as {
    choices: [{ logprobs: { content: Answer['tokens'] } }];
    usage: { prompt_tokens_details: { cached_tokens: number } };
  };
  return {
    tokens: choices[0].logprobs.content,
    cached: usage.prompt_tokens_details.cached_tokens,
  };
}

/**
 * Where two answers part: how far the two likeliest tokens were apart there, in nats. A sum of floats depends on what
 * else is in its batch, so a tie could fall either way; nothing else may. Undefined for equal answers.
 */
function partedBy(one: Answer, other: Answer): number | undefined {
  const at = one.tokens.findIndex(
    ({ bytes }, index) => bytes.join() !== other.tokens[index]?.bytes.join(),
  );
  if (at === -1) return one.tokens.length === other.tokens.length ? undefined : Infinity;
  const [first, second] = one.tokens[at]!.top_logprobs;
  return first!.logprob - second!.logprob;
}

const prompts = [
  'What is the capital of France?',
  'Write a sentence about the sea.',
  'Why is the sky blue?',
  'How do birds fly?',
  'Who wrote Hamlet?',
  'Describe a mountain in winter.',
  'Explain gravity to a child.',
  'When do leaves fall?',
];

/**
 * Measured on AVX: 20 prompts gave the same 32 tokens each, and over these 8 no log-probability differs by a bit.
 * Processors whose kernels add up a batch in another order than a row may round otherwise.
 */
const tieNats = 0.1;

describe.each([
  ['demo', true],
  ['smollm2-135m-instruct', existsSync('models/SmolLM2-135M-Instruct.Q4_1.gguf')],
])('%s at temperature 0', (model, isThere) => {
  test.runIf(isThere)(
    'answers alone, after a cache hit and with seven others with the same tokens',
    async () => {
      const service = await startChatService({ CHAT_MODEL: model, CHAT_SEQUENCES: '8' });
      try {
        const alone: Answer[] = [];
        const again: Answer[] = [];
        for (const prompt of prompts) {
          alone.push(await ask(service, prompt));
          again.push(await ask(service, prompt));
        }
        const together = await Promise.all(prompts.map((prompt) => ask(service, prompt)));
        expect(again.map(({ cached }) => cached)).not.toContain(0);
        const parted = [...again, ...together]
          .map((answer, index) => partedBy(alone[index % prompts.length]!, answer) ?? 0)
          .filter((nats) => nats > tieNats);
        expect(parted).toEqual([]);
      } finally {
        await service.stop();
      }
    },
    240_000,
  );
});
