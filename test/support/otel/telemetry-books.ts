/** What clients saw, as the series that it should have become; for the tests which hold their books against the service's. */
import type { GenerationSummary } from '../../../otel/generation/inference.ts';
import type { Samples } from './scrape.ts';
import type { Entry } from './telemetry-ledger.ts';

/** The canonical line of a request in the service's log. */
export type Line = GenerationSummary & { trace_id: string; msg: string };
/** By trace id. */
export type Lines = Map<string, Line[]>;

export function readLines(log: readonly string[]): Lines {
  const lines: Lines = new Map();
  for (const text of log) {
    const line = JSON.parse(text) as Line;
    if (line.msg !== 'generation') continue;
    lines.set(line.trace_id, [...(lines.get(line.trace_id) ?? []), line]);
  }
  return lines;
}

export function sumOf(samples: Samples, name: string): number {
  const values = [...samples].filter(([series]) => series.startsWith(`${name}{`));
  return values.reduce((sum, [, value]) => sum + value, 0);
}

/** The samples of one family that are not zero. */
export function counted(samples: Samples, name: string): Record<string, number> {
  const nonZero = [...samples].filter(
    ([series, value]) => value !== 0 && series.split('{', 1)[0] === name,
  );
  return Object.fromEntries(nonZero);
}

function countBy(
  entries: readonly Entry[],
  series: (entry: Entry) => string | undefined,
): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const entry of entries) {
    const name = series(entry);
    if (name !== undefined) counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

/** `/chat` is plain text: how a whole answer ended stands in the log alone. */
export function endingOf({ ending, traceId }: Entry, lines: Lines): string {
  return ending === 'completed' ? `completed ${lines.get(traceId)?.[0]?.reason}` : ending;
}

/** As in the log: one for every request. */
export function toldEndings(entries: readonly Entry[], lines: Lines): string[][] {
  return entries.map(({ traceId }) =>
    (lines.get(traceId) ?? []).map(({ outcome, reason }) => `${outcome} ${reason}`),
  );
}

export function requestSeries(entries: readonly Entry[], lines: Lines): Record<string, number> {
  return countBy(entries, (entry) => {
    const [outcome, reason] = endingOf(entry, lines).split(' ');
    return `inference_requests_total{outcome="${outcome}",reason="${reason}"}`;
  });
}

export function streamSeries(entries: readonly Entry[]): Record<string, number> {
  return countBy(entries, ({ stream }) =>
    stream === undefined ? undefined : `inference_stream_terminations_total{how="${stream}"}`,
  );
}

export const httpCount = 'http_server_request_duration_seconds_count';

export function httpSeries(entries: readonly Entry[]): Record<string, number> {
  return countBy(entries, ({ path, status }) => {
    const error = status >= 500 ? `error_type="${status}",` : '';
    return `${httpCount}{${error}http_request_method="POST",http_response_status_code="${status}",http_route="${path}"}`;
  });
}

interface Tokens {
  input: number;
  cached: number;
  output: number;
}

/** Of an answer that nobody read to the end the log alone knows. `gaps` are those between two output tokens. */
export function countTokens(entries: readonly Entry[], lines: Lines): Tokens & { gaps: number } {
  const total = { input: 0, cached: 0, output: 0, gaps: 0 };
  for (const { traceId, usage } of entries) {
    const { input, cached, output } = usage ?? loggedTokens(lines.get(traceId)?.[0]);
    total.input += input - cached;
    total.cached += cached;
    total.output += output;
    total.gaps += Math.max(0, output - 1);
  }
  return total;
}

export function loggedTokens(line: Line | undefined): Tokens {
  return {
    input: line?.prefillSeconds === undefined ? 0 : line.inputTokens,
    cached: line?.cachedTokens ?? 0,
    output: line?.outputTokens ?? 0,
  };
}

export function tokenSeries({ input, cached, output }: Tokens): Record<string, number> {
  const series = {
    'inference_tokens_total{type="input"}': input,
    'inference_tokens_total{type="cached_input"}': cached,
    'inference_tokens_total{type="output"}': output,
  };
  return Object.fromEntries(Object.entries(series).filter(([, value]) => value !== 0));
}
