/** The service's routes over an engine that says what a test wants: the API's door without a model behind it. */
import { metrics, trace } from '@opentelemetry/api';
import type { Hono } from 'hono';
import { createInferenceTelemetry, type Generation } from '../../../otel/generation/inference.ts';
import type { Ending, StreamEnding } from '../../../otel/names.ts';
import { defaultTimeouts } from '../../../src/api/run/request-limits.ts';
import { createApp, type AppOptions, type ConsoleOptions } from '../../../src/app.ts';
import type { Engine, Fact, GenerationRequest, TokenLogprob } from '../../../src/engine/engine.ts';

export interface Script {
  /** One token each. */
  pieces: readonly string[];
  finishReason: 'stop' | 'length';
  logprob?: (piece: string) => TokenLogprob & { top: readonly TokenLogprob[] };
  /** Before it the generation waits in the queue. */
  start: Promise<void>;
  /** When its prompt has been read. */
  prefill: Promise<void>;
  /** Thrown instead of the ending. */
  failure?: Error;
  embedding: readonly number[];
}

/** Its JSON is asserted field by field. */
export interface Answer extends Response {
  // oxlint-disable-next-line typescript/no-explicit-any
  json(): Promise<any>;
}

export interface ApiApp {
  request: Hono['request'];
  post(path: string, body: unknown): Promise<Answer>;
  script: Script;
  /** What reached the engine. */
  requests: GenerationRequest[];
  clients: string[];
  /** How generations and streams ended, as the telemetry was told. */
  endings: (Ending & { message?: string })[];
  streamEndings: StreamEnding[];
  log: { facts: object; message: string }[];
  shutdown: AbortController;
}

export type AppOverrides = Partial<Omit<AppOptions, 'console' | 'limits'>> & {
  console?: Partial<ConsoleOptions>;
  deadlineSeconds?: number;
};

export const demoModel: AppOptions['model'] = {
  id: 'demo',
  aliases: ['demo-file.gguf', 'demo-file'],
  anyModel: false,
  title: 'as scripted',
  demo: true,
};

/** A console on loopback that knows no other program. */
const lonelyConsole: ConsoleOptions = {
  host: '127.0.0.1',
  peers: { prometheus: undefined, alertmanager: undefined, notifier: undefined },
  links: {
    prometheus: undefined,
    alertmanager: undefined,
    notifier: undefined,
    jaeger: undefined,
    grafana: undefined,
  },
  notifierToken: undefined,
  queueLimit: 0,
  bundleDir: 'never-built',
};

export function createApiApp(options: AppOverrides = {}): ApiApp {
  const script: Script = {
    pieces: ['Hello', ' there'],
    finishReason: 'stop',
    start: Promise.resolve(),
    prefill: Promise.resolve(),
    embedding: [0.6, -0.8],
  };
  const told = {
    requests: [] as GenerationRequest[],
    clients: [] as string[],
    endings: [] as Ending[],
    streamEndings: [] as StreamEnding[],
    log: [] as { facts: object; message: string }[],
    shutdown: new AbortController(),
  };
  const note = (facts: object, message: string) => void told.log.push({ facts, message });
  const app = createApp({
    engine: createScriptedEngine(script, told),
    inference: createObservedTelemetry(told),
    telemetry: {
      scrape: async () => ({ status: 200, headers: {}, body: '' }),
      traces: { list: () => [], get: () => undefined },
    },
    log: { info: note, error: note },
    model: demoModel,
    limits: { deadlineSeconds: options.deadlineSeconds ?? 60, shutdown: told.shutdown.signal },
    timeouts: defaultTimeouts,
    embeddings: true,
    draining: () => false,
    apiKeys: [],
    metricsToken: undefined,
    ...options,
    console: { ...lonelyConsole, ...options.console },
  });
  const request = app.request as unknown as Hono['request'];
  return {
    ...told,
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
  told: { requests: GenerationRequest[]; clients: string[] },
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
    async generate(request, { signal, client, onFact }) {
      told.requests.push(request);
      told.clients.push(client);
      for await (const fact of tellFacts(script, signal)) onFact(fact);
    },
    tokenize: async () => ({ tokens: [1, 2], pieces: ['a', 'b'] }),
    embed: async () => ({ vector: script.embedding, inputTokens: 2 }),
    async stop() {},
  };
}

async function* tellFacts(script: Script, signal: AbortSignal): AsyncGenerator<Fact, void, void> {
  const aborted = new Promise<never>((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  aborted.catch(() => {});
  const at = Date.now();
  yield { type: 'tokenized', startedAt: at, endedAt: at, inputTokens: 3 };
  yield { type: 'queued', at, position: 1 };
  await Promise.race([script.start, aborted]);
  yield { type: 'started', at };
  await Promise.race([script.prefill, aborted]);
  yield { type: 'prefilled', startedAt: at, endedAt: at, inputTokens: 3, cachedTokens: 0 };
  for (const text of script.pieces) {
    signal.throwIfAborted();
    const logprob = script.logprob?.(text);
    yield { type: 'token', at, text, ...(logprob === undefined ? {} : { logprob }) };
  }
  if (script.failure !== undefined) throw script.failure;
  yield { type: 'ended', at, finishReason: script.finishReason, text: '' };
}

/** The real telemetry, whose endings are also written down. */
function createObservedTelemetry(told: { endings: Ending[]; streamEndings: StreamEnding[] }) {
  const inference = createInferenceTelemetry({
    meter: metrics.getMeter('test'),
    tracer: trace.getTracer('test'),
    contextTokens: () => 0,
    ready: () => true,
  });
  return {
    ...inference,
    begin(fact: Parameters<typeof inference.begin>[0]): Generation {
      const generation = inference.begin(fact);
      return {
        ...generation,
        end(ending) {
          told.endings.push(ending);
          return generation.end(ending);
        },
        streamEnded(how) {
          told.streamEndings.push(how);
          generation.streamEnded(how);
        },
      };
    },
  };
}

/** The events of a stream, comments included. */
export function toFrames(text: string): string[] {
  return text.split('\n\n').filter((frame) => frame !== '');
}
