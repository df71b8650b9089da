/**
 * The telemetry contract as data: every metric, attribute, span and closed label value that llamascope emits.
 * Instruments, rules, panels, documentation and tests take their names only from here.
 */
import { withScrapedNames, type FamilyType } from './prometheus/prometheus-names.ts';

/** The outcomes of a generation, each with its closed set of reasons. */
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

/** An outcome with one of its own reasons: `{ outcome: 'rejected', reason: 'queue_full' }`. */
export type Ending = { [O in Outcome]: { outcome: O; reason: Reason<O> } }[Outcome];

export const tokenTypes = ['input', 'cached_input', 'output'] as const;
/** Sources of copied prefixes; a failed copy is evaluated instead. */
export const prefixCopies = ['sequence', 'cache', 'failed'] as const;
/** `broken`: the server behind this process broke off. */
export const streamEndings = ['done', 'error_frame', 'client_gone', 'stalled', 'broken'] as const;
export type StreamEnding = (typeof streamEndings)[number];
/** Requests without a first token: the client disconnected, or the service ended them. */
export const unansweredTypes = ['abandoned', 'ended'] as const;
export type UnansweredType = (typeof unansweredTypes)[number];
/** Values of `error.type` for lost spans: the export queue was full, the collector answered with an error, or it did not answer. */
export const spanLosses = ['queue_full', 'OTLPExporterError', 'Error'] as const;
export const processRoles = ['api', 'engine'] as const;
/**
 * The states of the service. `restarting`: the engine process has ended, or a new one loads the model. `failed`: the model could not be
 * loaded several times in a row; loading goes on, for a file that is replaced. `stopped`: the engine process, at the end of a shutdown.
 * `unreachable`: the server of BACKEND_URL does not answer.
 */
export const serviceStates = [
  'loading',
  'ready',
  'restarting',
  'failed',
  'draining',
  'stopped',
  'unreachable',
] as const;
export type ServiceState = (typeof serviceStates)[number];
/** Routes that start a generation. SLIs count only these. */
export const generationRoutes = [
  '/chat',
  '/v1/chat/completions',
  '/v1/completions',
  '/v1/messages',
  '/v1/responses',
] as const;
/** Status codes whose `http.server.request.duration` series exist before the first request. */
export const initialStatusCodes = [200, 400, 429, 499, 500, 503] as const;

/** Scrape jobs in `stack/prometheus/prometheus.yml`. `qwen-instruct` is the job name in the articles whose queries must work here. */
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
  urlScheme: 'url.scheme',
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
  state: 'state',
  channel: 'channel',
  architecture: 'architecture',
  quantization: 'quantization',
  parameters: 'parameters',
  context: 'context',
  sha256: 'sha256',
  processRole: 'process.role',
  cpuMode: 'cpu.mode',
  systemMemoryState: 'system.memory.state',
  eventLoopState: 'nodejs.eventloop.state',
  gcType: 'v8js.gc.type',
  heapSpaceName: 'v8js.heap.space.name',
} as const;

/** Attributes of spans only. A client may control their values, so they are never metric labels. */
export const spanAttributes = {
  outcome: 'inference.outcome',
  reason: 'inference.reason',
  responseId: 'gen_ai.response.id',
  finishReasons: 'gen_ai.response.finish_reasons',
  maxTokens: 'gen_ai.request.max_tokens',
  temperature: 'gen_ai.request.temperature',
  topP: 'gen_ai.request.top_p',
  topK: 'gen_ai.request.top_k',
  seed: 'gen_ai.request.seed',
  stopSequences: 'gen_ai.request.stop_sequences',
  frequencyPenalty: 'gen_ai.request.frequency_penalty',
  presencePenalty: 'gen_ai.request.presence_penalty',
  stream: 'gen_ai.request.stream',
  /** Embeddings only: the encoding (`float` or `base64`) and the size of a vector. */
  encodingFormats: 'gen_ai.request.encoding_formats',
  dimensions: 'gen_ai.embeddings.dimension.count',
  /** `text` or `json`. */
  outputType: 'gen_ai.output.type',
  inputTokens: 'gen_ai.usage.input_tokens',
  cachedTokens: 'gen_ai.usage.cache_read.input_tokens',
  /** Cached tokens that were copied from another sequence or from the prefix cache. */
  copiedTokens: 'inference.copied_tokens',
  outputTokens: 'gen_ai.usage.output_tokens',
  /** Tokens passed to the engine after the first output token, such as those evaluated again after a context shift. */
  reevaluatedTokens: 'inference.reevaluated_tokens',
  queuePosition: 'inference.queue.position',
  /** Seconds of prefill before its first slice, while earlier prompts are evaluated. */
  prefillWait: 'inference.prefill.wait',
  tokensPerSecond: 'inference.tokens_per_second',
  /** Id of the API key; without keys only the server span has an address of the client. */
  client: 'inference.client',
  /** How a stream ended for the client, on the server span. */
  streamEnding: 'inference.stream.ending',
  /** Why a request was refused or failed: the sentence and the field that its client got. */
  errorMessage: 'inference.error.message',
  errorParam: 'inference.error.param',
  /** Prompt and answer, only if OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT is true. */
  inputMessages: 'gen_ai.input.messages',
  outputMessages: 'gen_ai.output.messages',
  channel: 'notifier.channel',
  delivery: 'notifier.delivery.outcome',
  deliveryReason: 'notifier.delivery.reason',
  alertCount: 'notifier.alert.count',
  alertGroup: 'notifier.alert.group',
  notificationId: 'notifier.notification.id',
  notificationCount: 'notifier.notification.count',
  notificationAttempt: 'notifier.notification.attempt',
  toolName: 'gen_ai.tool.name',
  toolType: 'gen_ai.tool.type',
  toolDescription: 'gen_ai.tool.description',
  /** Only if content is captured. */
  toolArguments: 'gen_ai.tool.call.arguments',
  toolResult: 'gen_ai.tool.call.result',
} as const;

