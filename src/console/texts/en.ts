/** Everything the page says, in English. `zh.ts` has the same keys: the compiler holds them together. */
import type { Phase } from '../traces/spans.ts';
import type { ServiceState } from '../wire.ts';

/** What an explanation of a trace can tell. */
export interface PhaseFacts {
  percent: number;
  input: number;
  cached: number;
  output: number;
  position: number;
}

type ByName = Record<string, string>;

export const en = {
  navigation: 'Views',
  skip: 'Skip to the content',
  views: {
    chat: 'Chat',
    traces: 'Traces',
    live: 'Live',
    alerts: 'Alerts',
    runbooks: 'Runbook',
  },
  themes: { system: 'Colours of the system', light: 'Light', dark: 'Dark' },
  themeLabel: (now: string, next: string) => `${now}. Switch to: ${next}`,
  copy: 'Copy',
  copied: 'Copied',

  status: 'How the service is',
  states: {
    ready: 'ready',
    loading: 'loading the model',
    restarting: 'engine restarts',
    stopped: 'engine stopped',
    draining: 'shutting down',
  } satisfies Record<ServiceState, string>,
  demo: 'demo',
  sequences: 'at once',
  sequencesHint: 'How many answers can be written at the same time',
  context: 'context',
  contextHint: 'Tokens that one conversation can hold',
  queue: 'queue',
  queueHint: 'Requests that wait now, and the most that may',
  restarts: (count: number) => `restarts ${count}`,

  conversations: 'Conversations',
  newConversation: 'New conversation',
  remove: (title: string) => `Delete “${title}”`,
  messages: 'Messages',
  you: 'You',
  answer: 'Answer',
  answering: 'The answer is being written.',
  answered: 'The answer has ended.',
  waiting: 'Waiting for the first token …',
  welcome: 'Ask the model something',
  welcomeHint: 'Under every answer you see what it cost and where its time went.',
  suggestions: [
    'What is the capital of France?',
    'Explain in three sentences what a token is.',
    'Write a haiku about waiting in a queue.',
  ],
  question: 'Your question',
  questionHint: 'Ask something. Enter sends, Shift+Enter breaks the line.',
  send: 'Send',
  stop: 'Stop',
  retry: 'Try again',
  retryIn: (seconds: number) => `Try again in ${seconds} s`,
  stopped: 'You stopped this answer.',
  broken: 'This answer broke off.',
  refused: 'There is no answer.',
  settings: 'Settings',
  systemPrompt: 'System prompt',
  temperature: 'Temperature',
  maxTokens: 'Most tokens',
  apiKey: 'API key, if the service asks for one',
  metricsToken: 'Metrics token, from beyond this machine',
  needsKey: 'This service asks for an API key: enter it under Settings, below.',
  beside: 'What you cause here',
  demoTitle: 'The built-in demo model answers.',
  demoHint: 'It knows one sentence only. For a model that chats, run this where the service runs:',
  facts: {
    tokens: 'tokens',
    speed: 'speed',
    firstToken: 'first token',
    cached: 'cached',
    cut: 'cut short: most tokens',
  },
  whereTimeWent: 'Show where the time of this answer went',
  traceAndCurl: 'The whole trace, and the request as curl',

  traces: 'Traces',
  filter: 'Which traces',
  traceFilters: { all: 'All', slow: 'Slow', failed: 'Failed', cancelled: 'Cancelled' },
  period: 'How far back',
  tracePeriods: { all: 'All', hour: 'Last hour' },
  sort: 'Order',
  traceSorts: { newest: 'Newest first', slowest: 'Slowest first' },
  outcomes: {
    completed: 'completed',
    cancelled: 'cancelled',
    rejected: 'rejected',
    failed: 'failed',
    other: 'no generation',
  } as ByName,
  noTraces: 'No traces yet: every question in the chat makes one.',
  noTracesLikeThat: 'No traces like that.',
  tracesHint:
    'The last requests, kept in the memory of the service; slow and failed ones longest. “Slow” is the slowest tenth.',
  endings: {
    client_gone: 'The client closed the connection before the end.',
    bad_request: 'The service could not make sense of the request.',
    model_not_found: 'It asked for a model that is not served here.',
    internal_error: 'The service failed at this request.',
  } as ByName,
  traceGone: 'This trace is not, or no longer, in the memory of the service.',
  waterfall: 'Where the time went',
  spanLabel: (name: string, duration: string, start: string) =>
    `${name}: ${duration}, from ${start}`,
  eventLabel: (name: string, at: string) => `${name} at ${at}`,
  noAttributes: 'Nothing more is known of it.',
  phaseMeanings: {
    tokenize: 'The text becomes tokens, the pieces that a model reads.',
    queue: 'Waiting for a free place: all of them were answering others.',
    prefill: 'The model reads the prompt. What it has read before comes from the cache.',
    decode: 'The model writes the answer, token by token.',
  } satisfies Record<Phase, string>,
  longest: {
    tokenize: ({ percent, input }) =>
      `Most of the time (${percent} %) went into cutting the prompt into ${input} tokens.`,
    queue: ({ percent, position }) =>
      `Most of the time (${percent} %) was waiting for a free place, behind ${position} others.`,
    prefill: ({ percent, input, cached }) =>
      `Most of the time (${percent} %) went into reading the prompt: ${input} tokens, ${cached} of them from the cache.`,
    decode: ({ percent, output }) =>
      `Most of the time (${percent} %) went into writing the answer: ${output} tokens.`,
  } satisfies Record<Phase, (facts: PhaseFacts) => string>,
  copyTraceId: 'Copy the id',
  openConversation: 'Open the conversation',
  openInJaeger: 'Open in Jaeger',
  sameAgain: 'The same again, from a terminal',
  askFromTerminal: 'A question from a terminal',
  curlHint: 'It names its own trace, which is then here:',

  live: 'Live',
  dashboards: 'Dashboards',
  range: 'How far back',
  refreshing: (seconds: number) => `Refreshes every ${seconds} s`,
  paused: 'Paused',
  openInGrafana: 'Open in Grafana',
  noPrometheus: 'No Prometheus answers. What follows is what the service itself knows.',
  needsPrometheus: 'This takes Prometheus.',
  noData: 'Nothing in this time: ask something in the chat, or look further back.',
  heatMost: (from: string, to: string, percent: number) => `mostly ${from} to ${to} (${percent} %)`,
  zeroes: (count: number, isRest: boolean) => (isRest ? `${count} others: 0` : `all ${count}: 0`),
  levels: { orange: 'orange', red: 'red' },
  heatNothing: 'nothing at that time',
  plotLabel: (title: string, values: string) => `${title}. ${values} Arrow keys read the values.`,
  exemplar: (value: string, at: string) => `Trace of a request: ${value} at ${at}`,

  alerts: 'Alerts',
  openAlertmanager: 'Open Alertmanager',
  noAlertmanager: 'No Alertmanager answers, so nothing is known of alerts.',
  nothingFires: 'Nothing fires.',
  alertStates: { firing: 'firing', silenced: 'silenced', inhibited: 'inhibited' },
  severities: {
    critical: 'critical',
    warning: 'warning',
    info: 'info',
    none: 'none',
  } as ByName,
  since: (time: string) => `since ${time}`,
  runbook: 'Runbook',
  silence: 'Silence for an hour',
  silenceReason: 'Why? Others will read it.',
  silenceNow: 'Silence',
  silencedUntil: (time: string, by: string) => `Silenced until ${time} by ${by}:`,
  notifications: 'Recent notifications',
  watchdog: (time: string) =>
    `Alerts get through: the one that always fires arrived last at ${time}.`,
  noNotifications: 'None yet.',
  deliveries: { pending: 'pending', delivered: 'delivered', dead: 'given up' },
  attempts: (count: number) => `${count} attempts`,

  failures: {
    unreachable: 'The service does not answer. Is it running? `make up` starts it.',
    connection_lost: 'The connection was lost before the end.',
    page_closed: 'The page was closed before the end.',
    queue_full: 'Too many people wait already.',
    queue_timeout: 'It waited for a free place for too long.',
    not_ready: 'The model is not ready yet.',
    engine_exit: 'The engine ended in the middle; it is being started again.',
    engine_error: 'The engine failed at this request.',
    deadline: 'It took longer than the service allows.',
    shutdown: 'The service is shutting down.',
    context_overflow: 'The conversation is longer than the model can read. Begin a new one.',
    too_large: 'The question is too large.',
    unauthorized: 'The service asks for a key: enter it under Settings, below the chat.',
  } as ByName,
};
