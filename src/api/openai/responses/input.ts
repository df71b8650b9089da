/** The input of the Responses API: its items, checked and converted for the chat template. */
import { z } from 'zod';
import type { ChatMessage, ToolCall } from '../../../engine/engine.ts';
import { createJsonCheck, refuseField } from '../../body.ts';
import { toCall, unknownCall } from '../messages.ts';
import type { ItemMemory } from './memory.ts';

const Part = z.object({
  type: z.enum(['input_text', 'output_text', 'text'], {
    error: 'expected "input_text" or "output_text", the only supported content',
  }),
  text: z.string(),
});

const Content = z.union([z.string(), z.array(Part)], {
  error: 'expected a string or an array of {"type":"input_text","text":"..."} parts',
});

const id = z.string().max(256);

export const InputItem = z.discriminatedUnion(
  'type',
  [
    z.object({
      type: z.literal('message').optional(),
      role: z.enum(['system', 'developer', 'user', 'assistant']),
      content: Content,
    }),
    z.object({
      type: z.literal('function_call'),
      call_id: id.min(1),
      name: z.string().min(1).max(64),
      arguments: z.string().meta({ description: 'The text of a JSON object.' }),
    }),
    z.object({
      type: z.literal('function_call_output'),
      call_id: id.min(1),
      output: Content,
    }),
    z.object({ type: z.literal('item_reference'), id }),
    z.object({ type: z.literal('reasoning') }).meta({ description: 'Accepted and ignored.' }),
  ],
  {
    error:
      'expected a "type" of "message", "function_call", "function_call_output", "item_reference" or "reasoning"',
  },
);

export type InputItem = z.infer<typeof InputItem>;

export const Input = z.union([z.string().min(1), z.array(InputItem)], {
  error: 'expected a string or an array of items',
});

/** Where references are looked up. */
export interface Recall {
  memory: ItemMemory;
  client: string;
}

/** An item, and the field of the request that it comes from. */
export interface PlacedItem {
  item: InputItem;
  param: string;
}

/** The items of a request without references. @throws ChatError `bad_request` for an id that is not remembered. */
export function resolveItems(
  body: { input: z.infer<typeof Input>; previous_response_id?: string | null | undefined },
  { memory, client }: Recall,
): PlacedItem[] {
  const { input, previous_response_id: previous } = body;
  const given: InputItem[] =
    typeof input === 'string' ? [{ role: 'user', content: input }] : [...input];
  const before = previous ? memory.find(client, previous) : [];
  if (before === undefined) throw forgotten('previous_response_id');
  const items = given.flatMap((item, index): PlacedItem[] => {
    const param = `input.${index}`;
    if (item.type !== 'item_reference') return [{ item, param }];
    const found = memory.find(client, item.id);
    if (found === undefined) throw forgotten(`${param}.id`);
    return place(found, param);
  });
  return [...place(before, 'previous_response_id'), ...items];
}

function place(items: readonly InputItem[], param: string): PlacedItem[] {
  return items.map((item) => ({ item, param }));
}

function forgotten(param: string): Error {
  return refuseField(
    param,
    'expected the id of a recent response or item of this API key, which this service keeps for an hour. Set "store": false and send the whole conversation as input',
  );
}

/** @throws ChatError `bad_request` if arguments are not a JSON object or an output answers no earlier call. */
export function toMessages(
  items: readonly PlacedItem[],
  instructions: string | null | undefined,
): ChatMessage[] {
  const messages: ChatMessage[] = [];
  if (instructions) messages.push({ role: 'system', content: instructions });
  const calls = new Set<string>();
  const checkJson = createJsonCheck();
  for (const { item, param } of items) {
    if (item.type === 'function_call') {
      const { call_id, name, arguments: text } = item;
      calls.add(call_id);
      addCall(messages, toCall({ id: call_id, name, text }, `${param}.arguments`, checkJson));
    } else if (item.type === 'function_call_output') {
      if (!calls.has(item.call_id)) throw unknownCall(`${param}.call_id`, item.call_id);
      messages.push({ role: 'tool', content: toText(item.output), toolCallId: item.call_id });
    } else if (item.type === undefined || item.type === 'message') {
      const { role } = item;
      const content = toText(item.content);
      messages.push({ role: role === 'developer' ? 'system' : role, content });
    }
  }
  if (messages.length > 0) return messages;
  throw refuseField('input', 'expected at least one message');
}

/** The calls of one answer are items of their own; a chat template expects them on one message. */
function addCall(messages: ChatMessage[], call: ToolCall): void {
  const last = messages.at(-1);
  if (last?.role !== 'assistant') {
    messages.push({ role: 'assistant', content: '', toolCalls: [call] });
    return;
  }
  messages[messages.length - 1] = { ...last, toolCalls: [...(last.toolCalls ?? []), call] };
}

function toText(content: z.infer<typeof Content>): string {
  return typeof content === 'string' ? content : content.map((part) => part.text).join('');
}