/** The value of `gen_ai.provider.name`. */
export const genAiProvider = 'llama.cpp';
export const operations = ['chat', 'text_completion'] as const;
export type Operation = (typeof operations)[number];
/** The operation, and name of the span, of an embeddings request. It generates nothing. */
export const embeddingsOperation = 'embeddings';
/** A ranking of documents. Only the instrumentation of other programs observes rankings. */
export const rerankOperation = 'rerank';
export type PoolingOperation = typeof embeddingsOperation | typeof rerankOperation;

/** Span names of the trace of one chat request, parents before children. */
export const spans = {
  chat: 'chat',
  tokenize: 'tokenize',
  queue: 'queue',
  prefill: 'prefill',
  decode: 'decode',
  /** A prompt with functions: the model calls and the calls of functions below one span. */
  invokeAgent: 'invoke_agent',
  executeTool: 'execute_tool',
  /** The notifier: from the start of an alert to its webhook, and one delivery attempt to a channel. */
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
  /** Upper bounds of the buckets. All our histograms have them; histograms of other packages may not. */
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

// The bounds in the semantic conventions stop at 10 s; with them, a rule `P99 > 30 s` could never fire.
const httpBuckets = [
  0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 15, 20, 30, 60, 120,
] as const;
// GenAI semantic conventions: 0.01 doubling to 81.92. We add smaller bounds for small models, and larger bounds up to the deadline.
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
// GenAI semantic conventions: 4^0 … 4^13.
const tokenCountBuckets = Array.from({ length: 14 }, (_, power) => 4 ** power);
const shortBuckets = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5,
] as const;
const queueBuckets = [
  0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120,
] as const;
// From 1 (every token certain) to the size of the vocabulary (every token equally likely).
const perplexityBuckets = [
  1, 1.05, 1.1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 7.5, 10, 15, 20, 30, 50, 100, 1000,
] as const;

// The bounds in the semantic conventions start at 5 ms; most collections are shorter.
const gcBuckets = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1,
  2.5, 5, 7.5, 10,
] as const;
const runtimeNode = '@opentelemetry/instrumentation-runtime-node';

