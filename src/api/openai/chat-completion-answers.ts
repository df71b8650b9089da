/** Schemas of OpenAI's chat completions, whole and in chunks, and their construction from a run. */
import { z } from 'zod';
import { PromptProgress, toTimings, toUsage, Timings, Usage } from './answer-facts.ts';
import type { AnswerLogprob, Piece } from '../run/answers.ts';
import type { Run } from '../run/generation.ts';
import { ChatLogprobs, toChatLogprobs } from './logprobs.ts';
import type { StreamFrames } from '../run/streaming.ts';

export const FinishReason = z.enum(['stop', 'length', 'tool_calls']);

const ToolCall = z.object({
  id: z.string(),
  type: z.literal('function'),
  function: z.object({ name: z.string(), arguments: z.string() }),
});

export const ChatCompletion = z.object({
  id: z.string(),
  object: z.literal('chat.completion'),
  created: z.int(),
  model: z.string(),
  choices: z.array(
    z.object({
      index: z.int(),
      message: z.object({
        role: z.literal('assistant'),
        content: z.string().nullable(),
        refusal: z.null(),
        tool_calls: z.array(ToolCall).optional(),
      }),
      logprobs: ChatLogprobs.nullable(),
      finish_reason: FinishReason,
    }),
  ),
  usage: Usage,
  timings: Timings,
});

const ToolCallDelta = z.object({
  index: z.int(),
  id: z.string().optional(),
  type: z.literal('function').optional(),
  function: z.object({ name: z.string().optional(), arguments: z.string() }),
});

const Delta = z.object({
  role: z.literal('assistant').optional(),
  content: z.string().nullable().optional(),
  tool_calls: z.array(ToolCallDelta).optional(),
});

/** One frame of a stream. The frame with the usage has no choices; the frame with the finish reason has the timings. */
export const ChatCompletionChunk = z.object({
  id: z.string(),
  object: z.literal('chat.completion.chunk'),
  created: z.int(),
  model: z.string(),
  choices: z.array(
    z.object({
      index: z.int(),
      delta: Delta,
      logprobs: ChatLogprobs.nullable(),
      finish_reason: FinishReason.nullable(),
    }),
  ),
  usage: Usage.nullable().optional(),
  timings: Timings.optional(),
  prompt_progress: PromptProgress.optional(),
});

type Chunk = z.infer<typeof ChatCompletionChunk>;

interface Collected {
  content: string;
  calls: z.infer<typeof ToolCall>[];
  logprobs: AnswerLogprob[];
}

/** @throws ChatError that ended the run. */
export async function toChatCompletion(
  run: Run,
  model: string,
): Promise<z.infer<typeof ChatCompletion>> {
  const collected: Collected[] = [];
  for await (const piece of run.pieces()) {
    const answer = (collected[piece.choice] ??= { content: '', calls: [], logprobs: [] });
    answer.logprobs.push(...piece.logprobs);
    if (piece.type === 'content') answer.content += piece.text;
    else if (piece.type === 'call') {
      const called = { name: piece.name, arguments: '' };
      answer.calls.push({ id: piece.id, type: 'function', function: called });
    } else answer.calls[piece.index]!.function.arguments += piece.text;
  }
  const { choices, summary, timings } = run.finished();
  return {
    id: run.id,
    object: 'chat.completion',
    created: run.created,
    model,
    choices: choices.map(({ finishReason }, index) => {
      const { content = '', calls = [], logprobs = [] } = collected[index] ?? {};
      return {
        index,
        message: {
          role: 'assistant' as const,
          content: content === '' && calls.length > 0 ? null : content,
          refusal: null,
          ...(calls.length > 0 ? { tool_calls: calls } : {}),
        },
        logprobs: toChatLogprobs(logprobs),
        finish_reason: finishReason,
      };
    }),
    usage: toUsage(summary),
    timings: toTimings(summary, timings),
  };
}

export function toChatChunks(
  run: Run,
  model: string,
  options: { includeUsage: boolean; n: number; progress: boolean; mayCall: boolean },
): StreamFrames {
  const { includeUsage, n, progress } = options;
  // As in OpenAI's streams; whether a call follows is not known yet.
  const content = options.mayCall ? null : '';
  const shape = {
    id: run.id,
    object: 'chat.completion.chunk' as const,
    created: run.created,
    model,
    // OpenAI sends `usage: null` in every chunk before the chunk with the usage.
    ...(includeUsage ? { usage: null } : {}),
  };
  const chunk = (
    index: number,
    delta: z.infer<typeof Delta>,
    logprobs: readonly AnswerLogprob[] = [],
    finishReason: z.infer<typeof FinishReason> | null = null,
  ): Chunk => ({
    ...shape,
    choices: [{ index, delta, logprobs: toChatLogprobs(logprobs), finish_reason: finishReason }],
  });
  return {
    first: () =>
      Array.from({ length: n }, (_, index) => chunk(index, { role: 'assistant', content })),
    ...(progress && {
      progress: (prompt_progress) => [{ ...chunk(0, {}), prompt_progress }],
    }),
    piece: (piece) => [
      { ...chunk(piece.choice, toDelta(piece), piece.logprobs), ...timingsOf(piece) },
    ],
    last() {
      const { choices, summary, timings } = run.finished();
      const ends = choices.map(({ finishReason }, index) => chunk(index, {}, [], finishReason));
      Object.assign(ends.at(-1)!, { timings: toTimings(summary, timings) });
      const usage = { ...shape, choices: [], usage: toUsage(summary), ...timingsOf({ timings }) };
      return includeUsage ? [...ends, usage] : ends;
    },
  };
}

/** Of a piece or of the end of an answer, if the request asks for them. */
export function timingsOf({ timings }: Pick<Piece, 'timings'>): Pick<Piece, 'timings'> {
  return timings === undefined ? {} : { timings };
}

function toDelta(piece: Piece): z.infer<typeof Delta> {
  if (piece.type === 'content') return { content: piece.text };
  const { index } = piece;
  if (piece.type === 'arguments') {
    return { tool_calls: [{ index, function: { arguments: piece.text } }] };
  }
  const called = { name: piece.name, arguments: '' };
  return { tool_calls: [{ index, id: piece.id, type: 'function', function: called }] };
}
