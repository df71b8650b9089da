/** All texts of the page in English. `zh.ts` has the same keys, which the compiler checks. */
import type { Status } from '../../server/answers.ts';
import { enAlerts } from './en-alerts.ts';
import { enObserving } from './en-observing.ts';

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
    unreachable: 'the backend does not answer',
  } satisfies Record<Status['state'], string>,
  demo: 'demo',
  sequences: 'sequences',
  sequencesHint: 'Answers that can be generated at the same time',
  context: 'context',
  contextHint: 'Maximum tokens per conversation',
  backend: 'backend',
  backendHint: 'Requests are forwarded to the server of BACKEND_URL, which answers',
  queue: 'queue',
  queueHint: 'Waiting requests, and the limit',
  restarts: 'restarts',

  conversations: 'Conversations',
  newConversation: 'New conversation',
  conversationGone:
    'This conversation is not in this browser. It was deleted, or it belongs to another browser.',
  searchConversations: 'Search conversations',
  nothingFound: 'Nothing found.',
  rename: (title: string) => `Rename “${title}”`,
  remove: (title: string) => `Delete “${title}”`,
  removed: (title: string) => `Deleted: “${title}”`,
  undo: 'Undo',
  dismiss: 'Dismiss',
  exportAll: 'Export all',
  importFile: 'Import…',
  imported: (added: number, all: number) =>
    `Imported ${added} of ${all} conversations${added < all ? '; the others were already here' : ''}.`,
  importTooLarge: 'The conversations were not imported: there is not enough room.',
  noExport: 'This file is not an export of conversations.',
  storageOff:
    'This browser does not let the page store anything. Conversations are lost when the page is closed.',
  storageNearlyFull: (percent: number) =>
    `The room for conversations is ${percent}% full. When it is full, new messages are not stored. Export and delete some.`,
  notStored:
    'This conversation is not stored, because there is not enough room: a reload loses its last messages. Delete other conversations, or copy what you need.',
  othersNotStored:
    'The last messages of another conversation are not stored, because there is not enough room.',
  messages: 'Messages',
  you: 'You',
  answer: 'Answer',
  answering: 'Generating the answer.',
  answered: 'The answer has ended.',
  waiting: 'Waiting for the first token…',
  queued: (before: number, left: string | undefined) =>
    `In the queue, ${before === 0 ? 'you are next' : `${before} before you`}${left === undefined ? '' : `, about ${left}`}`,
  readingPrompt: (percent: number) => `Reading the prompt, ${percent}%`,
  writtenElsewhere: 'This answer is being written in another tab.',
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
  maxTokensRange: (most: number, used: number) =>
    `Enter a whole number from 1 to ${most}. Until then, ${used} is used.`,
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

  ...enObserving,

  ...enAlerts,

  valuesFrom: 'Not up to date: values from',
  ago: (seconds: number) =>
    seconds < 120 ? `${seconds} s ago` : `${Math.round(seconds / 60)} min ago`,

  failures: {
    offline: 'The browser is offline, and the service does not respond.',
    timeout: 'The service did not answer within 10 s.',
    unreadable:
      'The answer of the service was cut off or is not JSON. Is there a proxy in between?',
    unreachable:
      'The service does not respond. Check it with make status, or start it with make up.',
    connection_lost: 'The connection was lost.',
    page_closed: 'The page was closed.',
    queue_full: 'The queue is full.',
    queue_timeout: 'The request waited too long in the queue.',
    not_ready: 'The model is not ready yet.',
    engine_exit: 'The engine exited and is restarting.',
    engine_error: 'The engine failed on this request.',
    backend_unreachable: 'The server behind the service does not answer.',
    backend_timeout: 'The server behind the service fell silent.',
    deadline: 'The request took longer than the service allows.',
    shutdown: 'The service is shutting down.',
    context_length_exceeded: 'The conversation is longer than the context. Start a new one.',
    too_large: 'The request is too large.',
    unauthorized: 'The service requires a key. Enter it in Settings, below the chat.',
  } as ByName,
};

export type Texts = typeof en;
