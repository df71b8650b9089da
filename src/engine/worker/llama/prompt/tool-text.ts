/**
 * Tools for a model whose chat template does not support them: described in the system message, called and answered in plain text,
 * with the exact words of Qwen2.5's template (and Hermes before it). Used by chat-template.ts.
 */
import { Template } from '@huggingface/jinja';
import type { ChatMessage, Tool } from '../../../engine.ts';

export interface Conversation {
  messages: readonly ChatMessage[];
  tools?: readonly Tool[] | undefined;
}

// From the template in Qwen/Qwen2.5-0.5B-Instruct, tokenizer_config.json.
const section = new Template(
  '# Tools\n\nYou may call one or more functions to assist with the user query.\n\n' +
    'You are provided with function signatures within <tools></tools> XML tags:\n<tools>' +
    "{% for tool in tools %}{{ '\\n' }}{{ tool | tojson }}{% endfor %}" +
    "{{ '\\n' }}</tools>\n\nFor each function call, return a json object with function name and arguments " +
    'within <tool_call></tool_call> XML tags:\n<tool_call>\n' +
    '{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>',
);
const call = new Template(
  '<tool_call>\n{"name": "{{ name }}", "arguments": {{ arguments | tojson }}}\n</tool_call>',
);

/** The same conversation with only system, user and assistant messages. */
export function withToolsAsText({ messages, tools }: Conversation): Conversation {
  const texts = mergeToolAnswers(messages.map((message) => toText(message)));
  if (tools === undefined || tools.length === 0) return { messages: texts };
  const [first, ...rest] = texts;
  return first?.role === 'system'
    ? { messages: [system(`${first.content}\n\n${describe(tools)}`), ...rest] }
    : { messages: [system(describe(tools)), ...texts] };
}

function system(content: string): ChatMessage {
  return { role: 'system', content };
}

function describe(tools: readonly Tool[]): string {
  return section.render({ tools: tools.map((tool) => ({ type: 'function', function: tool })) });
}

function toText(message: ChatMessage): ChatMessage {
  if (message.role !== 'assistant' || message.toolCalls === undefined) return message;
  const calls = message.toolCalls.map((made) => call.render({ ...made }));
  return {
    role: 'assistant',
    content: [message.content, ...calls].filter((text) => text !== '').join('\n'),
  };
}

/** Consecutive tool answers become one user message. */
function mergeToolAnswers(messages: readonly ChatMessage[]): ChatMessage[] {
  const merged: ChatMessage[] = [];
  let previous: ChatMessage['role'] | undefined;
  for (const message of messages) {
    if (message.role === 'tool') {
      const content = `<tool_response>\n${message.content}\n</tool_response>`;
      const last = merged.at(-1);
      if (previous === 'tool' && last !== undefined) last.content += `\n${content}`;
      else merged.push({ role: 'user', content });
    } else {
      merged.push(message);
    }
    previous = message.role;
  }
  return merged;
}
