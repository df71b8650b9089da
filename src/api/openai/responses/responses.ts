/** POST /v1/responses: OpenAI's Responses API, streamed or whole. Nothing is stored but a short memory of its own answers. */
import { z } from 'zod';
import type { Sampling } from '../../../engine/engine.ts';
import type { ReadBody } from '../../body.ts';
import { toPrompt } from '../../prompt.ts';
import type { Endpoint } from '../../endpoint.ts';
import type { ApiEnv } from '../../request-context.ts';
import { generationErrors, startGeneration, type RunDeps } from '../../run/generation.ts';
import { streamFrames, toServerTiming, type StreamFrames } from '../../run/streaming.ts';
import {
  chooseFormat,
  maxTools,
  toolName,
  toolNameError,
  ToolParameters,
  toTool,
} from '../../tools.ts';
import type { ToolChoice, ToolsAndFormat } from '../../tools.ts';
import {
  AnswerFields,
  HarmlessFields,
  only,
  ReportFields,
  SamplingFields,
  unsupported,
} from '../fields.ts';
import { toFormat, toSampling } from '../fields.ts';
import { ConstraintFields, toConstrained } from '../constraints.ts';
import { toNamed } from '../tools.ts';
import {
  createResponse,
  ResponseEvent,
  ResponseObject,
  toResponse,
  type OutputItem,
  type RepeatedFields,
} from './answers.ts';
import { responseExample, responseRequestExamples, responseStreamExample } from './examples.ts';
import { Input, resolveItems, toMessages, type InputItem, type PlacedItem } from './input.ts';
import { createItemMemory, type ItemMemory } from './memory.ts';

const FunctionTool = z.object({
  type: z.literal('function', { error: 'expected "function", the only kind of tool served' }),
  name: z.string().regex(toolName, { error: toolNameError }),
  description: z.string().nullish(),
  parameters: ToolParameters.nullish(),
  strict: z.boolean().nullish(),
});

const NamedTool = z.object({ type: z.literal('function'), name: z.string() });

const TextFormat = z.discriminatedUnion(
  'type',
  [
    z.object({ type: z.literal('text') }),
    z.object({ type: z.literal('json_object') }),
    z.object({
      type: z.literal('json_schema'),
      name: z.string().max(64),
      description: z.string().nullish(),
      schema: z.record(z.string(), z.unknown()),
      strict: z.boolean().nullish(),
    }),
  ],
  { error: 'expected a "type" of "text", "json_object" or "json_schema"' },
);

const { max_tokens: _, max_completion_tokens: max, ...sampling } = SamplingFields.shape;

const ResponseRequest = z.object({
  model: AnswerFields.shape.model,
  input: Input,
  instructions: z.string().nullish(),
  previous_response_id: z.string().max(256).nullish(),
  store: z.boolean().nullish().meta({
    description:
      'Nothing is stored. Unless false, the last answers stay in memory for an hour, for item_reference and previous_response_id.',
  }),
  stream: AnswerFields.shape.stream,
  stream_options: z.object({ include_obfuscation: z.boolean().nullish() }).nullish(),
  max_output_tokens: max.unwrap().unwrap().nullish().meta({
    description: 'Without a limit an answer may fill the context.',
  }),
  ...sampling,
  ...ConstraintFields.shape,
  ...ReportFields.shape,
  text: z.object({ format: TextFormat.nullish(), verbosity: z.string().nullish() }).nullish(),
  reasoning: z
    .object({ effort: z.string().nullish(), summary: z.string().nullish() })
    .nullish()
    .meta({ description: 'Accepted and ignored: the models served here do not reason.' }),
  include: z.array(z.string()).nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  tools: z.array(FunctionTool).max(maxTools).nullish(),
  tool_choice: z
    .union(
      [
        z.enum(['none', 'auto', 'required']),
        NamedTool,
        z.object({
          type: z.literal('allowed_tools'),
          mode: z.enum(['auto', 'required']),
          tools: z.array(NamedTool).min(1).max(maxTools),
        }),
      ],
      {
        error:
          'expected "none", "auto", "required", {"type":"function","name":"..."} or "allowed_tools"',
      },
    )
    .nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  max_tool_calls: z
    .int()
    .nullish()
    .meta({ description: 'Of built-in tools, which are not served.' }),
  truncation: only('disabled', 'a conversation that does not fit is refused'),
  background: only(false, 'a response is answered at once'),
  conversation: unsupported('send the whole conversation as input'),
  prompt: unsupported('send input'),
  metadata: z.record(z.string(), z.unknown()).nullish(),
  user: HarmlessFields.shape.user,
  service_tier: HarmlessFields.shape.service_tier,
  safety_identifier: HarmlessFields.shape.safety_identifier,
  prompt_cache_key: HarmlessFields.shape.prompt_cache_key,
  prompt_cache_retention: HarmlessFields.shape.prompt_cache_retention,
});

type Body = z.infer<typeof ResponseRequest>;

