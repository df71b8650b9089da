/** `make chat Q="..."`: streams one answer to the terminal, then prints its trace id and draws its waterfall. */
import { createParser } from 'eventsource-parser';
import { styleText } from 'node:util';
import { notAnswering, origin, readWholeTrace } from './client.ts';
import { drawWaterfall } from './waterfall.ts';

interface Chunk {
  choices?: { delta?: { content?: string } }[];
  timings?: Record<string, number | undefined>;
  usage?: { prompt_tokens: number; completion_tokens: number };
  error?: { message: string };
}

const question = process.argv[2] ?? '';
if (question === '') {
  console.error('Q: required. Example: make chat Q="What is the capital of France?"');
  process.exit(2);
}
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
  console.error(notAnswering(error));
  process.exit(1);
});

if (!response.ok || response.body === null) {
  const body = (await response.json().catch(() => ({}))) as Chunk;
  console.error(`${response.status}: ${body.error?.message ?? 'no reason given'}`);
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

const traceId = response.headers.get('traceparent')?.split('-')[1] ?? '';
const rate = timings?.['tokens_per_second']?.toFixed(1) ?? '-';
console.log(`

${usage?.prompt_tokens ?? '-'} tokens in, ${usage?.completion_tokens ?? '-'} out, ${rate} a second
trace ${traceId}`);
try {
  const trace = await readWholeTrace(traceId);
  const width = process.stdout.columns || 100;
  process.stdout.write(drawWaterfall(trace, { width, paint: styleText }));
} catch (error) {
  // Without a trace the program still succeeds: the answer is printed.
  console.error((error as Error).message);
}
process.exit(failed ? 1 : 0);
