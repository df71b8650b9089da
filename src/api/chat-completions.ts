/** POST /v1/chat/completions in OpenAI's shape, streamed or whole. */
import type { Context } from 'hono';
import type { z } from 'zod';
import type { FinishReason } from '../engine/engine.ts';
import {
  startGeneration,
  timings,
  type GenerationDeps,
  type GenerationEnv,
  type Run,
} from './generation.ts';
import { Messages, readBody, SamplingFields, StreamFields, toSampling } from './requests.ts';
import { streamFrames } from './sse.ts';
import { toUsage } from './usage.ts';

const ChatCompletionRequest = SamplingFields.extend(StreamFields.shape).extend({
  messages: Messages,
});

type Body = z.infer<typeof ChatCompletionRequest>;

export function createChatCompletions(deps: GenerationDeps) {
  return async function chatCompletions(c: Context<GenerationEnv>): Promise<Response> {
    const body = await readBody(c, ChatCompletionRequest);
    const run = await startGeneration(c, deps, {
      prompt: { kind: 'chat', messages: body.messages },
      sampling: toSampling(body),
      requestedModel: body.model,
      stream: body.stream === true,
    });
    const shape = { id: run.id, created: Math.floor(Date.now() / 1000), model: deps.model.id };
    return body.stream === true ? stream(c, run, shape, body) : whole(c, run, shape);
  };
}

type Shape = { id: string; created: number; model: string };

async function whole(c: Context<GenerationEnv>, run: Run, shape: Shape): Promise<Response> {
  let content = '';
  for await (const text of run.text) content += text;
  const { finishReason, summary } = run.finished();
  return c.json({
    ...shape,
    object: 'chat.completion',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content, refusal: null },
        logprobs: null,
        finish_reason: finishReason,
      },
    ],
    usage: toUsage(summary),
    timings: timings(summary),
  });
}

function stream(c: Context<GenerationEnv>, run: Run, shape: Shape, body: Body): Response {
  const chunk = (delta: object, finishReason: FinishReason | null): object => ({
    ...shape,
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finishReason }],
  });
  return streamFrames(c, run, {
    first: () => chunk({ role: 'assistant', content: '' }, null),
    text: (content) => chunk({ content }, null),
    last() {
      const { finishReason, summary } = run.finished();
      const end = { ...chunk({}, finishReason), timings: timings(summary) };
      if (body.stream_options?.include_usage !== true) return [end];
      const usage = {
        ...shape,
        object: 'chat.completion.chunk',
        choices: [],
        usage: toUsage(summary),
      };
      return [end, usage];
    },
  });
}