export function createResponses(deps: RunDeps, readBody: ReadBody): Endpoint {
  const model = deps.model.id;
  const memory = createItemMemory();
  return {
    method: 'POST',
    path: '/v1/responses',
    summary: "Answer a conversation in the form of OpenAI's Responses API",
    access: 'key',
    operation: 'chat',
    request: {
      name: 'ResponseRequest',
      schema: ResponseRequest,
      examples: responseRequestExamples(model),
    },
    answers: {
      'application/json': {
        name: 'Response',
        schema: ResponseObject,
        example: responseExample(model),
      },
      'text/event-stream': {
        name: 'ResponseEvent',
        schema: ResponseEvent,
        example: responseStreamExample(model),
        isStream: true,
      },
    },
    errors: generationErrors,
    async handle(c) {
      const body = await readBody(c, ResponseRequest);
      const client = c.get('client');
      const items = resolveItems(body, { memory, client });
      const { tools, format } = toToolsAndFormat(body);
      const asked = toAskedSampling(body);
      const run = startGeneration(c, deps, {
        prompt: toPrompt(toMessages(items, body.instructions), tools),
        sampling: asked,
        ...(format === undefined ? {} : { format }),
        requestedModel: body.model,
        stream: body.stream === true,
        timingsPerToken: body.timings_per_token === true,
        idPrefix: 'resp_',
      });
      const facts = toRepeated(body, asked);
      const recall = body.store === false ? undefined : { memory, client, items };
      if (body.stream === true) {
        const frames = remembering(
          createResponse(run, model, facts, { reportsProgress: body.return_progress === true }),
          recall,
        );
        return streamFrames(c, deps.timeouts, run, frames);
      }
      const answer = await toResponse(run, model, facts);
      if (recall !== undefined) remember(answer, recall);
      c.header('server-timing', toServerTiming(run.finished().summary));
      return c.json(answer);
    },
  };
}

function toAskedSampling(body: Body): Sampling {
  const wantsLogprobs = body.include?.includes('message.output_text.logprobs') === true;
  const count = body.top_logprobs ?? 0;
  return {
    ...toSampling({ ...body, max_completion_tokens: body.max_output_tokens }),
    ...(wantsLogprobs || count > 0 ? { topLogprobs: count } : {}),
  };
}

function toToolsAndFormat(body: Body): ToolsAndFormat {
  const { tool_choice: given } = body;
  const isNamed = typeof given === 'object' && given?.type === 'function';
  return chooseFormat({
    tools: (body.tools ?? []).map(toTool),
    choice: toChoice(given),
    parallel: !isNamed && (body.parallel_tool_calls ?? true),
    format: toConstrained(toTextFormat(body.text?.format), body),
    fields: { name: (index) => `tools.${index}.name`, choice: 'tool_choice.name' },
  });
}

function toChoice(given: Body['tool_choice']): ToolChoice {
  if (given === undefined || given === null) return 'auto';
  if (typeof given === 'string') return given;
  if (given.type === 'function') return toNamed(given.name);
  return { only: given.tools.map(({ name }) => name), mode: given.mode };
}

function toTextFormat(format: z.infer<typeof TextFormat> | null | undefined) {
  if (format?.type !== 'json_schema') return toFormat(format);
  const { type, ...schema } = format;
  return toFormat({ type, json_schema: schema });
}

function toRepeated(body: Body, { temperature, topP, topLogprobs = 0 }: Sampling): RepeatedFields {
  const { effort = null, summary = null } = body.reasoning ?? {};
  return {
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    metadata: body.metadata ?? {},
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    previous_response_id: body.previous_response_id ?? null,
    reasoning: { effort, summary },
    temperature,
    text: { format: body.text?.format ?? { type: 'text' } },
    tool_choice: body.tool_choice ?? 'auto',
    tools: body.tools ?? [],
    top_logprobs: topLogprobs,
    top_p: topP,
  };
}

interface Remembered {
  memory: ItemMemory;
  client: ApiEnv['Variables']['client'];
  items: readonly PlacedItem[];
}

/** Remembers the response before its last event is sent: the next request may follow at once. */
function remembering(
  frames: ReturnType<typeof createResponse>,
  recall: Remembered | undefined,
): StreamFrames {
  if (recall === undefined) return frames;
  return {
    ...frames,
    last() {
      const events = frames.last();
      remember(frames.response, recall);
      return events;
    },
  };
}

function remember(
  { id, output }: z.infer<typeof ResponseObject>,
  { memory, client, items }: Remembered,
): void {
  const answered: InputItem[] = [];
  for (const item of output) {
    const kept = toItems(item);
    memory.remember(client, item.id, kept);
    answered.push(...kept);
  }
  memory.remember(client, id, [...items.map(({ item }) => item), ...answered]);
}

/** None for a call that the end of the answer cut: the next request would be refused for arguments that its client did not send. */
function toItems(item: OutputItem): InputItem[] {
  if (item.type === 'function_call') return isJson(item.arguments) ? [item] : [];
  return [{ role: 'assistant', content: item.content.map(({ text }) => text).join('') }];
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
