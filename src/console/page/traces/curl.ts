/** A request as a command line. Its `traceparent` is made here, so that the trace can be looked up before it is there. */
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
    // Never the key itself: a command line is copied into places.
    ...(apiKey === '' ? [] : [`-H "authorization: Bearer $CHAT_API_KEY"`]),
    `-d ${quote(body)}`,
  ];
  return { command: lines.join(' \\\n  '), traceId };
}

/** For a POSIX shell, in which nothing within single quotes is special. */
function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function randomHex(bytes: number): string {
  const random = crypto.getRandomValues(new Uint8Array(bytes));
  return [...random].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