// Marked as pure, so that a bundle without metrics drops the table.
export const metrics = /* @__PURE__ */ withScrapedNames({
  httpServerRequestDuration: {
    name: 'http.server.request.duration',
    kind: 'histogram',
    unit: 's',
    labels: [a.httpRequestMethod, a.httpRoute, a.httpResponseStatusCode, a.urlScheme, a.errorType],
    buckets: httpBuckets,
    meaning: 'Time from the first byte of a request to the last byte of its response.',
    recordedBy: '@opentelemetry/instrumentation-http',
  },
  httpServerActiveRequests: {
    name: 'http.server.active_requests',
    kind: 'updown',
    unit: '{request}',
    labels: [a.httpRequestMethod, a.urlScheme],
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
    meaning:
      'Time of a generation from admission to its last token, or of an embeddings request to its end.',
  },
  genAiServerTimeToFirstToken: {
    name: 'gen_ai.server.time_to_first_token',
    kind: 'histogram',
    unit: 's',
    labels: genAiLabels,
    buckets: firstTokenBuckets,
    meaning:
      'Time from admission to the first token, queue included, of every answer that had one, however it ended.',
  },
  genAiServerTimePerOutputToken: {
    name: 'gen_ai.server.time_per_output_token',
    kind: 'histogram',
    unit: 's',
    labels: genAiLabels,
    buckets: perTokenBuckets,
    meaning:
      '(duration - time to first token) / (output tokens - 1), for answers of at least two tokens.',
  },
  genAiClientTokenUsage: {
    name: 'gen_ai.client.token.usage',
    kind: 'histogram',
    unit: '{token}',
    labels: [...genAiLabels, a.genAiTokenType],
    buckets: tokenCountBuckets,
    meaning: 'Tokens of a prompt (input) or of an answer (output).',
  },
  inferenceDuration: {
    name: 'inference.duration',
    kind: 'histogram',
    unit: 's',
    buckets: generationBuckets,
    meaning:
      'Time from the start of prefill to the last token in the engine, without queue and network: prefill and decode.',
  },
  inferenceRequests: {
    name: 'inference.requests',
    kind: 'counter',
    unit: '{request}',
    labels: [a.outcome, a.reason],
    meaning:
      'Requests by outcome and reason. Every POST to a generation route is counted exactly once.',
  },
  inferenceEmbeddingsRequests: {
    name: 'inference.embeddings.requests',
    kind: 'counter',
    unit: '{request}',
    labels: [a.outcome, a.reason],
    meaning:
      'Embeddings requests by outcome and reason, each counted exactly once; the SLOs do not count them.',
  },
  inferenceTokens: {
    name: 'inference.tokens',
    kind: 'counter',
    unit: '{token}',
    labels: [a.type],
    meaning:
      'Tokens prefilled (input), reused from the prefix cache (cached_input) and generated (output).',
  },
  inferenceQueueDuration: {
    name: 'inference.queue.duration',
    kind: 'histogram',
    unit: 's',
    buckets: queueBuckets,
    meaning: 'Time from entering the queue to the assignment of a sequence.',
  },
  inferenceQueueDepth: {
    name: 'inference.queue.depth',
    kind: 'updown',
    unit: '{request}',
    meaning: 'Requests waiting for a sequence.',
  },
  inferenceQueueLimit: {
    name: 'inference.queue.limit',
    kind: 'gauge',
    unit: '{request}',
    meaning: 'Maximum number of waiting requests.',
  },
  inferenceSequencesActive: {
    name: 'inference.sequences.active',
    kind: 'updown',
    unit: '{sequence}',
    meaning: 'Sequences in use by a request.',
  },
  inferenceSequencesLimit: {
    name: 'inference.sequences.limit',
    kind: 'gauge',
    unit: '{sequence}',
    meaning: 'Maximum number of sequences in use.',
  },
  inferenceTokenizeDuration: {
    name: 'inference.tokenize.duration',
    kind: 'histogram',
    unit: 's',
    buckets: shortBuckets,
    meaning: 'Time to apply the chat template and tokenize one request.',
  },
  inferencePrefillDuration: {
    name: 'inference.prefill.duration',
    kind: 'histogram',
    unit: 's',
    buckets: generationBuckets,
    meaning:
      'Time from the assignment of a sequence to the end of the prompt, the wait for its first slice included.',
  },
  inferenceDecodeDuration: {
    name: 'inference.decode.duration',
    kind: 'histogram',
    unit: 's',
    buckets: generationBuckets,
    meaning: 'Time from the end of prefill to the last token.',
  },
  inferenceUnansweredDuration: {
    name: 'inference.unanswered.duration',
    kind: 'histogram',
    unit: 's',
    labels: [a.type],
    buckets: firstTokenBuckets,
    meaning:
      'Time from admission to the end of a request that its client left (abandoned) or the service ended (ended) without a first token.',
  },
  inferenceInterTokenDuration: {
    name: 'inference.inter_token.duration',
    kind: 'histogram',
    unit: 's',
    buckets: perTokenBuckets,
    meaning:
      'Time between two consecutive tokens of an answer; one observation per token after the first.',
  },
  inferenceBatchTokens: {
    name: 'inference.batch.tokens',
    kind: 'histogram',
    unit: '{token}',
    buckets: batchBuckets,
    meaning: 'Prompt and answer tokens in one batch, which llama.cpp evaluates at once.',
  },
  inferenceBatchSequences: {
    name: 'inference.batch.sequences',
    kind: 'histogram',
    unit: '{sequence}',
    buckets: batchBuckets,
    meaning: 'Sequences that share one batch; more of them lower the cost per token.',
  },
  inferencePrefixCopies: {
    name: 'inference.prefix.copies',
    kind: 'counter',
    unit: '{copy}',
    labels: [a.type],
    meaning:
      'Prefixes copied from another sequence (sequence) or from memory (cache), and copies that failed (failed).',
  },
  inferencePrefixCopied: {
    name: 'inference.prefix.copied',
    kind: 'counter',
    unit: 'By',
    meaning: 'Size of the copied KV cache states.',
  },
  inferencePrefixEvictions: {
    name: 'inference.prefix.evictions',
    kind: 'counter',
    unit: '{conversation}',
    meaning: 'Conversations that the prefix cache dropped for lack of memory.',
  },
  inferencePrefixCacheUsage: {
    name: 'inference.prefix.cache.usage',
    kind: 'gauge',
    unit: 'By',
    meaning: 'Memory of the conversations in the prefix cache.',
  },
  inferenceThreads: {
    name: 'inference.threads',
    kind: 'gauge',
    unit: '{thread}',
    meaning: 'Threads that evaluate a batch.',
  },
  inferenceContextTokens: {
    name: 'inference.context.tokens',
    kind: 'gauge',
    unit: '{token}',
    meaning: 'KV cache cells in use.',
  },
  inferenceContextLimit: {
    name: 'inference.context.limit',
    kind: 'gauge',
    unit: '{token}',
    meaning: 'KV cache cells of all sequences together.',
  },
  inferenceStreamTerminations: {
    name: 'inference.stream.terminations',
    kind: 'counter',
    unit: '{stream}',
    labels: [a.how],
    meaning: 'Streams by how they ended for the client.',
  },
  inferencePerplexity: {
    name: 'inference.perplexity',
    kind: 'histogram',
    unit: '1',
    buckets: perplexityBuckets,
    meaning:
      'Perplexity of an answer: exp of its mean negative log-probability per token. Only answers with log-probabilities.',
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
    meaning: 'The served model in the labels; the value is 1, and 0 for a model served before.',
  },
  inferenceModelLoadDuration: {
    name: 'inference.model.load.duration',
    kind: 'gauge',
    unit: 's',
    meaning: 'Duration of the last model load.',
  },
  inferenceReady: {
    name: 'inference.ready',
    kind: 'gauge',
    unit: '',
    meaning: '1 if generations are accepted, else 0.',
  },
  inferenceState: {
    name: 'inference.state',
    kind: 'gauge',
    unit: '',
    labels: [a.state],
    meaning: '1 for the present state of the service, 0 for the others.',
  },
  processCpuTime: {
    name: 'process.cpu.time',
    kind: 'counter',
    unit: 's',
    labels: [a.processRole, a.cpuMode],
    meaning:
      'CPU time of the process. That of the engine is summed over restarts, so it never falls.',
  },
  processMemoryUsage: {
    name: 'process.memory.usage',
    kind: 'updown',
    unit: 'By',
    labels: [a.processRole],
    meaning:
      'Resident memory; 0 for a process that does not run. The model is in the memory of the engine process.',
  },
  processStartTime: {
    name: 'process.start_time',
    kind: 'gauge',
    unit: 's',
    labels: [a.processRole],
    meaning: 'Start of the process, in seconds since 1970.',
  },
  processUptime: {
    name: 'process.uptime',
    kind: 'gauge',
    unit: 's',
    labels: [a.processRole],
    meaning: 'Time since the process started.',
  },
  processUnixFileDescriptorCount: {
    name: 'process.unix.file_descriptor.count',
    kind: 'updown',
    unit: '{file_descriptor}',
    labels: [a.processRole],
    meaning: 'Open file descriptors; 0 for a process that does not run.',
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
    kind: 'updown',
    unit: 'By',
    labels: [a.systemMemoryState],
    meaning: 'Memory of the machine: used, or free including reclaimable.',
  },
  systemMemoryUtilization: {
    name: 'system.memory.utilization',
    kind: 'gauge',
    unit: '1',
    labels: [a.systemMemoryState],
    meaning: 'Memory of the machine as a share of its total.',
  },
  cgroupCpuThrottledTime: {
    name: 'llamascope.cgroup.cpu.throttled.time',
    kind: 'counter',
    unit: 's',
    meaning:
      'Time for which the CPU quota throttled the cgroup; absent if the cgroup does not count it.',
  },
  cgroupMemoryLimit: {
    name: 'llamascope.cgroup.memory.limit',
    kind: 'gauge',
    unit: 'By',
    meaning: 'Memory limit of the cgroup; absent without a limit.',
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
    meaning: 'Free memory in each heap space.',
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
    meaning: 'Maximum number of attribute sets that this process exports.',
  },
  telemetryScrapeDuration: {
    name: 'telemetry.scrape.duration',
    kind: 'histogram',
    unit: 's',
    buckets: shortBuckets,
    meaning: 'Time to collect and write one scrape. Scrapes that share a collection count once.',
  },
  telemetrySeriesRefused: {
    name: 'telemetry.series.refused',
    kind: 'counter',
    unit: '{measurement}',
    meaning:
      'Measurements dropped or moved to the overflow series because the series limit was reached.',
  },
  telemetrySpansLost: {
    name: 'telemetry.spans.lost',
    kind: 'counter',
    unit: '{span}',
    meaning:
      'Spans missing from the recent traces, because their file could not be written or the disk was too slow.',
  },
  telemetryLogLinesLost: {
    name: 'telemetry.log.lost',
    kind: 'counter',
    unit: '{line}',
    meaning:
      'Log lines that could not be written, because the disk was full or the reader of the pipe stood still.',
  },
  otelSdkProcessorSpanProcessed: {
    name: 'otel.sdk.processor.span.processed',
    kind: 'counter',
    unit: '{span}',
    labels: [a.errorType],
    meaning:
      'Exported spans. With error.type, lost spans: queue_full if the queue was full, else the export failed.',
    recordedBy: '@opentelemetry/sdk-trace',
  },
  notifierNotifications: {
    name: 'notifier.notifications',
    kind: 'counter',
    unit: '{notification}',
    labels: [a.channel, a.outcome, a.reason],
    meaning: 'Delivery attempts by outcome: delivered, retried or dead.',
  },
  notifierAttemptDuration: {
    name: 'notifier.attempt.duration',
    kind: 'histogram',
    unit: 's',
    labels: [a.channel, a.outcome],
    meaning: 'Duration of one call to a channel by outcome; a long message takes several calls.',
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20],
  },
  notifierDeliveryAge: {
    name: 'notifier.delivery.age',
    kind: 'histogram',
    unit: 's',
    labels: [a.channel],
    meaning:
      'From the start or end of an alert until a channel accepted its notification; without reminders.',
    buckets: [1, 2.5, 5, 10, 15, 30, 60, 120, 300, 900, 3600],
  },
  notifierTemplateFailures: {
    name: 'notifier.template.failures',
    kind: 'counter',
    unit: '{failure}',
    labels: [a.channel],
    meaning: 'Templates of NOTIFIER_CONFIG that failed; the built-in text was sent.',
  },
  notifierPendingAge: {
    name: 'notifier.pending.age',
    kind: 'gauge',
    unit: 's',
    meaning: 'Age of the oldest undelivered notification; 0 without one.',
  },
  notifierDeadLetters: {
    name: 'notifier.dead_letters',
    kind: 'gauge',
    unit: '{notification}',
    labels: [a.channel],
    meaning: 'Notifications whose delivery was given up, until someone resends them.',
  },
  notifierHeartbeatAge: {
    name: 'notifier.heartbeat.age',
    kind: 'gauge',
    unit: 's',
    meaning: 'Time since the last Watchdog alert from Alertmanager.',
  },
} as const satisfies Record<string, MetricEntry>);

