/** The numbers of an answer whose stream did not get as far as its last chunks: at once as this page saw it, then from its trace. */
import {
  factOf,
  firstTokenOf,
  type Phase,
  toWaterfall,
  type FactName,
  type OtlpTrace,
  type Waterfall,
} from '../../../../otel/traces/rows.ts';
import { getJson } from '../client.ts';
import type { AnswerFacts } from './answer-stream.ts';

/** The service notices within milliseconds that its client has gone; an engine that is busy needs longer. */
const pausesMillis = [100, 200, 400, 800, 1600, 3200, 6400];

/** Undefined when the trace cannot be read, or the generation had not begun. */
export async function loadFacts(traceId: string): Promise<AnswerFacts | undefined> {
  const { signal } = new AbortController();
  for (const pauseMillis of pausesMillis) {
    await new Promise((resolve) => setTimeout(resolve, pauseMillis));
    const result = await getJson<OtlpTrace>(`/api/traces/${traceId}`, signal);
    if (!result.ok && result.failure.code !== 'not_found') return undefined;
    const trace = result.ok ? toWaterfall(result.value) : undefined;
    if (trace?.isWhole === true) return toFacts(trace);
  }
  return undefined;
}

function toFacts(trace: Waterfall): AnswerFacts | undefined {
  const { rows } = trace;
  const find = (name: FactName): number | undefined => {
    const value = rows.map((row) => factOf(row, name)).find((each) => each !== undefined);
    return value === undefined ? undefined : Number(value);
  };
  const outputTokens = find('outputTokens');
  if (outputTokens === undefined) return undefined;
  const firstTokenMillis = firstTokenOf(trace);
  const seconds = (phase: Phase): number | undefined => {
    const row = rows.find((each) => each.phase === phase);
    return row && row.durationMillis / 1000;
  };
  return {
    inputTokens: find('inputTokens'),
    cachedTokens: find('cachedTokens') ?? 0,
    outputTokens,
    tokensPerSecond: find('tokensPerSecond'),
    firstTokenSeconds: firstTokenMillis && firstTokenMillis / 1000,
    finishReason: 'stop',
    phases: {
      queue: seconds('queue'),
      tokenize: seconds('tokenize'),
      prefill: seconds('prefill'),
      decode: seconds('decode'),
    },
  };
}

/** Counts the pieces of a stream, each of which is a token or a few. */
export function createMeter() {
  const askedAt = performance.now();
  let pieces = 0;
  let firstAt = 0;
  let lastAt = 0;
  return {
    onPiece(): void {
      pieces += 1;
      lastAt = performance.now();
      if (pieces === 1) firstAt = lastAt;
    },
    facts(): AnswerFacts | undefined {
      if (pieces === 0) return undefined;
      const decode = lastAt > firstAt ? (lastAt - firstAt) / 1000 : undefined;
      return {
        inputTokens: undefined,
        cachedTokens: 0,
        outputTokens: pieces,
        tokensPerSecond: decode && (pieces - 1) / decode,
        firstTokenSeconds: (firstAt - askedAt) / 1000,
        finishReason: 'stop',
        phases: { queue: undefined, tokenize: undefined, prefill: undefined, decode },
      };
    },
  };
}
