/** Schemas of Anthropic's messages, and their construction from a run, whole and as events. */
import { z } from 'zod';
import type { ChatError } from '../../errors.ts';
import type { Piece } from '../run/answers.ts';
import type { Run } from '../run/generation.ts';
import type { StreamFrames } from '../run/streaming.ts';
import { toAnthropicError } from './errors.ts';

const ContentBlock = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text'), text: z.string(), citations: z.null() }),
  z.object({
    type: z.literal('tool_use'),
    id: z.string(),
    name: z.string(),
    input: z.record(z.string(), z.unknown()),
  }),
]);

/** `input_tokens` are those that were evaluated; those read from the KV cache are `cache_read_input_tokens`. */
const MessageUsage = z.object({
  input_tokens: z.int(),
  cache_creation_input_tokens: z.literal(0),
  cache_read_input_tokens: z.int(),
  output_tokens: z.int(),
});

const StopReason = z.enum(['end_turn', 'max_tokens', 'stop_sequence', 'tool_use']);

export const MessageObject = z.object({
  id: z.string(),
  type: z.literal('message'),
  role: z.literal('assistant'),
  model: z.string(),
  content: z.array(ContentBlock),
  container: z.null(),
  stop_details: z.null(),
  stop_reason: StopReason.nullable(),
  stop_sequence: z.string().nullable(),
  usage: MessageUsage,
});

/** One event of a stream. */
export const MessageEvent = z.looseObject({ type: z.string() });

type Message = z.infer<typeof MessageObject>;
type Block = z.infer<typeof ContentBlock>;
type Event = z.infer<typeof MessageEvent>;

interface Building {
  readonly run: Run;
  readonly message: Message;
  /** The arguments of the open call. */
  json: string;
  isOpen: boolean;
  events: Event[];
}

/** @throws ChatError that ended the run. */
export async function toMessage(run: Run, model: string): Promise<Message> {
  const frames = createMessage(run, model);
  for await (const piece of run.pieces()) frames.piece(piece);
  frames.last();
  return frames.message;
}

/** The events of one message in Anthropic's order, https://platform.claude.com/docs/en/build-with-claude/streaming. */
export function createMessage(run: Run, model: string): StreamFrames & { message: Message } {
  const message = begin(run, model);
  const building: Building = { run, message, json: '', isOpen: false, events: [] };
  const take = (): Event[] => building.events.splice(0);
  return {
    message,
    first() {
      message.usage.input_tokens = run.inputTokens();
      return [{ type: 'message_start', message }];
    },
    piece(piece) {
      addPiece(building, piece);
      return take();
    },
    last() {
      finish(building);
      return take();
    },
    named: { error: (error: ChatError) => [toAnthropicError(error)] },
  };
}

function begin(run: Run, model: string): Message {
  return {
    id: run.id,
    type: 'message',
    role: 'assistant',
    model,
    content: [],
    container: null,
    stop_details: null,
    stop_reason: null,
    stop_sequence: null,
    usage: {
      input_tokens: 0,
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 0,
      output_tokens: 0,
    },
  };
}

function addPiece(building: Building, piece: Piece): void {
  if (piece.type === 'content') return addText(building, piece.text);
  if (piece.type === 'call') {
    open(building, { type: 'tool_use', id: piece.id, name: piece.name, input: {} });
    return;
  }
  building.json += piece.text;
  addDelta(building, { type: 'input_json_delta', partial_json: piece.text });
}

function addText(building: Building, text: string): void {
  if (text === '') return;
  const last = building.message.content.at(-1);
  const block = building.isOpen && last?.type === 'text' ? last : openText(building);
  block.text += text;
  addDelta(building, { type: 'text_delta', text });
}

function openText(building: Building): Extract<Block, { type: 'text' }> {
  const block = { type: 'text' as const, text: '', citations: null };
  open(building, block);
  return block;
}

function open(building: Building, block: Block): void {
  close(building);
  building.isOpen = true;
  building.message.content.push(block);
  const index = building.message.content.length - 1;
  building.events.push({ type: 'content_block_start', index, content_block: { ...block } });
}

function addDelta({ events, message }: Building, delta: object): void {
  events.push({ type: 'content_block_delta', index: message.content.length - 1, delta });
}

function close(building: Building): void {
  if (!building.isOpen) return;
  building.isOpen = false;
  const { content } = building.message;
  const block = content.at(-1);
  if (block?.type === 'tool_use') block.input = parseInput(building.json);
  building.json = '';
  building.events.push({ type: 'content_block_stop', index: content.length - 1 });
}

/** Empty for a call that max_tokens cut off. */
function parseInput(json: string): Record<string, unknown> {
  try {
    return JSON.parse(json) as Record<string, unknown>;
  } catch {
    return {};
  }
}

function finish(building: Building): void {
  close(building);
  const { run, message } = building;
  const { finishReason, stopSequence = null, summary } = run.finished();
  const reasons = { stop: 'end_turn', length: 'max_tokens', tool_calls: 'tool_use' } as const;
  const stop_reason = stopSequence === null ? reasons[finishReason] : 'stop_sequence';
  Object.assign(message, {
    stop_reason,
    stop_sequence: stopSequence,
    usage: {
      input_tokens: summary.inputTokens - summary.cachedTokens,
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: summary.cachedTokens,
      output_tokens: summary.outputTokens,
    },
  } satisfies Partial<Message>);
  const { usage, stop_sequence } = message;
  const delta = { stop_reason, stop_sequence, stop_details: null, container: null };
  building.events.push({ type: 'message_delta', delta, usage }, { type: 'message_stop' });
}
