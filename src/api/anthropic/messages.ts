/** POST /v1/messages and /v1/messages/count_tokens: Anthropic's Messages API, streamed or whole. */
import { z } from 'zod';
import type { Engine, Sampling } from '../../engine/engine.ts';
import type { ReadBody } from '../body.ts';
import { answersJson, type Endpoint } from '../endpoint.ts';
import { AnswerFields, ignored, SamplingFields, Stops, toSampling } from '../openai/fields.ts';
import { generationErrors, startGeneration, type RunDeps } from '../run/generation.ts';
import { limitRequest } from '../run/request-limits.ts';
import { streamFrames, toServerTiming } from '../run/streaming.ts';
import { checkModel } from '../served-model.ts';
import { createMessage, MessageEvent, MessageObject, toMessage } from './answers.ts';
import { messageExample, messageRequestExamples, messageStreamExample } from './examples.ts';
import { ConversationFields, toConversation } from './input.ts';

const { max_tokens, temperature, top_p, top_k } = SamplingFields.shape;

const MessageRequest = z.object({
  ...ConversationFields.shape,
  max_tokens,
  stop_sequences: Stops.nullish(),
  stream: AnswerFields.shape.stream,
  temperature,
  top_p,
  top_k,
  metadata: ignored,
  service_tier: ignored,
});

type Body = z.infer<typeof MessageRequest>;

export function createMessages(deps: RunDeps, readBody: ReadBody): Endpoint {
  const model = deps.model.id;
  return {
    method: 'POST',
    path: '/v1/messages',
    summary: "Answer a conversation in the form of Anthropic's Messages API",
    access: 'key',
    operation: 'chat',
    errorForm: 'anthropic',
    request: {
      name: 'MessageRequest',
      schema: MessageRequest,
      examples: messageRequestExamples(model),
    },
    answers: {
      'application/json': {
        name: 'Message',
        schema: MessageObject,
        example: messageExample(model),
      },
      'text/event-stream': {
        name: 'MessageEvent',
        schema: MessageEvent,
        example: messageStreamExample(model),
        isStream: true,
      },
    },
    errors: generationErrors,
    async handle(c) {
      const body = await readBody(c, MessageRequest);
      const run = startGeneration(c, deps, {
        ...toConversation(body),
        sampling: toAskedSampling(body),
        requestedModel: body.model,
        stream: body.stream === true,
        idPrefix: 'msg_',
      });
      if (body.stream === true) {
        return streamFrames(c, deps.timeouts, run, createMessage(run, model));
      }
      const answer = await toMessage(run, model);
      c.header('server-timing', toServerTiming(run.finished().summary));
      return c.json(answer);
    },
  };
}

function toAskedSampling(body: Body): Sampling {
  return toSampling({ ...body, stop: body.stop_sequences });
}

const TokenCount = z.object({ input_tokens: z.int() });

export function createCountTokens(
  {
    engine,
    model,
    limits,
  }: { engine: Pick<Engine, 'tokenize'> } & Pick<RunDeps, 'model' | 'limits'>,
  readBody: ReadBody,
): Endpoint {
  return {
    method: 'POST',
    path: '/v1/messages/count_tokens',
    summary: 'The number of tokens of a conversation, tools included',
    access: 'key',
    errorForm: 'anthropic',
    request: {
      name: 'CountTokensRequest',
      schema: ConversationFields,
      examples: { short: { model: model.id, messages: [{ role: 'user', content: 'Hello' }] } },
    },
    answers: answersJson('TokenCount', TokenCount, { input_tokens: 30 }),
    errors: [
      'bad_request',
      'unauthorized',
      'model_not_found',
      'too_large',
      'queue_full',
      'not_ready',
      'engine_exit',
      'deadline',
      'shutdown',
    ],
    async handle(c) {
      const body = await readBody(c, ConversationFields);
      checkModel(model, body.model);
      const { prompt } = toConversation(body);
      using request = limitRequest(c, limits);
      const { tokens } = await engine.tokenize(prompt, { signal: request.signal });
      return c.json({ input_tokens: tokens.length });
    },
  };
}
