/** Reads prompts and answers of node-llama-cpp as messages. Called only if content is captured. */
import type { Message } from '../generation/content.ts';
import type { Generated, HistoryItem, Model } from './llama.ts';
import type { Output } from './operation.ts';

/** `input` is a text, tokens, or a `LlamaText`. */
export function inputText(input: unknown, model: Model): string {
  return Array.isArray(input) ? model.detokenize(input as number[]) : plainText(input);
}

function plainText(text: unknown): string {
  if (typeof text === 'string') return text;
  // A LlamaText converts itself; its JSON does not.
  const converted = String(text);
  return converted.startsWith('[object') ? JSON.stringify(text) : converted;
}

export function readHistory(history: readonly HistoryItem[]): Message[] {
  return history.flatMap((item) =>
    item.type === 'model'
      ? readModelItem(item.response)
      : [{ role: item.type, text: plainText(item.text) }],
  );
}

interface FunctionCall {
  type: 'functionCall';
  name: string;
  params: unknown;
  result: unknown;
}

function readModelItem(response: readonly unknown[]): Message[] {
  const text = response
    .map((part) => (typeof part === 'string' ? part : (part as { text?: string }).text))
    .filter((part) => part !== undefined)
    .join('');
  const calls = response
    .filter((part): part is FunctionCall => (part as FunctionCall).type === 'functionCall')
    .map(({ name, params, result }, index) => ({ id: `call_${index}`, name, params, result }));
  if (text === '' && calls.length === 0) return [];
  const toolCalls = calls.map(({ id, name, params }) => ({ id, name, arguments: params }));
  return [
    { role: 'assistant', text, toolCalls },
    ...calls.map(({ id, result }) => ({
      role: 'tool',
      text: JSON.stringify(result) ?? '',
      toolCallId: id,
    })),
  ];
}

export function readOutput({ response, completion, functionCalls = [] }: Generated): Output {
  const text = response ?? completion ?? '';
  return {
    text: typeof text === 'string' ? text : '',
    toolCalls: functionCalls.map(({ functionName, params }, index) => ({
      id: `call_${index}`,
      name: functionName,
      arguments: params,
    })),
  };
}
