/** Schemas of the Responses API's answer, and its construction from a run, whole and as events. */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { ChatError } from '../../../errors.ts';
import type { AnswerLogprob, Piece } from '../../run/answers.ts';
import type { Run } from '../../run/generation.ts';
import type { StreamFrames } from '../../run/streaming.ts';
import { Timings, toTimings } from '../answer-facts.ts';
import { ChatLogprob, toChatLogprobs } from '../logprobs.ts';

const Status = z.enum(['in_progress', 'completed', 'incomplete', 'failed']);

const OutputText = z.object({
  type: z.literal('output_text'),
  text: z.string(),
  annotations: z.array(z.never()),
  logprobs: z.array(ChatLogprob),
});

const OutputItem = z.discriminatedUnion('type', [
  z.object({
    id: z.string(),
    type: z.literal('message'),
    status: Status,
    role: z.literal('assistant'),
    content: z.array(OutputText),
  }),
  z.object({
    id: z.string(),
    type: z.literal('function_call'),
    status: Status,
    call_id: z.string(),
    name: z.string(),
    arguments: z.string(),
  }),
]);

const ResponseUsage = z.object({
  input_tokens: z.int(),
  input_tokens_details: z.object({ cached_tokens: z.int() }),
  output_tokens: z.int(),
  output_tokens_details: z.object({ reasoning_tokens: z.int() }),
  total_tokens: z.int(),
});

/** The request's own fields, as OpenAI repeats them in the answer. */
const Repeated = z.object({
  instructions: z.string().nullable(),
  max_output_tokens: z.int().nullable(),
  metadata: z.record(z.string(), z.unknown()),
  parallel_tool_calls: z.boolean(),
  previous_response_id: z.string().nullable(),
  reasoning: z.object({ effort: z.string().nullable(), summary: z.string().nullable() }),
  temperature: z.number(),
  text: z.object({ format: z.looseObject({ type: z.string() }) }),
  tool_choice: z.unknown(),
  tools: z.array(z.looseObject({ type: z.string() })),
  top_logprobs: z.int(),
  top_p: z.number(),
});

export const ResponseObject = Repeated.extend({
  id: z.string(),
  object: z.literal('response'),
  created_at: z.int(),
  completed_at: z.int().nullable(),
  status: Status,
  background: z.literal(false),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  incomplete_details: z.object({ reason: z.literal('max_output_tokens') }).nullable(),
  max_tool_calls: z.null(),
  model: z.string(),
  output: z.array(OutputItem),
  service_tier: z.literal('default'),
  /** Nothing is stored for later retrieval. */
  store: z.literal(false),
  truncation: z.literal('disabled'),
  usage: ResponseUsage.nullable(),
  timings: Timings.optional(),
});

export type RepeatedFields = z.infer<typeof Repeated>;
type Response = z.infer<typeof ResponseObject>;
export type OutputItem = z.infer<typeof OutputItem>;
type Message = Extract<OutputItem, { type: 'message' }>;
type Call = Extract<OutputItem, { type: 'function_call' }>;

/** One event of a stream. Events that carry the response have `response`, the others the place of their text or item. */
export const ResponseEvent = z.looseObject({ type: z.string(), sequence_number: z.int() });

type Event = z.infer<typeof ResponseEvent>;

interface Building {
  readonly run: Run;
  readonly response: Response;
  open: OutputItem | undefined;
  events: Event[];
  sequence: number;
}

/** @throws ChatError that ended the run. */
export async function toResponse(run: Run, model: string, facts: RepeatedFields) {
  const frames = createResponse(run, model, facts);
  for await (const piece of run.pieces()) frames.piece(piece);
  frames.last();
  return frames.response;
}

/** The events of one response in OpenAI's order, https://platform.openai.com/docs/api-reference/responses-streaming. */
export function createResponse(
  run: Run,
  model: string,
  facts: RepeatedFields,
  { reportsProgress = false } = {},
): StreamFrames & { response: Response } {
  const response = begin(run, model, facts);
  const building: Building = { run, response, open: undefined, events: [], sequence: 0 };
  const take = (): Event[] => building.events.splice(0);
  return {
    response,
    first() {
      emit(building, 'response.created', { response });
      emit(building, 'response.in_progress', { response });
      return take();
    },
    ...(reportsProgress && {
      progress(prompt_progress) {
        emit(building, 'response.in_progress', { response, prompt_progress });
        return take();
      },
    }),
    piece(piece) {
      addPiece(building, piece);
      return withTimings(take(), piece.timings);
    },
    last() {
      finish(building);
      return withTimings(take(), run.finished().timings);
    },
    named: {
      error(error) {
        fail(building, error);
        return take();
      },
    },
  };
}

