/**
 * The telemetry contract as data: every metric, attribute, span and closed label value that llamascope emits.
 * Instruments, rules, panels, documentation and tests take their names from here and nowhere else.
 */
import { withScrapedNames, type FamilyType } from './prometheus/prometheus-names.ts';

/** How a generation can end, and the closed set of reasons for each way. */
export const endings = {
  completed: ['stop', 'length', 'tool_calls'],
  cancelled: ['client_gone', 'deadline', 'shutdown'],
  rejected: [
    'bad_request',
    'context_overflow',
    'model_not_found',
    'not_ready',
    'queue_full',
    'queue_timeout',
    'shutdown',
    'too_large',
    'unauthorized',
  ],
  failed: ['engine_error', 'engine_exit', 'internal_error'],
} as const;

export type Outcome = keyof typeof endings;
export type Reason<O extends Outcome = Outcome> = (typeof endings)[O][number];

/** A way to end with one of its own reasons: `{ outcome: 'rejected', reason: 'queue_full' }`. */
export type Ending = { [O in Outcome]: { outcome: O; reason: Reason<O> } }[Outcome];

export const tokenTypes = ['input', 'cached_input', 'output'] as const;
export const streamEndings = ['done', 'error_frame', 'client_gone', 'stalled'] as const;
export type StreamEnding = (typeof streamEndings)[number];
/** Why a span was lost: no room in the queue, a collector that answered badly, one that did not answer. */
export const spanLosses = ['queue_full', 'OTLPExporterError', 'Error'] as const;
export const processRoles = ['api', 'engine'] as const;
/** The routes whose requests ask for a generation; every SLI looks at these only. */
export const generationRoutes = ['/chat', '/v1/chat/completions', '/v1/completions'] as const;
/** Status codes for which `http.server.request.duration` exists before the first request. */
export const initialStatusCodes = [200, 400, 429, 500, 503] as const;

/** The scrape jobs in `stack/prometheus/prometheus.yml`. The articles that the project answers query `qwen-instruct`. */
export const jobs = {
  chat: 'qwen-instruct',
  notifier: 'notifier',
  prometheus: 'prometheus',
  alertmanager: 'alertmanager',
} as const;

export const attributes = {
  httpRequestMethod: 'http.request.method',
  httpRoute: 'http.route',
  httpResponseStatusCode: 'http.response.status_code',
  errorType: 'error.type',
  genAiOperationName: 'gen_ai.operation.name',
  genAiProviderName: 'gen_ai.provider.name',
  genAiRequestModel: 'gen_ai.request.model',
  genAiResponseModel: 'gen_ai.response.model',
  genAiTokenType: 'gen_ai.token.type',
  outcome: 'outcome',
  reason: 'reason',
  type: 'type',
  how: 'how',
  channel: 'channel',
  architecture: 'architecture',
  quantization: 'quantization',
  parameters: 'parameters',
  context: 'context',
  sha256: 'sha256',
  processRole: 'process.role',
  processCpuMode: 'process.cpu.mode',
  cpuMode: 'cpu.mode',
  systemMemoryState: 'system.memory.state',
  eventLoopState: 'nodejs.eventloop.state',
  gcType: 'v8js.gc.type',
  heapSpaceName: 'v8js.heap.space.name',
} as const;

/** What only spans carry: values here may come from a client, so none of them is ever a metric's label. */
export const spanAttributes = {
  responseId: 'gen_ai.response.id',
  finishReasons: 'gen_ai.response.finish_reasons',
  maxTokens: 'gen_ai.request.max_tokens',
  temperature: 'gen_ai.request.temperature',
  topP: 'gen_ai.request.top_p',
  topK: 'gen_ai.request.top_k',
  seed: 'gen_ai.request.seed',
  stopSequences: 'gen_ai.request.stop_sequences',
  inputTokens: 'gen_ai.usage.input_tokens',
  cachedTokens: 'gen_ai.usage.cache_read.input_tokens',
  outputTokens: 'gen_ai.usage.output_tokens',
  stream: 'inference.stream',
  queuePosition: 'inference.queue.position',
  tokensPerSecond: 'inference.tokens_per_second',
  /** What was said: only where OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT is true. */
  inputMessages: 'gen_ai.input.messages',
  outputMessages: 'gen_ai.output.messages',
} as const;

/** The value of `gen_ai.provider.name`: who generates. */
export const genAiProvider = 'llama.cpp';
export const operations = ['chat', 'text_completion'] as const;
export type Operation = (typeof operations)[number];

