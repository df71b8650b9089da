/** The texts of the views Traces and Live in English. `zh-observing.ts` has the same keys. */
import type { Phase } from '../../../../otel/traces/rows.ts';

/** The facts that the sentence about the longest phase mentions. */
export interface PhaseFacts {
  percent: number;
  inputTokens: number;
  cachedTokens: number;
  outputTokens: number;
  queuePosition: number;
}

type ByName = Record<string, string>;

export const enObserving = {
  traces: 'Traces',
  filter: 'Filter',
  traceFilters: {
    all: 'All',
    slow: 'Slow',
    failed: 'Failed',
    rejected: 'Rejected',
    cancelled: 'Cancelled',
  },
  period: 'Time range',
  tracePeriods: { all: 'All time', quarter: 'Last 15 min', hour: 'Last hour', day: 'Last day' },
  sort: 'Sort',
  traceSorts: { newest: 'Newest first', slowest: 'Slowest first' },
  outcomes: {
    completed: 'completed',
    cancelled: 'cancelled',
    rejected: 'rejected',
    failed: 'failed',
    other: 'no generation',
  } as ByName,
  route: 'Route',
  allRoutes: 'All routes',
  client: 'Client',
  clientName: 'client',
  allClients: 'All keys and clients',
  errorText: 'Text of an error',
  traceColumns: {
    time: 'Time',
    request: 'Request',
    outcome: 'Outcome',
    tokens: 'Tokens',
    firstToken: 'First token',
    client: 'Key or client',
    duration: 'Duration',
  },
  totalTokens: 'tokens in all',
  tokensInOut: 'Prompt tokens → output tokens',
  beyondScale: 'Longer than the scale',
  phaseColors: 'Colors of the bars',
  times: (count: number) => `${count} times`,
  sinceTime: (time: string) => `since ${time}`,
  usage: 'Use by key or client',
  usageOf: (count: number) => `The newest ${count} requests of this list, added up`,
  usageRequests: 'requests',
  usageRefused: 'rejected',
  usageTime: 'time in all',
  unknownClient: 'unknown',
  tracePages: 'Pages',
  firstPage: 'First page',
  nextPage: 'Next page',
  traceTitle: (id: string) => `Trace ${id}`,
  field: 'field',
  model: 'model',
  inputTokens: 'prompt tokens',
  outputTokens: 'output tokens',
  cachedTokens: (count: number) => ` (${count} cached)`,
  noTraces: 'No traces yet. Each question in the chat creates one.',
  noMatchingTraces: 'No matching traces.',
  tracesHint: 'Recent requests; slow and failed ones are kept longest. “Slow” is the slowest 10%.',
  endings: {
    client_gone: 'The client closed the connection before the answer ended.',
    bad_request: 'The request was invalid.',
    model_not_found: 'The requested model is not served here.',
    internal_error: 'Internal error. See the log of the service.',
  } as ByName,
  traceGone: 'Trace not found. Only recent traces are kept.',
  waterfall: 'Where the time went',
  spanFrom: (start: string) => `from ${start}`,
  eventLabel: (name: string, at: string) => `${name} at ${at}`,
  noAttributes: 'No attributes.',
  rest: 'other',
  restMeaning: 'Time that no phase explains, such as reading the request and sending the answer.',
  phaseMeanings: {
    tokenize: 'Tokenize: splits the prompt into tokens.',
    queue: 'Queue: waits for a free sequence while all generate other answers.',
    prefill:
      'Prefill: processes the prompt, after earlier prompts. Tokens in the prefix cache are skipped.',
    decode: 'Decode: generates the answer token by token.',
  } satisfies Record<Phase, string>,
  longest: {
    tokenize: ({ percent, inputTokens }) =>
      `Tokenize took longest (${percent}%): ${inputTokens} prompt tokens.`,
    queue: ({ percent, queuePosition }) =>
      `The queue took longest (${percent}%)${queuePosition > 0 ? `, at position ${queuePosition}` : ''}.`,
    prefill: ({ percent, inputTokens, cachedTokens }) =>
      `Prefill took longest (${percent}%): ${inputTokens} prompt tokens, ${cachedTokens} of them cached.`,
    decode: ({ percent, outputTokens }) =>
      `Decode took longest (${percent}%): ${outputTokens} output tokens.`,
  } satisfies Record<Phase, (facts: PhaseFacts) => string>,
  copyTraceId: 'Copy trace ID',
  openConversation: 'Open conversation',
  openInJaeger: 'Open in Jaeger',
  repeatRequest: 'Repeat this request from a terminal',
  curlHint: 'This request sets its own trace ID:',

  live: 'Live',
  dashboards: 'Dashboards',
  range: 'Time range',
  ranges: { '5m': '5m', '15m': '15m', '1h': '1h', '6h': '6h', '24h': '24h' },
  refreshing: (seconds: number) => `Refreshes every ${seconds} s`,
  paused: 'Paused',
  fullScreen: 'Full screen',
  leaveFullScreen: 'Leave full screen',
  allPanels: (dashboard: string) => `All panels of ${dashboard}`,
  earlierValue: (value: string, at: string) => `No value now. The last one: ${value} at ${at}`,
  openInGrafana: 'Open in Grafana',
  noPrometheus: 'Prometheus is not available, so panels have no data.',
  needsPrometheus: 'Requires Prometheus.',
  noData: 'No data in this time range. Ask something in the chat, or choose a longer range.',
  heatMost: (from: string, to: string, percent: number) => `mostly ${from} to ${to} (${percent}%)`,
  zeroes: (count: number, isRest: boolean) => (isRest ? `${count} others: 0` : `all ${count}: 0`),
  levels: { orange: 'warning', red: 'critical' },
  heatNothing: 'no data at this time',
  plotLabel: (title: string, values: string) =>
    `${title}. ${values} Use the arrow keys to read values.`,
  exemplar: (value: string, at: string) => `Trace of a request: ${value} at ${at}`,
};