function begin(run: Run, model: string, facts: RepeatedFields): Response {
  return {
    id: run.id,
    object: 'response',
    created_at: run.created,
    completed_at: null,
    status: 'in_progress',
    background: false,
    error: null,
    incomplete_details: null,
    max_tool_calls: null,
    model,
    output: [],
    service_tier: 'default',
    store: false,
    truncation: 'disabled',
    usage: null,
    ...facts,
  };
}

/** As llama-server reports them: in the last of these events. */
function withTimings(events: Event[], timings: Piece['timings']): Event[] {
  if (timings !== undefined) Object.assign(events.at(-1) ?? {}, { timings });
  return events;
}

function emit(building: Building, type: string, members: object): void {
  building.events.push({ type, sequence_number: building.sequence++, ...members });
}

function addPiece(building: Building, piece: Piece): void {
  if (piece.type === 'content') return addText(building, piece.text, piece.logprobs);
  if (piece.type === 'call') {
    openItem(building, {
      id: newId('fc'),
      type: 'function_call',
      status: 'in_progress',
      call_id: piece.id,
      name: piece.name,
      arguments: '',
    });
    return;
  }
  const call = building.open as Call;
  call.arguments += piece.text;
  const type = 'response.function_call_arguments.delta';
  emit(building, type, { ...placeOf(building, call), delta: piece.text });
}

function addText(building: Building, delta: string, logprobs: readonly AnswerLogprob[]): void {
  const message = building.open?.type === 'message' ? building.open : openMessage(building);
  const part = message.content[0]!;
  const added = toChatLogprobs(logprobs)?.content ?? [];
  part.text += delta;
  part.logprobs.push(...added);
  if (delta === '' && added.length === 0) return;
  emit(building, 'response.output_text.delta', {
    ...partOf(building, message),
    delta,
    logprobs: added,
  });
}

function openMessage(building: Building): Message {
  const message: Message = {
    id: newId('msg'),
    type: 'message',
    status: 'in_progress',
    role: 'assistant',
    content: [],
  };
  openItem(building, message);
  message.content.push({ type: 'output_text', text: '', annotations: [], logprobs: [] });
  emit(building, 'response.content_part.added', {
    ...partOf(building, message),
    part: { ...message.content[0], logprobs: [] },
  });
  return message;
}

function openItem(building: Building, item: OutputItem): void {
  closeItem(building, 'completed');
  building.open = item;
  building.response.output.push(item);
  const output_index = building.response.output.length - 1;
  const empty = item.type === 'message' ? { ...item, content: [] } : { ...item };
  emit(building, 'response.output_item.added', { output_index, item: empty });
}

function closeItem(building: Building, status: 'completed' | 'incomplete'): void {
  const { open: item } = building;
  if (item === undefined) return;
  building.open = undefined;
  item.status = status;
  if (item.type === 'message') {
    const place = partOf(building, item);
    const part = item.content[0]!;
    const { text, logprobs } = part;
    emit(building, 'response.output_text.done', { ...place, text, logprobs });
    emit(building, 'response.content_part.done', { ...place, part });
  } else {
    const { name, arguments: text } = item;
    const type = 'response.function_call_arguments.done';
    emit(building, type, { ...placeOf(building, item), name, arguments: text });
  }
  const output_index = building.response.output.length - 1;
  emit(building, 'response.output_item.done', { output_index, item });
}

function finish(building: Building): void {
  const { run, response } = building;
  const { finishReason, summary, timings } = run.finished();
  const status = finishReason === 'length' ? 'incomplete' : 'completed';
  if (response.output.length === 0) openMessage(building);
  closeItem(building, status);
  Object.assign(response, {
    status,
    completed_at: status === 'completed' ? Math.floor(Date.now() / 1000) : null,
    incomplete_details: status === 'incomplete' ? { reason: 'max_output_tokens' } : null,
    usage: {
      input_tokens: summary.inputTokens,
      input_tokens_details: { cached_tokens: summary.cachedTokens },
      output_tokens: summary.outputTokens,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: summary.inputTokens + summary.outputTokens,
    },
    timings: toTimings(summary, timings),
  } satisfies Partial<Response>);
  emit(building, `response.${status}`, { response });
}

function fail(building: Building, { code, message, param }: ChatError): void {
  Object.assign(building.response, { status: 'failed', error: { code, message } });
  emit(building, 'error', { code, message, param: param ?? null });
  emit(building, 'response.failed', { response: building.response });
}

function placeOf({ response }: Building, { id }: OutputItem) {
  return { item_id: id, output_index: response.output.length - 1 };
}

function partOf(building: Building, item: OutputItem) {
  return { ...placeOf(building, item), content_index: 0 };
}

function newId(prefix: 'fc' | 'msg'): string {
  return `${prefix}_${randomUUID().replaceAll('-', '')}`;
}
