/** The service's routes with a scripted engine instead of a model. */
import { metrics, trace } from '@opentelemetry/api';
import type { Hono } from 'hono';
import { monotonicMillis } from '../../../otel/clock.ts';
import { noTraces } from '../../../otel/traces/keep-traces.ts';
import {
  createInferenceTelemetry,
  type Generation,
  type InferenceTelemetry,
} from '../../../otel/generation/inference.ts';
import type { Ending, StreamEnding } from '../../../otel/names.ts';
import { defaultTimeouts } from '../../../src/api/run/request-limits.ts';
import { createApp, type AppOptions } from '../../../src/app.ts';
import type {
  Engine,
  Fact,
  GenerationRequest,
  PromptToken,
  TokenLogprob,
} from '../../../src/engine/engine.ts';

export interface Script {
  /** The text of each token. */
  pieces: readonly string[];
  finishReason: 'stop' | 'length';
  /** The tokens of an echoed prompt. */
  prompt?: readonly PromptToken[];
  droppedKeywords?: readonly string[];
  logprob?: (piece: string) => TokenLogprob & { top: readonly TokenLogprob[] };
  /** The generation is queued until this resolves. */
  start: Promise<void>;
  /** What a queued generation is told. */
  waiting?: { position: number; seconds?: number };
  /** The prompt is evaluated when this resolves. */
  prefill: Promise<void>;
  /** Tokens of the prompt that are evaluated before that. */
  evaluatedTokens?: number;
  /** The error that `generate` throws instead of ending normally. */
  failure?: Error;
  embedding: readonly number[];
  /** All facts arrive in one turn, as in one message of the engine process. */
  atOnce?: boolean;
}

/** A response whose JSON tests assert field by field. */
export interface Answer extends Response {
  // oxlint-disable-next-line typescript/no-explicit-any
  json(): Promise<any>;
}

export interface ApiApp {
  request: Hono['request'];
  post(path: string, body: unknown): Promise<Answer>;
  script: Script;
  /** Requests that reached the engine. */
  requests: GenerationRequest[];
  clients: string[];
  /** Inputs that were embedded. */
  embedded: (string | readonly number[])[];
  /** What the telemetry was told about each valid request. */
  admissions: Parameters<Generation['admitted']>[0][];
  /** How generations and streams ended, as reported to the telemetry. */
  endings: (Ending & { message?: string })[];
  streamEndings: StreamEnding[];
  log: { facts: object; message: string }[];
  shutdown: AbortController;
}

export type AppOverrides = Partial<Omit<AppOptions, 'limits'>> & { deadlineSeconds?: number };

export const demoModel: AppOptions['model'] = {
  id: 'demo',
  aliases: ['demo-file.gguf', 'demo-file'],
  strict: false,
  lenientTools: false,
  title: 'as scripted',
  demo: true,
};

const noPeers = { prometheus: undefined, alertmanager: undefined, notifier: undefined };

export function createApiApp(options: AppOverrides = {}): ApiApp {
  const script: Script = {
    pieces: ['Hello', ' there'],
    finishReason: 'stop',
    start: Promise.resolve(),
    prefill: Promise.resolve(),
    embedding: [0.6, -0.8],
  };
  const recorded = {
    requests: [] as GenerationRequest[],
    clients: [] as string[],
    embedded: [] as ApiApp['embedded'],
    admissions: [] as ApiApp['admissions'],
    endings: [] as Ending[],
    streamEndings: [] as StreamEnding[],
    log: [] as { facts: object; message: string }[],
    shutdown: new AbortController(),
  };
  const record = (facts: object, message: string) => void recorded.log.push({ facts, message });
  const app = createApp({
    engine: createScriptedEngine(script, recorded),
    telemetry: {
      scrape: async () => ({ status: 200, headers: {}, body: '' }),
      traces: noTraces,
    },
    log: { info: record, error: record },
    model: demoModel,
    limits: { deadlineSeconds: options.deadlineSeconds ?? 60, shutdown: recorded.shutdown.signal },
    timeouts: defaultTimeouts,
    embeddings: true,
    draining: () => false,
    apiKeys: [],
    metricsToken: undefined,
    host: '127.0.0.1',
    publicHosts: [],
    forwarder: undefined,
    corsOrigins: [],
    peers: noPeers,
    links: { ...noPeers, jaeger: undefined, grafana: undefined },
    notifierToken: undefined,
    queueLimit: 0,
    bundleDir: 'never-built',
    ...options,
    inference: createObservedTelemetry(recorded, options.inference),
  });
  const request = app.request as unknown as Hono['request'];
  return {
    ...recorded,
    script,
    request,
    async post(path, body) {
      const text = typeof body === 'string' ? body : JSON.stringify(body);
      return request(path, { method: 'POST', body: text });
    },
  };
}

