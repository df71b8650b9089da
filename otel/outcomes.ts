/**
 * The table of what counts as good: each row is a way in which a request can end, each column is a ratio. The rules, the panels, the recorded
 * statuses and the page of metrics are generated from these tables.
 */
import {
  type Ending,
  type MetricKey,
  type Outcome,
  type Reason,
  type StreamEnding,
  type UnansweredType,
} from './names.ts';
import { formatBound } from './prometheus/prometheus-names.ts';
import { anyOf, ofChat, series, summed, type RangeOptions } from './promql.ts';
import { defaultThresholds } from './thresholds.ts';
import type { Text } from './text.ts';

/** `mistake`: of the client. `abandoned`: the client disconnected. */
export type Kind = 'success' | 'failure' | 'refusal' | 'mistake' | 'abandoned';

/**
 * `none`: neither good nor bad, and not in the total. `by first token`: good if the first token arrived within the bound of the SLO; bad
 * after it, also without a first token; `none` if the request ended earlier without one.
 */
export type Count = 'good' | 'bad' | 'none' | 'by first token';

/** The ratios of requests. */
export const ratios = {
  availability: {
    title: 'availability',
    usedBy:
      'the availability SLO, its burn rates and alerts; Success ratio, the first number of the page',
  },
  latency: {
    title: 'latency',
    usedBy: 'the latency SLO, its burn rates and alerts',
  },
  capacity: { title: 'capacity', usedBy: 'RequestsRejected' },
  status: {
    title: 'status',
    usedBy:
      'HighErrorRate, over `http_requests_total`: 5xx is bad, and every request is in the total',
  },
} as const;

export type Ratio = keyof typeof ratios;
type Counts = Record<Ratio, Count>;

const kinds: Record<Kind, Counts> = {
  success: { availability: 'good', latency: 'by first token', capacity: 'good', status: 'good' },
  failure: { availability: 'bad', latency: 'by first token', capacity: 'good', status: 'bad' },
  refusal: { availability: 'bad', latency: 'by first token', capacity: 'bad', status: 'bad' },
  mistake: { availability: 'none', latency: 'none', capacity: 'none', status: 'good' },
  abandoned: { availability: 'none', latency: 'by first token', capacity: 'none', status: 'good' },
};

export interface Row extends Counts {
  kind: Kind;
  /** Status in `http_requests_total` of a stream that ended so after its 200. */
  streamStatus: number;
}

const row = (kind: Kind, streamStatus: number, counts: Partial<Counts> = {}): Row => ({
  kind,
  streamStatus,
  ...kinds[kind],
  ...counts,
});
const success = row('success', 200);
const failure = row('failure', 500);
const refusal = row('refusal', 503);
// Refused before its stream can begin.
const mistake = row('mistake', 200);

type Rows = { [O in Outcome]: Record<Reason<O>, Row> };

export const outcomes: Rows = {
  completed: { stop: success, length: success, tool_calls: success },
  cancelled: { client_gone: row('abandoned', 200), deadline: failure, shutdown: failure },
  rejected: {
    bad_request: mistake,
    context_overflow: mistake,
    model_not_found: mistake,
    not_ready: refusal,
    // The queue is full before a stream begins, and 429 is no 5xx.
    queue_full: row('refusal', 429, { status: 'good' }),
    queue_timeout: refusal,
    // The next instance has the capacity.
    shutdown: row('refusal', 503, { capacity: 'good' }),
    too_large: mistake,
    unauthorized: mistake,
  },
  failed: { engine_error: failure, engine_exit: failure, internal_error: failure },
};

/**
 * Clients that disconnected without a first token. Late ones are bad, so that no SLO improves when people give up; early ones may have
 * changed their mind.
 */
export const abandonedWaits: Record<'early' | 'late', Row> = {
  early: row('abandoned', 200, { latency: 'none' }),
  late: row('abandoned', 200, { availability: 'bad', latency: 'bad' }),
};

