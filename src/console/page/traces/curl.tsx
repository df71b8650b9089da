/** A chat request as a curl command. It sets its own `traceparent`, so the page can link to the trace in advance. */
import type { VNode } from 'preact';
import { useMemo } from 'preact/hooks';
import type { ChatRequest } from '../chat/answer-stream.ts';
import { addressOf } from '../client.ts';
import { CodeBlock } from '../copy-button.tsx';
import { credentials } from '../preferences.ts';
import { linkTo } from '../route.ts';
import { useTexts } from '../texts/texts.ts';

export function Curl({ request }: { request: ChatRequest }): VNode {
  const t = useTexts();
  const [traceId, spanId] = useMemo(() => [randomHex(16), randomHex(8)] as const, []);
  return (
    <section class="card padded curl">
      <h2>{t.repeatRequest}</h2>
      <CodeBlock text={toCurl(request, `00-${traceId}-${spanId}-01`)} />
      <p class="hint">
        {t.curlHint} <a href={linkTo('traces', traceId)}>{traceId.slice(0, 8)}</a>
      </p>
    </section>
  );
}

function toCurl(request: ChatRequest, traceparent: string): string {
  const body = JSON.stringify({ ...request, stream: true });
  const lines = [
    `curl -N ${addressOf('/v1/chat/completions')}`,
    `-H 'content-type: application/json'`,
    `-H 'traceparent: ${traceparent}'`,
    // Not the key itself: commands are pasted into chats and tickets.
    ...(credentials.get().apiKey === '' ? [] : [`-H "authorization: Bearer $CHAT_API_KEY"`]),
    // Quoted for a POSIX shell.
    `-d '${body.replaceAll("'", `'\\''`)}'`,
  ];
  return lines.join(' \\\n  ');
}

function randomHex(bytes: number): string {
  const random = crypto.getRandomValues(new Uint8Array(bytes));
  return [...random].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
