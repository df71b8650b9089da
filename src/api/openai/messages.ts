/** OpenAI's messages, checked and converted for the chat template. */
import { z } from 'zod';
import type { ChatMessage, ToolCall } from '../../engine/engine.ts';
import { createJsonCheck, describe, refuseField } from '../body.ts';

const TextPart = z.object({
  type: z.literal('text', {
    error: 'expected "text", the only supported content',
  }),
  text: z.string(),
});

const error = 'expected a string or an array of {"type":"text","text":"..."} parts';
const Content = z.union([z.string(), z.array(TextPart).min(1)], { error });
// Clients send an empty array, null or nothing for an answer that had only calls, or none at all.
const PastContent = z.union([z.string(), z.array(TextPart)], { error }).nullish();

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
      content: PastContent,
      tool_calls: z.array(PastToolCall).nullish(),
      name,
    }),
    z.object({ role: z.literal('tool'), content: Content, tool_call_id: z.string().min(1) }),
  ],
  { error: 'expected "system", "developer", "user", "assistant" or "tool"' },
);

/** As the engine (prompt.ts), but before each message is checked. */
export const maxMessages = 1024;

export const Messages = z.array(Message).min(1).max(maxMessages);

/** JSON Schema of a request that has either messages or a text. */
export const eitherMessagesOr = (text: string) => ({
  oneOf: [
    { type: 'object', required: ['messages'], properties: { messages: { type: 'array' } } },
    { type: 'object', required: [text], properties: { [text]: { type: 'string' } } },
  ],
});

/** @throws ChatError `bad_request` if arguments are not a JSON object or a tool message answers no earlier call. */
export function toMessages(messages: z.infer<typeof Messages>): ChatMessage[] {
  const calls = new Set<string>();
  const checkJson = createJsonCheck();
  return messages.map((message, index): ChatMessage => {
    const path = `messages.${index}`;
    const content = toText(message.content ?? '');
    if (message.role === 'tool') {
      if (!calls.has(message.tool_call_id)) {
        throw unknownCall(`${path}.tool_call_id`, message.tool_call_id);
      }
      return { role: 'tool', content, toolCallId: message.tool_call_id };
    }
    if (message.role !== 'assistant') {
      return { role: message.role === 'user' ? 'user' : 'system', content };
    }
    const toolCalls = (message.tool_calls ?? []).map(({ id, function: called }, at) => {
      const param = `${path}.tool_calls.${at}.function.arguments`;
      return toCall({ id, name: called.name, text: called.arguments }, param, checkJson);
    });
    for (const call of toolCalls) calls.add(call.id);
    return toolCalls.length === 0
      ? { role: 'assistant', content }
      : { role: 'assistant', content, toolCalls };
  });
}

function toText(content: z.infer<typeof Content>): string {
  return typeof content === 'string' ? content : content.map((part) => part.text).join('');
}

/**
 * `param` is the field of the arguments; `checkJson` counts those of all calls of a request. @throws ChatError `bad_request` if
 * `text` is not a JSON object, or exceeds the limits of JSON.
 */
export function toCall(
  { id, name: called, text: given }: { id: string; name: string; text: string },
  param: string,
  checkJson: ReturnType<typeof createJsonCheck>,
): ToolCall {
  // Some clients send an empty string for a tool without parameters.
  const text = given.trim() === '' ? '{}' : given;
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw refuseField(param, `expected the text of a JSON object, got ${describe(text)}`);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw refuseField(param, `expected the text of a JSON object, got ${describe(parsed)}`);
  }
  const limit = checkJson(parsed);
  if (limit !== undefined) throw refuseField(param, limit);
  return { id, name: called, arguments: parsed as ToolCall['arguments'] };
}

export function unknownCall(param: string, id: string): Error {
  const shown = /^[\w-]{1,64}$/.test(id) ? `"${id}"` : 'another string';
  const expectation = 'expected the id of a call in an earlier assistant message';
  return refuseField(param, `${expectation}, got ${shown}`, expectation);
}