/** How StreamsStalled counts the ending of a stream. */
export const streamCounts: Record<StreamEnding, 'good' | 'bad'> = {
  done: 'good',
  error_frame: 'good',
  client_gone: 'good',
  stalled: 'bad',
  broken: 'good',
};

/** Each row with its ending. */
export const allRows: readonly (Ending & { row: Row })[] = Object.entries(outcomes).flatMap(
  ([outcome, reasons]) =>
    Object.entries<Row>(reasons).map(([reason, each]) => ({ outcome, reason, row: each }) as never),
);

export function rowOf({ outcome, reason }: { outcome: Outcome; reason: Reason }): Row {
  const rows: Partial<Record<Reason, Row>> = outcomes[outcome];
  const found = rows[reason];
  if (found === undefined) throw new RangeError(`${outcome} ${reason}: no such ending`);
  return found;
}

/** Which series of `inference.unanswered.duration` has a request without a first token; undefined for mistakes and complete answers. */
export function unansweredType(ending: {
  outcome: Outcome;
  reason: Reason;
}): UnansweredType | undefined {
  const { kind } = rowOf(ending);
  if (kind === 'abandoned') return 'abandoned';
  return kind === 'failure' || kind === 'refusal' ? 'ended' : undefined;
}

/** @throws Error if two outcomes share a reason but not its count: a matcher of reasons could not tell them apart. */
export function reasonsOf(ratio: Ratio, ...wanted: Count[]): Reason[] {
  const counts = new Map<Reason, Count>();
  for (const { reason, row: each } of allRows) {
    const other = counts.get(reason) ?? each[ratio];
    if (other !== each[ratio]) throw new Error(`${reason}: two counts in the ratio ${ratio}`);
    counts.set(reason, other);
  }
  return [...counts.keys()].filter((reason) => wanted.includes(counts.get(reason)!));
}

/** Reasons of streams that broke off after their 200, by the status that `http_requests_total` gives them. */
export function brokenStreams(): Map<number, string[]> {
  const reasons = new Map<number, string[]>();
  for (const { reason, row: each } of allRows) {
    if (each.streamStatus < 500) continue;
    const known = reasons.get(each.streamStatus) ?? [];
    // A stream ends by `shutdown` as a failure; its refusal comes before the stream.
    const isFailure = reasons.get(500)?.includes(reason) === true;
    if (!isFailure && !known.includes(reason)) known.push(reason);
    reasons.set(each.streamStatus, known);
  }
  return reasons;
}

type Query = (operation: 'rate' | 'increase', range: RangeOptions) => string;

export interface Indicator {
  /** Every request that the ratio counts. */
  all: Query;
  bad: Query;
}

const counted =
  (metric: MetricKey, where: string, part?: string): Query =>
  (operation, range) =>
    summed(operation, series(metric, where, part), range);

/** Observations above a bound of the histogram. */
function countedAbove(metric: MetricKey, bound: number, matchers: string[] = []): Query {
  const all = counted(metric, ofChat(...matchers), '_count');
  const within = counted(metric, ofChat(...matchers, `le="${formatBound(bound)}"`), '_bucket');
  return (...given) => `(${all(...given)} - ${within(...given)})`;
}

const added =
  (...parts: Query[]): Query =>
  (...given) =>
    parts.map((part) => part(...given)).join(' + ');

