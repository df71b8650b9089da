/** Schemas of OpenAI's chat completions, whole and in chunks, and their construction from a run. */
import { z } from 'zod';
import { toTimings, toUsage, Timings, Usage } from './answer-facts.ts';
import type { AnswerLogprob, Piece, Run } from '../run/generation.ts';
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
  content: z.string().optional(),
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
});

type Chunk = z.infer<typeof ChatCompletionChunk>;

/** @throws ChatError that ended the run. */
export async function toChatCompletion(
  run: Run,
  model: string,
): Promise<z.infer<typeof ChatCompletion>> {
  let content = '';
  const calls: z.infer<typeof ToolCall>[] = [];
  const logprobs: AnswerLogprob[] = [];
  for await (const piece of run.pieces()) {
    logprobs.push(...piece.logprobs);
    if (piece.type === 'content') content += piece.text;
    else if (piece.type === 'call') {
      const called = { name: piece.name, arguments: '' };
      calls.push({ id: piece.id, type: 'function', function: called });
    } else calls[piece.index]!.function.arguments += piece.text;
  }
  const { finishReason, summary } = run.finished();
  const message = {
    role: 'assistant' as const,
    content: content === '' && calls.length > 0 ? null : content,
    refusal: null,
    ...(calls.length > 0 ? { tool_calls: calls } : {}),
  };
  return {
    id: run.id,
    object: 'chat.completion',
    created: run.created,
    model,
    choices: [
      {
        index: 0,
        message,
        logprobs: toChatLogprobs(logprobs),
        finish_reason: finishReason,
      },
    ],
    usage: toUsage(summary),
    timings: toTimings(summary),
  };
}

export function toChatChunks(run: Run, model: string, includeUsage: boolean): StreamFrames {
  const shape = {
    id: run.id,
    object: 'chat.completion.chunk' as const,
    created: run.created,
    model,
    // OpenAI sends `usage: null` in every chunk before the chunk with the usage.
    ...(includeUsage ? { usage: null } : {}),
  };
  const chunk = (
    delta: z.infer<typeof Delta>,
    logprobs: readonly AnswerLogprob[] = [],
    finishReason: z.infer<typeof FinishReason> | null = null,
  ): Chunk => ({
    ...shape,
    choices: [{ index: 0, delta, logprobs: toChatLogprobs(logprobs), finish_reason: finishReason }],
  });
  return {
    first: () => [chunk({ role: 'assistant', content: '' })],
    piece: (piece) => [chunk(toDelta(piece), piece.logprobs)],
    last() {
      const { finishReason, summary } = run.finished();
      const end = { ...chunk({}, [], finishReason), timings: toTimings(summary) };
      return includeUsage ? [end, { ...shape, choices: [], usage: toUsage(summary) }] : [end];
    },
  };
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
