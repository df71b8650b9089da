/** OpenAI's messages, checked and converted for the chat template. */
import { z } from 'zod';
import type { ChatMessage, ToolCall } from '../../engine/engine.ts';
import { describe, refuseField } from '../body.ts';

const TextPart = z.object({
  type: z.literal('text', {
    error: 'expected "text", the only supported content',
  }),
  text: z.string(),
});

const Content = z.union([z.string(), z.array(TextPart).min(1)], {
  error: 'expected a string or an array of {"type":"text","text":"..."} parts',
});

const PastToolCall = z.object({
  id: z.string().min(1).max(256),
  type: z.literal('function'),
  function: z.object({
    name: z.string().min(1).max(64),
    arguments: z.string().meta({ description: 'The text of a JSON object.' }),
  }),
});

const name = z.string().nullish().meta({ description: 'Accepted and ignored.' });

const Message = z.discriminatedUnion(
  'role',
  [
    z.object({ role: z.enum(['system', 'developer', 'user']), content: Content, name }),
    z.object({
      role: z.literal('assistant'),
      content: Content.nullish(),
      tool_calls: z.array(PastToolCall).nullish(),
      name,
    }),
    z.object({ role: z.literal('tool'), content: Content, tool_call_id: z.string().min(1) }),
  ],
  { error: 'expected "system", "developer", "user", "assistant" or "tool"' },
);

export const Messages = z.array(Message).min(1);

type RequestedCall = z.infer<typeof PastToolCall>;

/** @throws ChatError `bad_request` if arguments are not a JSON object or a tool message answers no earlier call. */
export function toMessages(messages: z.infer<typeof Messages>): ChatMessage[] {
  const calls = new Set<string>();
  return messages.map((message, index): ChatMessage => {
    const path = `messages.${index}`;
    const content = toText(message.content ?? '');
    if (message.role === 'tool') {
      if (!calls.has(message.tool_call_id)) throw unknownCall(path, message.tool_call_id);
      return { role: 'tool', content, toolCallId: message.tool_call_id };
    }
    if (message.role !== 'assistant') {
      return { role: message.role === 'user' ? 'user' : 'system', content };
    }
    const given = message.tool_calls ?? [];
    if (given.length === 0 && typeof message.content !== 'string' && !message.content) {
      throw refuseField(`${path}.content`, 'required without tool_calls; expected a string');
    }
    const toolCalls = given.map((call, at) => toCall(call, `${path}.tool_calls.${at}`));
    for (const call of toolCalls) calls.add(call.id);
    return toolCalls.length === 0
      ? { role: 'assistant', content }
      : { role: 'assistant', content, toolCalls };
  });
}

function toText(content: z.infer<typeof Content>): string {
  return typeof content === 'string' ? content : content.map((part) => part.text).join('');
}

function toCall({ id, function: called }: RequestedCall, path: string): ToolCall {
  const param = `${path}.function.arguments`;
  // Some clients send an empty string for a tool without parameters.
  const text = called.arguments.trim() === '' ? '{}' : called.arguments;
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw refuseField(param, `expected the text of a JSON object, got ${describe(text)}`);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw refuseField(param, `expected the text of a JSON object, got ${describe(parsed)}`);
  }
  return { id, name: called.name, arguments: parsed as ToolCall['arguments'] };
}

function unknownCall(path: string, id: string): Error {
  const shown = /^[\w-]{1,64}$/.test(id) ? `"${id}"` : 'another string';
  return refuseField(
    `${path}.tool_call_id`,
    `expected the id of a call in an earlier assistant message, got ${shown}`,
    'expected the id of a call in an earlier assistant message',
  );
}