function createScriptedEngine(
  script: Script,
  recorded: Pick<ApiApp, 'requests' | 'clients' | 'embedded'>,
): Engine {
  const model = {
    architecture: 'qwen2',
    quantization: 'Q8_0',
    parameters: 1,
    trainContextTokens: 9,
  };
  const facts = { model, loadSeconds: 0, threads: 1, sequences: 1, contextTokens: 99 };
  return {
    status: () => ({
      state: 'ready',
      pid: 1,
      restarts: 0,
      facts: { ...facts, embeddingDimensions: script.embedding.length, sizing: 'as scripted' },
    }),
    contextTokensInUse: () => 0,
    pending: () => 0,
    waiting: () => 0,
    async generate(request, { signal, client, onFact }) {
      recorded.requests.push(request);
      recorded.clients.push(client);
      const facts = emitFacts(script, signal);
      const held: Fact[] = [];
      for await (const fact of facts) {
        if (script.atOnce === true) held.push(fact);
        else onFact(fact);
      }
      for (const fact of held) onFact(fact);
    },
    tokenize: async () => ({ tokens: [1, 2], pieces: ['a', 'b'] }),
    async embed(input) {
      recorded.embedded.push(input);
      return { vector: script.embedding, inputTokens: 2 };
    },
    async stop() {},
  };
}

async function* emitFacts(script: Script, signal: AbortSignal): AsyncGenerator<Fact, void, void> {
  const aborted = new Promise<never>((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  aborted.catch(() => {});
  const at = monotonicMillis();
  const { droppedKeywords } = script;
  const dropped = droppedKeywords === undefined ? {} : { droppedKeywords };
  yield { type: 'tokenized', startedAt: at, endedAt: at, inputTokens: 3, ...dropped };
  yield { type: 'queued', at, position: 1 };
  if (script.waiting !== undefined) yield { type: 'waiting', ...script.waiting };
  await Promise.race([script.start, aborted]);
  yield { type: 'started', at };
  const { evaluatedTokens } = script;
  if (evaluatedTokens !== undefined) {
    yield { type: 'prefilling', at, evaluatedTokens, inputTokens: 3, cachedTokens: 0 };
  }
  await Promise.race([script.prefill, aborted]);
  yield {
    type: 'prefilled',
    startedAt: at,
    endedAt: at,
    inputTokens: 3,
    cachedTokens: 0,
    copiedTokens: 0,
  };
  if (script.prompt !== undefined) yield { type: 'prompt', tokens: script.prompt };
  for (const text of script.pieces) {
    signal.throwIfAborted();
    const logprob = script.logprob?.(text);
    yield { type: 'token', at, text, ...(logprob === undefined ? {} : { logprob }) };
  }
  if (script.failure !== undefined) throw script.failure;
  yield { type: 'ended', at, finishReason: script.finishReason, text: '' };
}

/** The real telemetry, wrapped to record the endings of generations. */
function createObservedTelemetry(
  recorded: Pick<ApiApp, 'admissions' | 'endings' | 'streamEndings'>,
  given: InferenceTelemetry | undefined,
) {
  const inference =
    given ??
    createInferenceTelemetry({
      meter: metrics.getMeter('test'),
      tracer: trace.getTracer('test'),
      contextTokens: () => 0,
      state: () => 'ready',
    });
  return {
    ...inference,
    begin(fact: Parameters<typeof inference.begin>[0]): Generation {
      const generation = inference.begin(fact);
      return {
        ...generation,
        admitted(fact) {
          recorded.admissions.push(fact);
          generation.admitted(fact);
        },
        end(ending) {
          recorded.endings.push(ending);
          return generation.end(ending);
        },
        streamEnded(how) {
          recorded.streamEndings.push(how);
          generation.streamEnded(how);
        },
      };
    },
  };
}

/** The frames of a stream, including comments. */
export function toFrames(text: string): string[] {
  return text.split('\n\n').filter((frame) => frame !== '');
}
