/** POST /chat: streams the answer to a prompt as plain text, for curl. */
import { z } from 'zod';
import { refuseField, type ReadBody } from '../body.ts';
import type { Endpoint } from '../endpoint.ts';
import {
  only,
  ResponseFormat,
  SamplingFields,
  toFormat,
  toSampling,
  unsupported,
} from '../openai/fields.ts';
import { ConstraintFields, NoReportFields, toConstrained } from '../openai/constraints.ts';
import { generationErrors, startGeneration, type RunDeps } from '../run/generation.ts';
import { eitherMessagesOr, Messages, toMessages } from '../openai/messages.ts';
import { toPrompt } from '../prompt.ts';
import { streamText } from '../run/streaming.ts';

const useCompletions = 'use /v1/chat/completions';

const ChatRequest = z
  .object({
    prompt: z.string().min(1).nullish(),
    messages: Messages.nullish(),
    ...SamplingFields.shape,
    response_format: ResponseFormat.nullish(),
    ...ConstraintFields.shape,
    ...NoReportFields.shape,
    n: only(1, 'one answer per request'),
    tools: unsupported(useCompletions),
    functions: unsupported(useCompletions),
    logprobs: only(false, useCompletions),
    top_logprobs: only(0, useCompletions),
  })
  .meta(eitherMessagesOr('prompt'));

type Body = z.infer<typeof ChatRequest>;

export function createChat(deps: RunDeps, readBody: ReadBody): Endpoint {
  return {
    method: 'POST',
    path: '/chat',
    summary: 'Answer a prompt with plain text, as it is generated',
    access: 'key',
    operation: 'chat',
    request: {
      name: 'ChatRequest',
      schema: ChatRequest,
      examples: {
        prompt: { prompt: 'Hello' },
        messages: {
          messages: [
            { role: 'user', content: 'My name is Li.' },
            { role: 'assistant', content: 'Hello Li.' },
            { role: 'user', content: 'What is my name?' },
          ],
          max_tokens: 32,
        },
      },
    },
    answers: { 'text/plain': { schema: z.string(), example: 'Hello! How can I help you?\n' } },
    errors: generationErrors,
    async handle(c) {
      const body = await readBody(c, ChatRequest);
      const format = toConstrained(toFormat(body.response_format), body);
      const run = startGeneration(c, deps, {
        prompt: toPrompt(toMessages(readMessages(body)), undefined),
        sampling: toSampling(body),
        ...(format === undefined ? {} : { format }),
        stream: true,
        idPrefix: 'chatcmpl-',
      });
      // Plain text has no comments that could keep the connection alive before the answer begins.
      await run.started;
      return streamText(c, deps.timeouts, run, {
        contentType: 'text/plain; charset=utf-8',
        async body(write) {
          for await (const piece of run.pieces()) {
            if (piece.type === 'content') await write(piece.text);
          }
          await write('\n');
        },
        error: (error) => `\n[${error.message}]\n`,
      });
    },
  };
}

function readMessages({ prompt, messages }: Body): z.infer<typeof Messages> {
  const hasPrompt = typeof prompt === 'string';
  if (hasPrompt && !messages) return [{ role: 'user', content: prompt }];
  if (messages && !hasPrompt) return messages;
  const got = hasPrompt ? 'both' : 'neither';
  throw refuseField('prompt', `expected either "prompt" or "messages", got ${got}`);
}
