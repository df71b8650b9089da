/** All texts of the page in English. `zh.ts` has the same keys, which the compiler checks. */
import type { Phase } from '../../../../otel/traces/rows.ts';
import type { Status } from '../../server/answers.ts';

/** The facts that the sentence about the longest phase mentions. */
export interface PhaseFacts {
  percent: number;
  inputTokens: number;
  cachedTokens: number;
  outputTokens: number;
  queuePosition: number;
}

type ByName = Record<string, string>;

export const en = {
  navigation: 'Views',
  skip: 'Skip to main content',
  views: {
    chat: 'Chat',
    traces: 'Traces',
    live: 'Live',
    alerts: 'Alerts',
    runbooks: 'Runbook',
  },
  themes: { system: 'System theme', light: 'Light theme', dark: 'Dark theme' },
  themeLabel: (now: string, next: string) => `${now}. Switch to: ${next}`,
  copy: 'Copy',
  copied: 'Copied',

  status: 'Service status',
  states: {
    ready: 'ready',
    loading: 'loading model',
    restarting: 'engine restarting',
    failed: 'model cannot be loaded',
    stopped: 'engine stopped',
    draining: 'shutting down',
  } satisfies Record<Status['state'], string>,
  demo: 'demo',
  sequences: 'sequences',
  sequencesHint: 'Answers that can be generated at the same time',
  context: 'context',
  contextHint: 'Maximum tokens per conversation',
  queue: 'queue',
  queueHint: 'Waiting requests, and the limit',
  restarts: 'restarts',

  conversations: 'Conversations',
  newConversation: 'New conversation',
  remove: (title: string) => `Delete “${title}”`,
  messages: 'Messages',
  you: 'You',
  answer: 'Answer',
  answering: 'Generating the answer.',
  answered: 'The answer has ended.',
  waiting: 'Waiting for the first token…',
  welcome: 'Ask the model something',
  welcomeHint: 'Each answer shows its token usage and where the time went.',
  suggestions: [
    'What is the capital of France?',
    'Explain in three sentences what a token is.',
    'Write a haiku about waiting in a queue.',
  ],
  question: 'Your question',
  questionHint: 'Ask a question (Enter to send)',
  send: 'Send',
  stop: 'Stop',
  retry: 'Try again',
  retryIn: (seconds: number) => `Try again in ${seconds} s`,
  stopped: 'You stopped this answer.',
  broken: 'The answer was interrupted.',
  refused: 'No answer.',
  settings: 'Settings',
  systemPrompt: 'System prompt',
  temperature: 'Temperature',
  maxTokens: 'Max tokens',
  apiKey: 'API key (if required)',
  metricsToken: 'Metrics token (for access from another machine)',
  needsKey: 'This service requires an API key. Enter it in Settings below.',
  sidePanels: 'Effect on the service',
  demoTitle: 'The built-in demo model is in use.',
  demoHint:
    'It can say one sentence only. For a real model, run this on the machine of the service:',
  facts: {
    tokens: 'tokens',
    speed: 'speed',
    firstToken: 'first token',
    cached: 'cached',
    truncated: 'Truncated at max tokens',
  },
  whereTimeWent: 'Show where the time went',
  traceAndCurl: 'Full trace and curl command',

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
  tracePeriods: { all: 'All time', hour: 'Last hour' },
  sort: 'Sort',
  traceSorts: { newest: 'Newest first', slowest: 'Slowest first' },
  outcomes: {
    completed: 'completed',
    cancelled: 'cancelled',
    rejected: 'rejected',
    failed: 'failed',
    other: 'no generation',
  } as ByName,
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
  askFromTerminal: 'Send a request from a terminal',
  curlHint: 'This request sets its own trace ID:',

  live: 'Live',
  dashboards: 'Dashboards',
  range: 'Time range',
  refreshing: (seconds: number) => `Refreshes every ${seconds} s`,
  paused: 'Paused',
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

  alerts: 'Alerts',
  openAlertmanager: 'Open Alertmanager',
  noAlertmanager: 'Alertmanager is not available.',
  nothingFires: 'No alerts are firing.',
  alertStates: { firing: 'firing', silenced: 'silenced', inhibited: 'inhibited' },
  severities: {
    critical: 'critical',
    warning: 'warning',
    info: 'info',
    none: 'none',
  } as ByName,
  since: (time: string) => `since ${time}`,
  runbook: 'Runbook',
  openGraph: 'Open in Prometheus',
  silence: 'Silence for 1 hour',
  silenceReason: 'Reason (visible to others)',
  silenceNow: 'Silence',
  silencedUntil: (time: string, by: string) => `Silenced until ${time} by ${by}:`,
  notifications: 'Recent notifications',
  watchdog: (time: string) => `Alert delivery works: last Watchdog received at ${time}.`,
  noNotifications: 'No notifications yet.',
  deliveries: { pending: 'pending', delivered: 'delivered', dead: 'failed' },
  attempts: (count: number) => `${count} attempts`,

  failures: {
    unreachable:
      'The service does not respond. Check it with make status, or start it with make up.',
    connection_lost: 'The connection was lost.',
    page_closed: 'The page was closed.',
    queue_full: 'The queue is full.',
    queue_timeout: 'The request waited too long in the queue.',
    not_ready: 'The model is not ready yet.',
    engine_exit: 'The engine exited and is restarting.',
    engine_error: 'The engine failed on this request.',
    deadline: 'The request took longer than the service allows.',
    shutdown: 'The service is shutting down.',
    context_overflow: 'The conversation is longer than the context. Start a new one.',
    too_large: 'The request is too large.',
    unauthorized: 'The service requires a key. Enter it in Settings, below the chat.',
  } as ByName,
};

export type Texts = typeof en;
