/** POST /v1/completions: OpenAI's legacy completions, where the model continues a text. */
import { z } from 'zod';
import { Timings, toTimings, toUsage, Usage } from './answer-facts.ts';
import type { ReadBody } from '../body.ts';
import { FinishReason } from './chat-completion-answers.ts';
import type { Endpoint } from '../endpoint.ts';
import {
  AnswerFields,
  HarmlessFields,
  only,
  SamplingFields,
  toFormat,
  toSampling,
} from './fields.ts';
import {
  generationErrors,
  startGeneration,
  type AnswerLogprob,
  type Run,
  type RunDeps,
} from '../run/generation.ts';
import { CompletionLogprobs, createCompletionLogprobs } from './logprobs.ts';
import { streamFrames, toServerTiming, type StreamFrames } from '../run/streaming.ts';

// OpenAI's default for this endpoint.
const defaultMaxTokens = 16;

const Prompt = z.string().min(1);

const CompletionRequest = z.object({
  prompt: z.union([Prompt, z.array(Prompt).length(1)], {
    error: 'expected a string or an array of one (token ids are not supported)',
  }),
  ...AnswerFields.shape,
  ...SamplingFields.shape,
  logprobs: z.int().min(0).max(20).nullish(),
  echo: only(false, 'the prompt is not returned'),
  best_of: only(1, 'one answer per request'),
  suffix: only('', 'the model only continues a text'),
  ...HarmlessFields.shape,
});

const Completion = z.object({
  id: z.string(),
  object: z.literal('text_completion'),
  created: z.int(),
  model: z.string(),
  choices: z.array(
    z.object({
      index: z.int(),
      text: z.string(),
      logprobs: CompletionLogprobs.nullable(),
      finish_reason: FinishReason.nullable(),
    }),
  ),
  usage: Usage.nullable().optional(),
  timings: Timings.optional(),
});

type Frame = z.infer<typeof Completion>;

export function createCompletions(deps: RunDeps, readBody: ReadBody): Endpoint {
  const model = deps.model.id;
  return {
    method: 'POST',
    path: '/v1/completions',
    summary: 'Continue a text',
    access: 'key',
    operation: 'text_completion',
    request: {
      name: 'CompletionRequest',
      schema: CompletionRequest,
      examples: {
        short: { model, prompt: 'Once upon a time' },
        stream: { model, prompt: ['Once upon'], stream: true, max_tokens: 8 },
        logprobs: { model, prompt: 'Once upon a', logprobs: 2, max_tokens: 3, temperature: 0 },
      },
    },
    answers: {
      'application/json': { name: 'Completion', schema: Completion, example: example(model) },
      'text/event-stream': {
        schema: z.string(),
        example: `data: ${JSON.stringify(example(model))}\n\ndata: [DONE]\n\n`,
      },
    },
    errors: generationErrors,
    async handle(c) {
      const body = await readBody(c, CompletionRequest);
      const sampling = toSampling(body);
      const logprobs = body.logprobs ?? undefined;
      const format = toFormat(body.response_format);
      const run = startGeneration(c, deps, {
        prompt: { kind: 'text', text: [body.prompt].flat()[0]! },
        sampling: {
          ...sampling,
          maxTokens: sampling.maxTokens ?? defaultMaxTokens,
          ...(logprobs === undefined ? {} : { topLogprobs: logprobs }),
        },
        ...(format === undefined ? {} : { format }),
        requestedModel: body.model,
        stream: body.stream === true,
        idPrefix: 'cmpl-',
      });
      if (body.stream === true) {
        const includeUsage = body.stream_options?.include_usage === true;
        return streamFrames(c, deps.timeouts, run, toChunks(run, model, includeUsage));
      }
      const answer = await toWhole(run, model);
      c.header('server-timing', toServerTiming(run.finished().summary));
      return c.json(answer);
    },
  };
}

function createFrames(run: Run, model: string) {
  const toLogprobs = createCompletionLogprobs();
  const shape = { id: run.id, object: 'text_completion' as const, created: run.created, model };
  return {
    shape,
    frame: (
      text: string,
      logprobs: readonly AnswerLogprob[],
      finishReason: z.infer<typeof FinishReason> | null,
    ): Frame => ({
      ...shape,
      choices: [{ index: 0, text, logprobs: toLogprobs(logprobs), finish_reason: finishReason }],
    }),
  };
}

async function toWhole(run: Run, model: string): Promise<Frame> {
  let text = '';
  const logprobs: AnswerLogprob[] = [];
  for await (const piece of run.pieces()) {
    if (piece.type === 'content') text += piece.text;
    logprobs.push(...piece.logprobs);
  }
  const { finishReason, summary } = run.finished();
  const { frame } = createFrames(run, model);
  return {
    ...frame(text, logprobs, finishReason),
    usage: toUsage(summary),
    timings: toTimings(summary),
  };
}

function toChunks(run: Run, model: string, includeUsage: boolean): StreamFrames {
  const { shape, frame } = createFrames(run, model);
  return {
    piece: (piece) => [frame(piece.type === 'content' ? piece.text : '', piece.logprobs, null)],
    last() {
      const { finishReason, summary } = run.finished();
      const end = { ...frame('', [], finishReason), timings: toTimings(summary) };
      return includeUsage ? [end, { ...shape, choices: [], usage: toUsage(summary) }] : [end];
    },
  };
}

function example(model: string): Frame {
  return {
    id: 'cmpl-1',
    object: 'text_completion',
    created: 1_790_000_000,
    model,
    choices: [{ index: 0, text: ', there was a llama.', logprobs: null, finish_reason: 'stop' }],
  };
}
