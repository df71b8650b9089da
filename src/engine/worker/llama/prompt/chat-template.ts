/** Renders a conversation with the chat template of the model's file, as the model was trained on it. Used by prompt.ts. */
import { Template } from '@huggingface/jinja';
import { ChatError } from '../../../../errors.ts';
import type { ChatMessage } from '../../../engine.ts';
import { withToolsAsText, type Conversation } from './tool-text.ts';

/** For a file without a template: https://github.com/openai/openai-python/blob/release-v0.28.0/chatml.md */
export const chatMl =
  "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/** @throws Error for a template that Hugging Face's Jinja cannot parse. */
export function createChatTemplate(options: {
  source: string;
  bosToken: string;
  eosToken: string;
}) {
  const template = new Template(options.source);
  const knowsTools = /\btools\b/.test(options.source);
  return {
    source: options.source,
    /** The prompt up to where the answer begins. @throws ChatError `bad_request` for messages that the template refuses. */
    render(conversation: Conversation): string {
      const { messages, tools } = knowsTools ? conversation : withToolsAsText(conversation);
      const functions = (tools ?? []).map((tool) => ({ type: 'function', function: tool }));
      try {
        return template.render({
          messages: toTemplate(messages),
          ...(functions.length > 0 ? { tools: functions } : {}),
          add_generation_prompt: true,
          bos_token: options.bosToken,
          eos_token: options.eosToken,
        });
      } catch (error) {
        throw new ChatError(
          'bad_request',
          `The model's chat template refuses these messages: ${error instanceof Error ? error.message : String(error)}`,
          {
            param: 'messages',
            cause: error,
            recorded: "The model's chat template refuses these messages.",
          },
        );
      }
    },
  };
}

/** The shape that templates on Hugging Face expect: OpenAI's, with parsed arguments. */
function toTemplate(messages: readonly ChatMessage[]): Record<string, unknown>[] {
  const names = new Map<string, string>();
  return messages.map((message) => {
    const { role, content } = message;
    if (message.role === 'tool') {
      const name = names.get(message.toolCallId);
      const id = { tool_call_id: message.toolCallId };
      return { role, content, ...id, ...(name === undefined ? {} : { name }) };
    }
    if (message.role !== 'assistant' || message.toolCalls === undefined) return { role, content };
    const calls = message.toolCalls.map(({ id, name, arguments: values }) => {
      names.set(id, name);
      return { id, type: 'function', function: { name, arguments: values } };
    });
    return calls.length === 0 ? { role, content } : { role, content, tool_calls: calls };
  });
}