/** The queries of a ratio. `above` is the bound of the latency SLO in seconds. */
export function indicator(
  ratio: Exclude<Ratio, 'status'>,
  { above }: { above: number } = defaultThresholds.slo,
): Indicator {
  const late = abandonedWaits.late[ratio] === 'bad';
  if (ratio === 'latency') {
    const { metric } = defaultThresholds.slo;
    const types: UnansweredType[] = late ? ['abandoned', 'ended'] : ['ended'];
    const unanswered = countedAbove('inferenceUnansweredDuration', above, [anyOf('type', types)]);
    return {
      all: added(counted(metric, ofChat(), '_count'), unanswered),
      bad: added(countedAbove(metric, above), unanswered),
    };
  }
  const requests = (...wanted: Count[]): Query =>
    counted('inferenceRequests', ofChat(anyOf('reason', reasonsOf(ratio, ...wanted))));
  const gaveUp = countedAbove('inferenceUnansweredDuration', above, ['type="abandoned"']);
  const parts = late ? [gaveUp] : [];
  return {
    all: added(requests('good', 'bad'), ...parts),
    bad: added(requests('bad'), ...parts),
  };
}

const streams = (...matchers: string[]): Query =>
  counted('inferenceStreamTerminations', ofChat(...matchers));

/** The queries of StreamsStalled. */
export function streamIndicator(): Indicator {
  const bad = Object.entries(streamCounts).flatMap(([how, is]) => (is === 'bad' ? how : []));
  return { all: streams(), bad: streams(...bad.map((how) => `how="${how}"`)) };
}

/** For panels and pages. */
export const ratioTexts = {
  availability: {
    en: `Share of requests that were answered. Failures, refusals, streams that broke off, and clients that gave up after ${defaultThresholds.slo.above} s without a first token are bad; mistakes of clients and earlier disconnects do not count.`,
    zh: `得到完整回答的请求比例。出错、被拒绝、流式响应中途断开，以及等待超过 ${defaultThresholds.slo.above} 秒仍未收到首 token 而放弃的请求计为失败；客户端自身的错误和更早断开的请求不计入。`,
  },
  latency: {
    en: `Share of requests whose first token arrived within ${defaultThresholds.slo.above} s. Without a first token they are late after ${defaultThresholds.slo.above} s and do not count before.`,
    zh: `首 token 延迟不超过 ${defaultThresholds.slo.above} 秒的请求比例。没有收到首 token 的请求，等待超过 ${defaultThresholds.slo.above} 秒的计为超标，其余不计入。`,
  },
} as const satisfies Partial<Record<Ratio, Text>>;

const line = (...cells: (string | number)[]): string => `| ${cells.join(' | ')} |`;

/** The tables as Markdown, for the page of metrics. */
export function writeOutcomes(): string {
  const columns = Object.keys(ratios) as Ratio[];
  const cells = (each: Row): (string | number)[] => [
    each.kind,
    ...columns.map((ratio) => each[ratio]),
    each.streamStatus,
  ];
  const rows = allRows.flatMap(({ outcome, reason, row: each }) => {
    const name = `\`${outcome}\` \`${reason}\``;
    if (each.kind !== 'abandoned') return [line(name, ...cells(each))];
    return [
      line(`${name} after a first token`, ...cells(each)),
      line(`${name} without one, within the bound`, ...cells(abandonedWaits.early)),
      line(`${name} without one, after the bound`, ...cells(abandonedWaits.late)),
    ];
  });
  const stalled = Object.entries(streamCounts).map(([how, is]) => line(`\`${how}\``, is));
  return `## What counts as good

One row for each way in which a request can end, one column for each ratio. The source is \`otel/outcomes.ts\`.

${columns.map((ratio) => `- **${ratios[ratio].title}**: ${ratios[ratio].usedBy}.`).join('\n')}

*none* is neither good nor bad, and not in the total. *by first token* is good if the first token arrived within the bound of the SLO
(${defaultThresholds.slo.above} s, \`ALERT_SLO_ABOVE\`), and bad after it; without a first token it is bad after the bound, else *none*. *stream* is the status in
\`http_requests_total\` of a stream that ended so after its 200.

${line('ending', 'kind', ...columns, 'stream')}
|${'---|'.repeat(columns.length + 3)}
${rows.join('\n')}

StreamsStalled counts streams by their ending in \`inference_stream_terminations_total\`:

| ending | |
|---|---|
${stalled.join('\n')}
`;
}
