/**
 * Prompt and answer as span attributes, in the JSON of the GenAI conventions. Used by `generation.ts` if content is captured.
 * Source: gen-ai-input-messages.json and gen-ai-output-messages.json of https://github.com/open-telemetry/semantic-conventions-genai
 */
import type { Attributes } from '@opentelemetry/api';
import { spanAttributes as s, type Reason } from '../names.ts';

export interface Message {
  role: string;
  text: string;
  toolCalls?: readonly { id: string; name: string; arguments: unknown }[];
  /** In a message of role `tool`: the id of the call that the message answers. */
  toolCallId?: string;
}

/** Prompt and answer. */
export interface Content {
  input?: readonly Message[];
  output?: Omit<Message, 'role' | 'toolCallId'>;
}

/** Each attribute is valid JSON of at most `limit` characters: long texts are truncated, and `[]` replaces messages that still do not fit. */
export function contentAttributes(
  { input, output }: Content,
  reason: Reason,
  limit: number,
): Attributes {
  const attributes: Attributes = {};
  if (input !== undefined) {
    attributes[s.inputMessages] = fit(limit, (room) => input.map((each) => write(each, room)));
  }
  if (output !== undefined) {
    attributes[s.outputMessages] = fit(limit, (room) => [
      { ...write({ ...output, role: 'assistant' }, room), finish_reason: finishReason(reason) },
    ]);
  }
  return attributes;
}

function fit(limit: number, write: (room: number) => object[]): string {
  for (let room = limit; room > 0; room = Math.floor(room / 2)) {
    const json = JSON.stringify(write(room));
    if (json.length <= limit) return json;
  }
  return '[]';
}

function write({ role, text, toolCalls = [], toolCallId }: Message, room: number): object {
  const short = text.length > room ? `${text.slice(0, room).toWellFormed()}…` : text;
  if (toolCallId !== undefined) {
    return { role, parts: [{ type: 'tool_call_response', id: toolCallId, response: short }] };
  }
  const calls = toolCalls.map((call) => ({ type: 'tool_call', ...call }));
  const texts = short === '' ? [] : [{ type: 'text', content: short }];
  return { role, parts: [...texts, ...calls] };
}

/** The finish reason in the conventions, which define none for a cancelled answer. */
function finishReason(reason: Reason): string {
  if (reason === 'tool_calls') return 'tool_call';
  return reason === 'stop' || reason === 'length' ? reason : 'error';
}
