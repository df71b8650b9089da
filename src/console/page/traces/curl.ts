/** A chat request as a curl command. It sets its own `traceparent`, so the page can link to the trace in advance. */
import type { ChatRequest } from '../chat/answer-stream.ts';

export interface CurlCommand {
  command: string;
  traceId: string;
}

export function toCurl(origin: string, request: ChatRequest, apiKey: string): CurlCommand {
  const traceId = randomHex(16);
  const body = JSON.stringify({ ...request, stream: true });
  const lines = [
    `curl -N ${origin}/v1/chat/completions`,
    `-H 'content-type: application/json'`,
    `-H 'traceparent: 00-${traceId}-${randomHex(8)}-01'`,
    // Not the key itself: commands are pasted into chats and tickets.
    ...(apiKey === '' ? [] : [`-H "authorization: Bearer $CHAT_API_KEY"`]),
    `-d ${quote(body)}`,
  ];
  return { command: lines.join(' \\\n  '), traceId };
}

/** Quotes for a POSIX shell. */
function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function randomHex(bytes: number): string {
  const random = crypto.getRandomValues(new Uint8Array(bytes));
  return [...random].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
