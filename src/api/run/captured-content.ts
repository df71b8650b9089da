/** Collects prompt and answer for the chat span, if the operator enabled content capture. Used by generation.ts. */
import type { Generation } from '../../../otel/generation/inference.ts';
import type { ChatMessage, Prompt } from '../../engine/engine.ts';
import type { Delta } from './tool-calls.ts';

export function captureContent(generation: Generation, prompt: Prompt) {
  if (!generation.capturesContent) return { add() {}, end() {} };
  if (prompt.kind === 'chat') generation.content({ input: prompt.messages.map(toCaptured) });
  if (prompt.kind === 'text') generation.content({ input: [{ role: 'user', text: prompt.text }] });
  let text = '';
  const calls: { id: string; name: string; arguments: string }[] = [];
  return {
    add(delta: Delta): void {
      if (delta.type === 'content') text += delta.text;
      else if (delta.type === 'call') {
        calls.push({ id: delta.id, name: delta.name, arguments: '' });
      } else calls[delta.index]!.arguments += delta.text;
    },
    /** Writes the answer to the span. Must be called before the generation ends. */
    end(): void {
      generation.content({ output: calls.length > 0 ? { text, toolCalls: calls } : { text } });
    },
  };
}

function toCaptured(message: ChatMessage) {
  const { role, content: text } = message;
  if (role === 'tool') return { role, text, toolCallId: message.toolCallId };
  const calls = role === 'assistant' ? message.toolCalls : undefined;
  return calls === undefined ? { role, text } : { role, text, toolCalls: calls };
}
