import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { startChatService, type ChatService } from '../../support/api/chat-service.ts';

interface Answer {
  tokens: { bytes: number[]; top_logprobs: { logprob: number }[] }[];
  cached: number;
}

/** At temperature 0. The likeliest tokens cost more than the answer, so they are asked for where they are looked at. */
async function ask(service: ChatService, content: string, topLogprobs = 0): Promise<Answer> {
  const response = await fetch(`${service.url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({
      messages: [{ role: 'user', content }],
      temperature: 0,
      max_tokens: 16,
      logprobs: true,
      top_logprobs: topLogprobs,
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

/** The first token in which two answers part; -1 for equal ones. */
function partedAt(one: Answer, other: Answer): number {
  const length = Math.max(one.tokens.length, other.tokens.length);
  return Array.from({ length }, (_, at) => at).findIndex(
    (at) => one.tokens[at]?.bytes.join() !== other.tokens[at]?.bytes.join(),
  );
}

/**
 * How far the two likeliest tokens are apart there, in nats. A sum of floats depends on what else is in its batch, so a tie
 * could fall either way; nothing else may.
 */
async function natsAt(service: ChatService, prompt: string, at: number): Promise<number> {
  const { tokens } = await ask(service, prompt, 2);
  const [first, second] = tokens[at]?.top_logprobs ?? [];
  return first === undefined || second === undefined ? Infinity : first.logprob - second.logprob;
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
        for (const [index, answer] of [...again, ...together].entries()) {
          const at = partedAt(alone[index % prompts.length]!, answer);
          if (at === -1) continue;
          const prompt = prompts[index % prompts.length]!;
          expect(await natsAt(service, prompt, at), prompt).toBeLessThan(tieNats);
        }
      } finally {
        await service.stop();
      }
    },
    240_000,
  );
});
