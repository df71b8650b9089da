/** The prompt of a conversation, whichever API it came by. */
import type { ChatMessage, Prompt, Tool } from '../engine/engine.ts';

/** An answer that comes last is continued, as llama-server, vLLM and Anthropic do, unless it has called tools. */
export function toPrompt(
  messages: readonly ChatMessage[],
  tools: readonly Tool[] | undefined,
): Prompt {
  const last = messages.at(-1);
  const continues = last?.role === 'assistant' && last.toolCalls === undefined;
  return {
    kind: 'chat',
    messages,
    ...(tools === undefined ? {} : { tools }),
    ...(continues ? { continues } : {}),
  };
}
