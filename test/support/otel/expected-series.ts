/** The series and log lines that the service must have for the requests that a client recorded. */
import type { GenerationSummary } from '../../../otel/generation/inference.ts';
import type { Samples } from './scrape.ts';
import type { RecordedRequest } from './recording-client.ts';

/** The log line that the service writes for each generation. */
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
export function nonZero(samples: Samples, name: string): Record<string, number> {
  const kept = [...samples].filter(
    ([series, value]) => value !== 0 && series.split('{', 1)[0] === name,
  );
  return Object.fromEntries(kept);
}

function countBy(
  recorded: readonly RecordedRequest[],
  series: (request: RecordedRequest) => string | undefined,
): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const request of recorded) {
    const name = series(request);
    if (name !== undefined) counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

/** The reason of a completed `/chat` answer comes from the log, because its plain text has none. */
export function endingOf({ ending, traceId }: RecordedRequest, lines: Lines): string {
  return ending === 'completed' ? `completed ${lines.get(traceId)?.[0]?.reason}` : ending;
}

/** For each recorded request, the endings in the log; a correct log has one each. */
export function loggedEndings(recorded: readonly RecordedRequest[], lines: Lines): string[][] {
  return recorded.map(({ traceId }) =>
    (lines.get(traceId) ?? []).map(({ outcome, reason }) => `${outcome} ${reason}`),
  );
}

export function requestSeries(
  recorded: readonly RecordedRequest[],
  lines: Lines,
): Record<string, number> {
  return countBy(recorded, (request) => {
    const [outcome, reason] = endingOf(request, lines).split(' ');
    return `inference_requests_total{outcome="${outcome}",reason="${reason}"}`;
  });
}

export function streamSeries(recorded: readonly RecordedRequest[]): Record<string, number> {
  return countBy(recorded, ({ stream }) =>
    stream === undefined ? undefined : `inference_stream_terminations_total{how="${stream}"}`,
  );
}

export const httpCount = 'http_server_request_duration_seconds_count';

export function httpSeries(recorded: readonly RecordedRequest[]): Record<string, number> {
  return countBy(recorded, ({ path, status, stream, ending }) => {
    // A stream that broke off after its 200 has the reason.
    const broken = stream === 'error_frame' ? ending.split(' ')[1] : undefined;
    const type = status >= 500 ? status : broken;
    const error = type === undefined ? '' : `error_type="${type}",`;
    return `${httpCount}{${error}http_request_method="POST",http_response_status_code="${status}",http_route="${path}",url_scheme="http"}`;
  });
}

interface Tokens {
  input: number;
  cached: number;
  output: number;
}

/**
 * Token counts from `usage`, or from the log for answers that the client did not read to the end.
 * `gaps` counts the intervals between two output tokens.
 */
export function countTokens(
  recorded: readonly RecordedRequest[],
  lines: Lines,
): Tokens & { gaps: number } {
  const total = { input: 0, cached: 0, output: 0, gaps: 0 };
  for (const { traceId, usage } of recorded) {
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
    input: line?.prefillSeconds === undefined ? 0 : (line.inputTokens ?? 0),
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
