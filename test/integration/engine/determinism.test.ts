import { describe, expect, test } from 'vitest';
import { startChatService, type ChatService } from '../../support/api/chat-service.ts';
import { hasRealModel, realModelId } from '../../support/engine/real-model.ts';

interface Answer {
  tokens: { bytes: number[]; top_logprobs: { logprob: number }[] }[];
  cached: number;
}

/** Answers at temperature 0. `topLogprobs` slows down sampling, so it is only requested where it is needed. */
async function ask(service: ChatService, content: string, topLogprobs = 0): Promise<Answer> {
  const response = await fetch(`${service.url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({
      messages: [{ role: 'user', content }],
      temperature: 0,
      max_tokens: 8,
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

/** Index of the first token that differs; -1 for equal answers. */
function differsAt(one: Answer, other: Answer): number {
  const length = Math.max(one.tokens.length, other.tokens.length);
  return Array.from({ length }, (_, at) => at).findIndex(
    (at) => one.tokens[at]?.bytes.join() !== other.tokens[at]?.bytes.join(),
  );
}

/**
 * Difference between the log-probabilities of the two most likely tokens at that index. A sum of floats depends on the batch, so
 * either of two equally likely tokens may be chosen; other differences are errors.
 */
async function tieNatsAt(service: ChatService, prompt: string, at: number): Promise<number> {
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
 * Measured on AVX: 20 prompts gave the same 32 tokens each, and for these 8 prompts no log-probability differs. Kernels of other
 * processors may round differently, if they add up a batch in another order than a row.
 */
const maxTieNats = 0.1;

describe.each([
  ['demo', true],
  [realModelId, hasRealModel],
])('%s at temperature 0', (model, isThere) => {
  test.runIf(isThere)(
    'gives the same tokens alone, after a cache hit, and in a batch of eight',
    async () => {
      const service = await startChatService({ CHAT_MODEL: model, CHAT_SEQUENCES: '8' });
      try {
        const alone: Answer[] = [];
        const again: Answer[] = [];
        for (const prompt of prompts) alone.push(await ask(service, prompt));
        for (const prompt of prompts.slice(0, 3)) again.push(await ask(service, prompt));
        const together = await Promise.all(prompts.map((prompt) => ask(service, prompt)));
        expect(again.map(({ cached }) => cached)).not.toContain(0);
        for (const [index, answer] of [...again.entries(), ...together.entries()]) {
          const at = differsAt(alone[index]!, answer);
          if (at === -1) continue;
          const prompt = prompts[index]!;
          expect(await tieNatsAt(service, prompt, at), prompt).toBeLessThan(maxTieNats);
        }
      } finally {
        await service.stop();
      }
    },
    240_000,
  );
});