/** The trace of one chat request, parents before children. */
export const spans = {
  chat: 'chat',
  tokenize: 'tokenize',
  queue: 'queue',
  prefill: 'prefill',
  decode: 'decode',
  /** Of the notifier: from what happened to the webhook that tells it, and one attempt to tell a channel. */
  alert: 'alert',
  deliver: 'deliver',
} as const;

/** The event on the `decode` span at its first token. */
export const firstTokenEvent = 'first_token';

export type MetricKind = FamilyType | 'updown';

interface MetricEntry {
  /** The OpenTelemetry name. */
  name: string;
  kind: MetricKind;
  /** UCUM: `s`, `By`, `1`, `{annotation}` or empty. */
  unit: string;
  labels?: readonly string[];
  /** Upper bounds. Every histogram of ours has them; other packages' may not. */
  buckets?: readonly number[];
  /** One sentence: the question that this metric answers. */
  meaning: string;
  /** The package that records it, if it is not ours. */
  recordedBy?: string;
}

export interface MetricDefinition extends MetricEntry {
  labels: readonly string[];
  /** The name in Prometheus; samples of a histogram add `_bucket`, `_sum` and `_count`. */
  scraped: string;
}

const a = attributes;
const genAiLabels = [
  a.genAiOperationName,
  a.genAiProviderName,
  a.genAiRequestModel,
  a.genAiResponseModel,
] as const;

// Semconv's bounds for HTTP stop at 10 s; a rule "P99 > 30 s" could then never fire.
const httpBuckets = [
  0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 15, 20, 30, 60, 120,
] as const;
// GenAI semconv: 0.01 doubling to 81.92; finer below for small models, wider above up to the deadline.
const generationBuckets = [
  0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96,
  81.92, 163.84, 300,
] as const;
const firstTokenBuckets = [
  0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 30, 60,
  120,
] as const;
const perTokenBuckets = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5,
  10,
] as const;
const batchBuckets = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512] as const;
// GenAI semconv: 4^0 … 4^13.
const tokenCountBuckets = Array.from({ length: 14 }, (_, power) => 4 ** power);
const shortBuckets = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5,
] as const;
const queueBuckets = [
  0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120,
] as const;
// 1 is a model that is always sure; as large as its vocabulary one that knows nothing.
const perplexityBuckets = [
  1, 1.05, 1.1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 7.5, 10, 15, 20, 30, 50, 100, 1000,
] as const;

// Semconv's bounds for garbage collection start at 5 ms; most collections are shorter.
const gcBuckets = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1,
  2.5, 5, 7.5, 10,
] as const;
const runtimeNode = '@opentelemetry/instrumentation-runtime-node';

