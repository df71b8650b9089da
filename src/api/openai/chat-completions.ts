/** POST /v1/chat/completions: OpenAI's chat completions, streamed or whole. */
import { z } from 'zod';
import { refuseField, type ReadBody } from '../body.ts';
import { ConstraintFields } from './constraints.ts';
import {
  ChatCompletion,
  ChatCompletionChunk,
  toChatChunks,
  toChatCompletion,
} from './chat-completion-answers.ts';
import { chatCompletionExample, chatRequestExamples, chatStreamExample } from './chat-examples.ts';
import type { Endpoint } from '../endpoint.ts';
import {
  AnswerFields,
  HarmlessFields,
  ReportFields,
  SamplingFields,
  toSampling,
  unsupported,
} from './fields.ts';
import { generationErrors, startGeneration, type RunDeps } from '../run/generation.ts';
import { Messages, toMessages } from './messages.ts';
import { toPrompt } from '../prompt.ts';
import { streamFrames, toServerTiming } from '../run/streaming.ts';
import { toToolsAndFormat, ToolFields } from './tools.ts';

const ChatCompletionRequest = z.object({
  messages: Messages,
  ...AnswerFields.shape,
  ...SamplingFields.shape,
  ...ToolFields.shape,
  ...ConstraintFields.shape,
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  modalities: z
    .array(z.literal('text', { error: 'expected "text", the only modality of this model' }))
    .nullish(),
  add_generation_prompt: z.boolean().nullish(),
  continue_final_message: z.boolean().nullish().meta({
    description:
      "As in vLLM. The assistant's message that comes last is continued also without it.",
  }),
  audio: unsupported('this model writes text'),
  web_search_options: unsupported('this service does not search the web'),
  ...ReportFields.shape,
  ...HarmlessFields.shape,
});

type Body = z.infer<typeof ChatCompletionRequest>;

export function createChatCompletions(deps: RunDeps, readBody: ReadBody): Endpoint {
  const model = deps.model.id;
  return {
    method: 'POST',
    path: '/v1/chat/completions',
    summary: 'Answer a conversation',
    access: 'key',
    operation: 'chat',
    request: {
      name: 'ChatCompletionRequest',
      schema: ChatCompletionRequest,
      examples: chatRequestExamples(model),
    },
    answers: {
      'application/json': {
        name: 'ChatCompletion',
        schema: ChatCompletion,
        example: chatCompletionExample(model),
      },
      'text/event-stream': {
        name: 'ChatCompletionChunk',
        schema: ChatCompletionChunk,
        example: chatStreamExample(model),
        isStream: true,
      },
    },
    errors: generationErrors,
    async handle(c) {
      const body = await readBody(c, ChatCompletionRequest);
      checkContinuation(body);
      const { tools, format } = toToolsAndFormat(body);
      const messages = toMessages(body.messages);
      const n = body.n ?? 1;
      const run = startGeneration(c, deps, {
        prompt: toPrompt(messages, tools),
        n,
        sampling: { ...toSampling(body), ...toLogprobs(body) },
        ...(format === undefined ? {} : { format }),
        requestedModel: body.model,
        stream: body.stream === true,
        timingsPerToken: body.timings_per_token === true,
        idPrefix: 'chatcmpl-',
      });
      if (body.stream === true) {
        const includeUsage = body.stream_options?.include_usage === true;
        const chunks = toChatChunks(run, model, {
          includeUsage,
          n,
          progress: body.return_progress === true,
          mayCall: format?.kind === 'tool_calls',
        });
        return streamFrames(c, deps.timeouts, run, chunks);
      }
      const answer = await toChatCompletion(run, model);
      c.header('server-timing', toServerTiming(run.finished().summary));
      return c.json(answer);
    },
  };
}

/** @throws ChatError `bad_request` for fields that contradict each other, or a message that no answer can continue. */
function checkContinuation({
  add_generation_prompt,
  continue_final_message,
  messages,
}: Body): void {
  if (continue_final_message !== true) return;
  if (add_generation_prompt === true) {
    throw refuseField('continue_final_message', 'expected without "add_generation_prompt": true');
  }
  if (messages.at(-1)?.role === 'assistant') return;
  throw refuseField('continue_final_message', 'expected a message of the assistant at the end');
}

function toLogprobs({ logprobs, top_logprobs }: Body): { topLogprobs?: number } {
  if (logprobs === true) return { topLogprobs: top_logprobs ?? 0 };
  if (top_logprobs === undefined || top_logprobs === null || top_logprobs === 0) return {};
  throw refuseField('top_logprobs', 'expected together with "logprobs": true');
}