export type MetricKey = keyof typeof metrics;

/** Metrics that only an engine of our own can tell. In front of another server (BACKEND_URL) they, their panels and their alerts are left out. */
export const engineMetrics: ReadonlySet<MetricKey> = /* @__PURE__ */ new Set<MetricKey>([
  'inferenceQueueDuration',
  'inferenceQueueDepth',
  'inferenceQueueLimit',
  'inferenceSequencesActive',
  'inferenceSequencesLimit',
  'inferenceTokenizeDuration',
  'inferenceBatchTokens',
  'inferenceBatchSequences',
  'inferencePrefixCopies',
  'inferencePrefixCopied',
  'inferencePrefixEvictions',
  'inferencePrefixCacheUsage',
  'inferenceThreads',
  'inferenceContextTokens',
  'inferenceContextLimit',
  'inferencePerplexity',
  'inferenceModelLoadDuration',
]);

let engineNames: RegExp | undefined;

function listEngineNames(): string {
  return [...engineMetrics].map((key) => metrics[key].scraped).join('|');
}

/** Whether a PromQL expression reads a metric of `engineMetrics`, or of the engine process. */
export function needsEngine(expr: string): boolean {
  engineNames ??= new RegExp(
    String.raw`\b(?:${listEngineNames()})(?:_bucket|_sum|_count)?\b|process_role="engine"`,
  );
  return engineNames.test(expr);
}
