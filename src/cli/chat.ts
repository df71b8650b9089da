/**
 * `make chat Q="..."`: streams one answer to the terminal, then prints its trace id and draws its waterfall. Ctrl-C ends the answer;
 * its trace is drawn too.
 */
import { createParser } from 'eventsource-parser';
import { randomUUID } from 'node:crypto';
import { styleText } from 'node:util';
import { factOf, type FactName, type Waterfall } from '../../otel/traces/rows.ts';
import { notAnswering, origin, readWholeTrace } from './client.ts';
import { pick, say } from './language.ts';
import { createWaitLine } from './wait-line.ts';
import { drawWaterfall } from './waterfall.ts';

interface Chunk {
  choices?: { delta?: { content?: string }; finish_reason?: string | null }[];
  error?: ErrorFacts;
}

interface ErrorFacts {
  message: string;
  message_zh?: string;
}

/** A model that repeats itself would go on until the context is full. */
const maxTokens = 512;
/** 128 + SIGINT, the exit code that shells use. */
const interrupted = 130;

const stop = new AbortController();
process.once('SIGINT', () => stop.abort());

const explain = ({ message, message_zh: zh }: ErrorFacts): string =>
  pick({ en: message, zh: zh ?? message });

/** The first model of a server in whose front the service stands: Ollama and OpenAI answer no request without a model. */
async function readBackendModel(): Promise<string | undefined> {
  const answer = await fetch(`${origin}/readyz`, { signal: stop.signal }).catch(() => undefined);
  const body = (await answer?.json().catch(() => undefined)) as
    | { backend?: boolean; model?: { id: string } }
    | undefined;
  return body?.backend === true ? body.model?.id : undefined;
}

async function ask(question: string): Promise<Response> {
  const model = await readBackendModel();
  const key = process.env['CHAT_API_KEYS']?.split(/[\s,]+/)[0];
  return await fetch(`${origin}/v1/chat/completions`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      // A proxy in front of several replicas spreads questions by it.
      'x-conversation-id': randomUUID(),
      ...(key ? { authorization: `Bearer ${key}` } : {}),
    },
    body: JSON.stringify({
      ...(model !== undefined && { model, stream_options: { include_usage: true } }),
      messages: [{ role: 'user', content: question }],
      stream: true,
      max_tokens: maxTokens,
    }),
    signal: stop.signal,
  });
}

/** Prints the answer as it arrives. Resolves with the error of a stream that broke off, or why it ended early. */
async function printAnswer(body: ReadableStream<Uint8Array>): Promise<ErrorFacts | undefined> {
  let failure: ErrorFacts | undefined;
  const wait = createWaitLine(process.stderr, pick);
  const parser = createParser({
    onComment: (comment) => wait.show(comment),
    onEvent({ data }) {
      wait.clear();
      if (data === '[DONE]') return;
      const { choices, error } = JSON.parse(data) as Chunk;
      process.stdout.write(choices?.[0]?.delta?.content ?? '');
      if (choices?.[0]?.finish_reason === 'length') say(cutOff);
      failure = error ?? failure;
    },
  });
  const texts = body.pipeThrough(new TextDecoderStream());
  try {
    for await (const text of texts) parser.feed(text);
  } catch (error) {
    if (!stop.signal.aborted) failure = { message: (error as Error).message };
  }
  wait.clear();
  return failure;
}

const cutOff = {
  en: `\n[cut off after ${maxTokens} tokens]`,
  zh: `\n[已在 ${maxTokens} 个 token 处截断]`,
};

/** The numbers come from the trace, which also has those of an answer that was stopped. */
function summarise({ rows }: Waterfall): void {
  // Several spans have a fact; that of an early end may be less.
  const largest = (name: FactName): number =>
    Math.max(0, ...rows.map((row) => Number(factOf(row, name) ?? 0)));
  const rate = largest('tokensPerSecond');
  const [tokensIn, tokensOut] = [largest('inputTokens'), largest('outputTokens')];
  const perSecond = rate === 0 ? '-' : rate.toFixed(1);
  say({
    en: `${tokensIn} tokens in, ${tokensOut} out, ${perSecond} a second`,
    zh: `输入 ${tokensIn} 个 token，输出 ${tokensOut} 个，每秒 ${perSecond} 个`,
  });
}

async function showTrace(traceId: string): Promise<void> {
  try {
    const trace = await readWholeTrace(traceId);
    summarise(trace);
    console.log(`trace ${traceId}`);
    const width = process.stdout.columns || 100;
    process.stdout.write(drawWaterfall(trace, { width, paint: styleText }));
  } catch (error) {
    // Without a trace the program still succeeds: the answer is printed.
    console.error(`trace ${traceId}: ${(error as Error).message}`);
  }
}

async function main(question: string): Promise<number> {
  if (question === '') {
    console.error('Q: required. Example: make chat Q="What is the capital of France?"');
    return 2;
  }
  if (process.stdout.isTTY) {
    say({
      en: `(at most ${maxTokens} tokens; Ctrl-C stops)`,
      zh: `（最多 ${maxTokens} 个 token，按 Ctrl-C 停止）`,
    });
  }
  let response: Response;
  try {
    response = await ask(question);
  } catch (error) {
    if (stop.signal.aborted) return interrupted;
    console.error(notAnswering(error));
    return 1;
  }
  if (!response.ok || response.body === null) {
    const { error } = (await response.json().catch(() => ({}))) as Chunk;
    console.error(`${response.status}: ${error ? explain(error) : '-'}`);
    return 1;
  }
  const failure = await printAnswer(response.body);
  console.log('\n');
  if (stop.signal.aborted) say({ en: '[stopped]', zh: '[已停止]' });
  if (failure !== undefined) console.error(explain(failure));
  await showTrace(response.headers.get('traceparent')?.split('-')[1] ?? '');
  if (stop.signal.aborted) return interrupted;
  return failure === undefined ? 0 : 1;
}

process.exit(await main(process.argv[2] ?? ''));
