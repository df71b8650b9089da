/** POST /v1/completions: OpenAI's legacy completions, where the model continues a text. */
import { z } from 'zod';
import { PromptProgress, Timings, toTimings, toUsage, Usage } from './answer-facts.ts';
import type { ReadBody } from '../body.ts';
import { FinishReason, timingsOf } from './chat-completion-answers.ts';
import { ConstraintFields, toConstrained } from './constraints.ts';
import type { Endpoint } from '../endpoint.ts';
import {
  AnswerFields,
  checkChoices,
  HarmlessFields,
  only,
  ReportFields,
  SamplingFields,
  Tokens,
  toFormat,
  toSampling,
} from './fields.ts';
import type { Prompt } from '../../engine/engine.ts';
import type { AnswerLogprob } from '../run/answers.ts';
import { generationErrors, startGeneration, type Run, type RunDeps } from '../run/generation.ts';
import { CompletionLogprobs, createCompletionLogprobs } from './logprobs.ts';
import { streamFrames, toServerTiming, type StreamFrames } from '../run/streaming.ts';

// OpenAI's default for this endpoint.
const defaultMaxTokens = 16;

const Text = z.string().min(1);
const maxPrompts = 128;

const CompletionRequest = z.object({
  prompt: z.union(
    [Text, z.array(Text).min(1).max(maxPrompts), Tokens, z.array(Tokens).min(1).max(maxPrompts)],
    {
      error: 'expected a string, an array of token ids, or an array of either',
    },
  ),
  ...AnswerFields.shape,
  ...SamplingFields.shape,
  max_tokens: z.int().min(0).nullish(),
  logprobs: z.int().min(0).max(20).nullish(),
  echo: z.boolean().nullish().meta({
    description: 'The answer begins with the prompt; with logprobs, with those of the prompt.',
  }),
  best_of: only(1, 'one answer per request'),
  ...ConstraintFields.shape,
  suffix: only('', 'the model only continues a text'),
  ...ReportFields.shape,
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
  prompt_progress: PromptProgress.optional(),
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
        several: { model, prompt: [[40, 41], [42]], n: 2, max_tokens: 2 },
        echo: { model, prompt: 'Once upon', echo: true, logprobs: 1, max_tokens: 0 },
        logprobs: { model, prompt: 'Once upon a', logprobs: 2, max_tokens: 3, temperature: 0 },
      },
    },
    answers: {
      'application/json': { name: 'Completion', schema: Completion, example: example(model) },
      'text/event-stream': {
        name: 'Completion',
        schema: Completion,
        isStream: true,
        example: `data: ${JSON.stringify(example(model))}\n\ndata: [DONE]\n\n`,
      },
    },
    errors: generationErrors,
    async handle(c) {
      const body = await readBody(c, CompletionRequest);
      const sampling = toSampling(body);
      const logprobs = body.logprobs ?? undefined;
      const format = toConstrained(toFormat(body.response_format), body);
      const [prompt, ...morePrompts] = toPrompts(body.prompt);
      checkChoices(1 + morePrompts.length, body.n);
      const run = startGeneration(c, deps, {
        prompt: prompt!,
        morePrompts,
        n: body.n ?? 1,
        echo: body.echo === true,
        sampling: {
          ...sampling,
          maxTokens: sampling.maxTokens ?? defaultMaxTokens,
          ...(logprobs === undefined ? {} : { topLogprobs: logprobs }),
        },
        ...(format === undefined ? {} : { format }),
        requestedModel: body.model,
        stream: body.stream === true,
        timingsPerToken: body.timings_per_token === true,
        idPrefix: 'cmpl-',
      });
      if (body.stream === true) {
        const includeUsage = body.stream_options?.include_usage === true;
        return streamFrames(
          c,
          deps.timeouts,
          run,
          toChunks(run, model, {
            includeUsage,
            progress: body.return_progress === true,
          }),
        );
      }
      const answer = await toWhole(run, model);
      c.header('server-timing', toServerTiming(run.finished().summary));
      return c.json(answer);
    },
  };
}

function toPrompts(given: z.infer<typeof CompletionRequest>['prompt']): Prompt[] {
  if (typeof given === 'string') return [{ kind: 'text', text: given }];
  const [first] = given;
  if (typeof first === 'number') return [{ kind: 'tokens', tokens: given as number[] }];
  return (given as (string | number[])[]).map((one): Prompt => {
    return typeof one === 'string' ? { kind: 'text', text: one } : { kind: 'tokens', tokens: one };
  });
}

function createFrames(run: Run, model: string) {
  const toLogprobs: ReturnType<typeof createCompletionLogprobs>[] = [];
  const shape = { id: run.id, object: 'text_completion' as const, created: run.created, model };
  const choice = (
    index: number,
    text: string,
    logprobs: readonly AnswerLogprob[],
    finishReason: z.infer<typeof FinishReason> | null,
  ): Frame['choices'][number] => {
    const convert = (toLogprobs[index] ??= createCompletionLogprobs());
    return { index, text, logprobs: convert(logprobs), finish_reason: finishReason };
  };
  return { shape, choice };
}

async function toWhole(run: Run, model: string): Promise<Frame> {
  const collected: { text: string; logprobs: AnswerLogprob[] }[] = [];
  for await (const piece of run.pieces()) {
    const answer = (collected[piece.choice] ??= { text: '', logprobs: [] });
    if (piece.type === 'content') answer.text += piece.text;
    answer.logprobs.push(...piece.logprobs);
  }
  const { choices, summary, timings } = run.finished();
  const { shape, choice } = createFrames(run, model);
  return {
    ...shape,
    choices: choices.map(({ finishReason }, index) => {
      const { text = '', logprobs = [] } = collected[index] ?? {};
      return choice(index, text, logprobs, finishReason);
    }),
    usage: toUsage(summary),
    timings: toTimings(summary, timings),
  };
}

function toChunks(
  run: Run,
  model: string,
  { includeUsage, progress }: { includeUsage: boolean; progress: boolean },
): StreamFrames {
  const { shape, choice } = createFrames(run, model);
  return {
    ...(progress && {
      progress: (prompt_progress) => [
        { ...shape, choices: [choice(0, '', [], null)], prompt_progress },
      ],
    }),
    piece(piece) {
      const text = piece.type === 'content' ? piece.text : '';
      const choices = [choice(piece.choice, text, piece.logprobs, null)];
      return [{ ...shape, choices, ...timingsOf(piece) }];
    },
    last() {
      const { choices, summary, timings } = run.finished();
      const endOf = (index: number): Frame => {
        return { ...shape, choices: [choice(index, '', [], choices[index]!.finishReason)] };
      };
      const ends = Array.from(choices.keys(), endOf);
      Object.assign(ends.at(-1)!, { timings: toTimings(summary, timings) });
      const usage = { ...shape, choices: [], usage: toUsage(summary), ...timingsOf({ timings }) };
      return includeUsage ? [...ends, usage] : ends;
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