export const metrics = withScrapedNames({
  httpServerRequestDuration: {
    name: 'http.server.request.duration',
    kind: 'histogram',
    unit: 's',
    labels: [a.httpRequestMethod, a.httpRoute, a.httpResponseStatusCode, a.errorType],
    buckets: httpBuckets,
    meaning: 'How the API answers: from the first byte of the request to the last of the response.',
    recordedBy: '@opentelemetry/instrumentation-http',
  },
  httpServerActiveRequests: {
    name: 'http.server.active_requests',
    kind: 'updown',
    unit: '{request}',
    labels: [a.httpRequestMethod],
    meaning: 'Requests in flight, open streams included.',
  },
  httpServerConnections: {
    name: 'http.server.connections',
    kind: 'gauge',
    unit: '{connection}',
    meaning: 'Open TCP connections, idle keep-alive ones included.',
  },
  genAiServerRequestDuration: {
    name: 'gen_ai.server.request.duration',
    kind: 'histogram',
    unit: 's',
    labels: [...genAiLabels, a.errorType],
    buckets: generationBuckets,
    meaning: 'A generation from admission to its last token.',
  },
  genAiServerTimeToFirstToken: {
    name: 'gen_ai.server.time_to_first_token',
    kind: 'histogram',
    unit: 's',
    labels: genAiLabels,
    buckets: firstTokenBuckets,
    meaning: 'From admission to the first token, queue included.',
  },
  genAiServerTimePerOutputToken: {
    name: 'gen_ai.server.time_per_output_token',
    kind: 'histogram',
    unit: 's',
    labels: genAiLabels,
    buckets: perTokenBuckets,
    meaning:
      '(duration - time to first token) / (output tokens - 1), for two output tokens and more.',
  },
  genAiClientTokenUsage: {
    name: 'gen_ai.client.token.usage',
    kind: 'histogram',
    unit: '{token}',
    labels: [...genAiLabels, a.genAiTokenType],
    buckets: tokenCountBuckets,
    meaning: 'The size of prompts and answers.',
  },
  inferenceDuration: {
    name: 'inference.duration',
    kind: 'histogram',
    unit: 's',
    buckets: generationBuckets,
    meaning:
      'Prefill start to last token in the engine: the model alone, queue and socket excluded.',
  },
  inferenceRequests: {
    name: 'inference.requests',
    kind: 'counter',
    unit: '{request}',
    labels: [a.outcome, a.reason],
    meaning:
      'Closed accounting: every POST whose headers reach a generation route gets exactly one outcome.',
  },
  inferenceTokens: {
    name: 'inference.tokens',
    kind: 'counter',
    unit: '{token}',
    labels: [a.type],
    meaning: 'Throughput, and what the prefix cache saved: prefilled, reused and generated tokens.',
  },
  inferenceQueueDuration: {
    name: 'inference.queue.duration',
    kind: 'histogram',
    unit: 's',
    buckets: queueBuckets,
    meaning: 'Waiting for a sequence, then for the prompts that are read before.',
  },
  inferenceQueueDepth: {
    name: 'inference.queue.depth',
    kind: 'updown',
    unit: '{request}',
    meaning: 'Requests that wait for a sequence now.',
  },
  inferenceQueueLimit: {
    name: 'inference.queue.limit',
    kind: 'gauge',
    unit: '{request}',
    meaning: 'The most requests that may wait.',
  },
  inferenceSequencesActive: {
    name: 'inference.sequences.active',
    kind: 'updown',
    unit: '{sequence}',
    meaning: 'Sequences that generate now.',
  },
  inferenceSequencesLimit: {
    name: 'inference.sequences.limit',
    kind: 'gauge',
    unit: '{sequence}',
    meaning: 'The most sequences that can generate at once.',
  },
  inferenceTokenizeDuration: {
    name: 'inference.tokenize.duration',
    kind: 'histogram',
    unit: 's',
    buckets: shortBuckets,
    meaning: 'Chat template and tokenisation of one request.',
  },
  inferencePrefillDuration: {
    name: 'inference.prefill.duration',
    kind: 'histogram',
    unit: 's',
    buckets: generationBuckets,
    meaning: 'Evaluating the prompt.',
  },
  inferenceDecodeDuration: {
    name: 'inference.decode.duration',
    kind: 'histogram',
    unit: 's',
    buckets: generationBuckets,
    meaning: 'From the end of prefill to the last token.',
  },
  inferenceInterTokenDuration: {
    name: 'inference.inter_token.duration',
    kind: 'histogram',
    unit: 's',
    buckets: perTokenBuckets,
    meaning:
      'The gap a reader feels between two tokens; one observation a token from the second on.',
  },
  inferenceBatchTokens: {
    name: 'inference.batch.tokens',
    kind: 'histogram',
    unit: '{token}',
    buckets: batchBuckets,
    meaning:
      'What the model evaluates at a time: tokens of prompts and answers in one decode of llama.cpp.',
  },
  inferenceBatchSequences: {
    name: 'inference.batch.sequences',
    kind: 'histogram',
    unit: '{sequence}',
    buckets: batchBuckets,
    meaning: 'How many chats share one decode of llama.cpp; more of them make each token cheaper.',
  },
  inferenceContextTokens: {
    name: 'inference.context.tokens',
    kind: 'gauge',
    unit: '{token}',
    meaning: 'KV cells in use.',
  },
  inferenceContextLimit: {
    name: 'inference.context.limit',
    kind: 'gauge',
    unit: '{token}',
    meaning: 'KV cells available, over all sequences.',
  },
  inferenceStreamTerminations: {
    name: 'inference.stream.terminations',
    kind: 'counter',
    unit: '{stream}',
    labels: [a.how],
    meaning: 'How each stream ended, as the client saw it.',
  },
  inferencePerplexity: {
    name: 'inference.perplexity',
    kind: 'histogram',
    unit: '1',
    buckets: perplexityBuckets,
    meaning:
      "exp of an answer's mean negative log-probability a token: a model gone wrong shows here first. Only answers whose tokens came with one.",
  },
  inferenceModelInfo: {
    name: 'inference.model.info',
    kind: 'gauge',
    unit: '',
    labels: [
      a.genAiRequestModel,
      a.architecture,
      a.quantization,
      a.parameters,
      a.context,
      a.sha256,
    ],
    meaning: 'What is being served; the value is always 1.',
  },
  inferenceModelLoadDuration: {
    name: 'inference.model.load.duration',
    kind: 'gauge',
    unit: 's',
    meaning: 'How long the last load took.',
  },
  inferenceReady: {
    name: 'inference.ready',
    kind: 'gauge',
    unit: '',
    meaning: '1 when generations are accepted, else 0.',
  },
  processCpuTime: {
    name: 'process.cpu.time',
    kind: 'counter',
    unit: 's',
    labels: [a.processRole, a.processCpuMode],
    meaning:
      'CPU time of the API process and of the engine process, which never falls over restarts.',
  },
  processMemoryUsage: {
    name: 'process.memory.usage',
    kind: 'gauge',
    unit: 'By',
    labels: [a.processRole],
    meaning: 'Resident memory; the model lives in the engine process.',
  },
  processStartTime: {
    name: 'process.start_time',
    kind: 'gauge',
    unit: 's',
    labels: [a.processRole],
    meaning: 'When the process started, in seconds since 1970.',
  },
  processUptime: {
    name: 'process.uptime',
    kind: 'gauge',
    unit: 's',
    labels: [a.processRole],
    meaning: 'How long the process has run.',
  },
  processOpenFileDescriptors: {
    name: 'process.open_file_descriptors',
    kind: 'gauge',
    unit: '{file_descriptor}',
    labels: [a.processRole],
    meaning: 'Open file descriptors.',
  },
  systemCpuTime: {
    name: 'system.cpu.time',
    kind: 'counter',
    unit: 's',
    labels: [a.cpuMode],
    meaning: 'CPU time of the machine, summed over its cores.',
  },
  systemMemoryUsage: {
    name: 'system.memory.usage',
    kind: 'gauge',
    unit: 'By',
    labels: [a.systemMemoryState],
    meaning: 'Memory of the machine: used, and free or reclaimable.',
  },
  systemMemoryUtilization: {
    name: 'system.memory.utilization',
    kind: 'gauge',
    unit: '1',
    labels: [a.systemMemoryState],
    meaning: 'The same as a share of all memory.',
  },
  containerCpuThrottledTime: {
    name: 'container.cpu.throttled.time',
    kind: 'counter',
    unit: 's',
    meaning:
      'Time in which the cgroup was held back by its CPU quota; absent without a cgroup that counts it.',
  },
  containerMemoryLimit: {
    name: 'container.memory.limit',
    kind: 'gauge',
    unit: 'By',
    meaning: 'Memory limit of the cgroup; absent without one.',
  },
  nodejsEventloopDelayMin: {
    name: 'nodejs.eventloop.delay.min',
    kind: 'gauge',
    unit: 's',
    meaning: 'Shortest event loop delay since the last scrape.',
    recordedBy: runtimeNode,
  },
  nodejsEventloopDelayMax: {
    name: 'nodejs.eventloop.delay.max',
    kind: 'gauge',
    unit: 's',
    meaning: 'Longest event loop delay since the last scrape.',
    recordedBy: runtimeNode,
  },
  nodejsEventloopDelayMean: {
    name: 'nodejs.eventloop.delay.mean',
    kind: 'gauge',
    unit: 's',
    meaning: 'Mean event loop delay since the last scrape.',
    recordedBy: runtimeNode,
  },
  nodejsEventloopDelayStddev: {
    name: 'nodejs.eventloop.delay.stddev',
    kind: 'gauge',
    unit: 's',
    meaning: 'Standard deviation of the event loop delay since the last scrape.',
    recordedBy: runtimeNode,
  },
  nodejsEventloopDelayP50: {
    name: 'nodejs.eventloop.delay.p50',
    kind: 'gauge',
    unit: 's',
    meaning: 'Median event loop delay since the last scrape.',
    recordedBy: runtimeNode,
  },
  nodejsEventloopDelayP90: {
    name: 'nodejs.eventloop.delay.p90',
    kind: 'gauge',
    unit: 's',
    meaning: '90th percentile of the event loop delay since the last scrape.',
    recordedBy: runtimeNode,
  },
  nodejsEventloopDelayP99: {
    name: 'nodejs.eventloop.delay.p99',
    kind: 'gauge',
    unit: 's',
    meaning: '99th percentile of the event loop delay since the last scrape.',
    recordedBy: runtimeNode,
  },
  nodejsEventloopTime: {
    name: 'nodejs.eventloop.time',
    kind: 'counter',
    unit: 's',
    labels: [a.eventLoopState],
    meaning: 'Time the event loop was active or idle.',
    recordedBy: runtimeNode,
  },
  nodejsEventloopUtilization: {
    name: 'nodejs.eventloop.utilization',
    kind: 'gauge',
    unit: '1',
    meaning: 'Share of time the event loop was active since the last scrape.',
    recordedBy: runtimeNode,
  },
  v8jsGcDuration: {
    name: 'v8js.gc.duration',
    kind: 'histogram',
    unit: 's',
    labels: [a.gcType],
    buckets: gcBuckets,
    meaning: 'Pauses for garbage collection.',
    recordedBy: runtimeNode,
  },
  v8jsMemoryHeapUsed: {
    name: 'v8js.memory.heap.used',
    kind: 'gauge',
    unit: 'By',
    labels: [a.heapSpaceName],
    meaning: 'JavaScript heap in use, by heap space.',
    recordedBy: runtimeNode,
  },
  v8jsMemoryHeapSpaceSize: {
    name: 'v8js.memory.heap.space.size',
    kind: 'updown',
    unit: 'By',
    labels: [a.heapSpaceName],
    meaning: 'Size of each heap space.',
    recordedBy: runtimeNode,
  },
  v8jsMemoryHeapSpaceAvailableSize: {
    name: 'v8js.memory.heap.space.available_size',
    kind: 'gauge',
    unit: 'By',
    labels: [a.heapSpaceName],
    meaning: 'Room left in each heap space.',
    recordedBy: runtimeNode,
  },
  v8jsMemoryHeapSpacePhysicalSize: {
    name: 'v8js.memory.heap.space.physical_size',
    kind: 'gauge',
    unit: 'By',
    labels: [a.heapSpaceName],
    meaning: 'Committed size of each heap space.',
    recordedBy: runtimeNode,
  },
  telemetrySeries: {
    name: 'telemetry.series',
    kind: 'gauge',
    unit: '{series}',
    meaning: 'Attribute sets that this process exports.',
  },
  telemetrySeriesLimit: {
    name: 'telemetry.series.limit',
    kind: 'gauge',
    unit: '{series}',
    meaning: 'The most attribute sets that this process may export.',
  },
  telemetryScrapeDuration: {
    name: 'telemetry.scrape.duration',
    kind: 'histogram',
    unit: 's',
    buckets: shortBuckets,
    meaning: 'Collecting and writing one scrape.',
  },
  telemetrySeriesRefused: {
    name: 'telemetry.series.refused',
    kind: 'counter',
    unit: '{measurement}',
    meaning:
      'Measurements whose attribute set was over the ceiling and went into an overflow series or nowhere.',
  },
  otelSdkProcessorSpanProcessed: {
    name: 'otel.sdk.processor.span.processed',
    kind: 'counter',
    unit: '{span}',
    labels: [a.errorType],
    meaning:
      'Spans that were exported; with an error.type those that were lost: queue_full without room to wait, any other when the export failed.',
    recordedBy: '@opentelemetry/sdk-trace',
  },
  notifierNotifications: {
    name: 'notifier.notifications',
    kind: 'counter',
    unit: '{notification}',
    labels: [a.channel, a.outcome, a.reason],
    meaning:
      'Attempts to deliver a notification by what became of them: delivered, retried or dead.',
  },
  notifierPendingAge: {
    name: 'notifier.pending.age',
    kind: 'gauge',
    unit: 's',
    meaning: 'Age of the oldest notification that is not delivered yet; 0 when there is none.',
  },
  notifierDeadLetters: {
    name: 'notifier.dead_letters',
    kind: 'gauge',
    unit: '{notification}',
    labels: [a.channel],
    meaning: 'Notifications that were given up and wait for someone to send them again.',
  },
  notifierHeartbeatAge: {
    name: 'notifier.heartbeat.age',
    kind: 'gauge',
    unit: 's',
    meaning: 'Time since the last Watchdog of Alertmanager arrived.',
  },
} as const satisfies Record<string, MetricEntry>);

export type MetricKey = keyof typeof metrics;
