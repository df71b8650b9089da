/** `make chat Q="..."`: streams one answer in the terminal, then prints where its time went and its trace id. */
import { createParser } from 'eventsource-parser';

interface Chunk {
  choices?: { delta?: { content?: string } }[];
  timings?: Record<string, number | undefined>;
  usage?: { prompt_tokens: number; completion_tokens: number };
  error?: { message: string };
}

const question = process.argv[2] ?? '';
if (question === '') {
  console.error(
    'Q: expected a question, got none. Example: make chat Q="What is the capital of France?"',
  );
  process.exit(2);
}
const origin = process.env['CHAT_URL'] ?? `http://127.0.0.1:${process.env['CHAT_PORT'] || 8000}`;
const key = process.env['CHAT_API_KEYS']?.split(/[\s,]+/)[0];

const response = await fetch(`${origin}/v1/chat/completions`, {
  method: 'POST',
  headers: {
    'content-type': 'application/json',
    ...(key ? { authorization: `Bearer ${key}` } : {}),
  },
  body: JSON.stringify({
    messages: [{ role: 'user', content: question }],
    stream: true,
    stream_options: { include_usage: true },
  }),
}).catch((error: unknown) => {
  const cause =
    error instanceof Error && error.cause instanceof Error ? error.cause.message : error;
  console.error(
    `No chat service answers at ${origin} (${String(cause)}). Start it with \`make up\`.`,
  );
  process.exit(1);
});

if (!response.ok || response.body === null) {
  const body = (await response.json().catch(() => ({}))) as Chunk;
  console.error(`${response.status}: ${body.error?.message ?? 'the service gave no reason'}`);
  process.exit(1);
}

let failed = false;
let timings: Chunk['timings'];
let usage: Chunk['usage'];
const parser = createParser({
  onEvent({ data }) {
    if (data === '[DONE]') return;
    const chunk = JSON.parse(data) as Chunk;
    process.stdout.write(chunk.choices?.[0]?.delta?.content ?? '');
    timings = chunk.timings ?? timings;
    usage = chunk.usage ?? usage;
    if (chunk.error !== undefined) {
      failed = true;
      console.error(`\n${chunk.error.message}`);
    }
  },
});
for await (const text of response.body.pipeThrough(new TextDecoderStream())) parser.feed(text);

const milliseconds = (seconds: number | undefined): string =>
  seconds === undefined ? '-' : `${(seconds * 1000).toFixed(1)} ms`;
console.log(`

tokens      ${usage?.prompt_tokens ?? '-'} in, ${usage?.completion_tokens ?? '-'} out, ${timings?.['tokens_per_second']?.toFixed(1) ?? '-'} a second
queue       ${milliseconds(timings?.['queue_seconds'])}
tokenize    ${milliseconds(timings?.['tokenize_seconds'])}
prefill     ${milliseconds(timings?.['prefill_seconds'])}
first token ${milliseconds(timings?.['first_token_seconds'])}
decode      ${milliseconds(timings?.['decode_seconds'])}
trace       ${response.headers.get('traceparent')?.split('-')[1] ?? '-'}`);
process.exit(failed ? 1 : 0);
