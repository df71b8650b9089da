/** POST /v1/completions: OpenAI's older shape, a text that the model continues. */
import type { Context } from 'hono';
import { z } from 'zod';
import type { FinishReason } from '../engine/engine.ts';
import { startGeneration, timings, type GenerationDeps, type GenerationEnv } from './generation.ts';
import { readBody, SamplingFields, StreamFields, toSampling } from './requests.ts';
import { streamFrames } from './sse.ts';
import { toUsage } from './usage.ts';

// OpenAI's default for this endpoint.
const defaultMaxTokens = 16;

const CompletionRequest = SamplingFields.extend(StreamFields.shape).extend({
  prompt: z.string().min(1),
});

export function createCompletions(deps: GenerationDeps) {
  return async function completions(c: Context<GenerationEnv>): Promise<Response> {
    const body = await readBody(c, CompletionRequest);
    const sampling = toSampling(body);
    const run = await startGeneration(c, deps, {
      prompt: { kind: 'text', text: body.prompt },
      sampling: { ...sampling, maxTokens: sampling.maxTokens ?? defaultMaxTokens },
      requestedModel: body.model,
      stream: body.stream === true,
    });
    const shape = {
      id: run.id,
      object: 'text_completion',
      created: Math.floor(Date.now() / 1000),
      model: deps.model.id,
    };
    const choice = (text: string, finishReason: FinishReason | null): object => ({
      ...shape,
      choices: [{ index: 0, text, logprobs: null, finish_reason: finishReason }],
    });
    if (body.stream === true) {
      return streamFrames(c, run, {
        text: (text) => choice(text, null),
        last() {
          const { finishReason, summary } = run.finished();
          const end = { ...choice('', finishReason), timings: timings(summary) };
          if (body.stream_options?.include_usage !== true) return [end];
          return [end, { ...shape, choices: [], usage: toUsage(summary) }];
        },
      });
    }
    let answer = '';
    for await (const text of run.text) answer += text;
    const { finishReason, summary } = run.finished();
    return c.json({
      ...choice(answer, finishReason),
      usage: toUsage(summary),
      timings: timings(summary),
    });
  };
}
