/** Observes inference from plain facts: limits, the served model, generations. Independent of any server or engine. */
import type { Meter, Tracer } from '@opentelemetry/api';
import { capturesContent, spanLimits, type Environment } from '../environment.ts';
import { beginEmbeddings, type Embeddings } from './embeddings.ts';
import { beginGeneration, type Generation } from './generation.ts';
import { genAiLabels } from './generation-metrics.ts';
import { createInstruments, type Instruments } from '../metrics/instruments.ts';
import {
  attributes as a,
  embeddingsOperation,
  endings,
  engineMetrics,
  metrics,
  operations,
  prefixCopies,
  serviceStates,
  streamEndings,
  tokenTypes,
  unansweredTypes,
  type MetricKey,
  type Operation,
  type PoolingOperation,
  type ServiceState,
} from '../names.ts';

export type { Embeddings, EmbeddingsSummary } from './embeddings.ts';
export type { AnotherAnswer, Generation } from './generation.ts';
export type { CountedSummary, GenerationSummary } from './generation-state.ts';

interface ServedModel {
  /** The catalogue id. */
  id: string;
  architecture?: string;
  quantization?: string;
  parameters?: string;
  /** Context size of one sequence in tokens. */
  context?: number;
  sha256?: string;
  loadSeconds?: number;
}

interface PrefixFacts {
  copies: readonly { source: (typeof prefixCopies)[number]; bytes: number }[];
  evictions: number;
  /** Present size of the prefix cache. */
  cacheBytes: number;
}

export interface InferenceTelemetry {
  /**
   * Call it when the headers of a generation request arrive. Each generation is counted once in `inference.requests`, when it ends. Its
   * `chat` span is a child of the active span and starts at this call, whose time is `at`. All facts of a generation take their times
   * from one clock, in milliseconds; `monotonicMillis` is not moved by a step of the wall clock.
   */
  begin(fact: { operation: Operation; at: number }): Generation;
  /** Call it when the headers of an embeddings request arrive. Counted once in `inference.embeddings.requests`, when it ends. */
  beginEmbeddings(fact: { at: number; operation?: PoolingOperation }): Embeddings;
  /** Call it after every model load. Creates the series of this model; an unknown property becomes an empty label. */
  setModel(model: ServedModel): void;
  /** Like `setModel`, for programs that use several models at once. */
  addModel(model: ServedModel): void;
  /** Call it for each batch that llama.cpp decodes, with its total tokens and its sequences. */
  batch(fact: { tokens: number; sequences: number }): void;
  /** Call it with what copies of prefixes did since the last call. */
  prefixes(facts: PrefixFacts): void;
  threads(count: number): void;
  setLimits(limits: { queue: number; sequences: number; contextTokens: number }): void;
}

/** Every scrape calls `contextTokens`, which returns the KV cache cells in use, and `state`; generations are accepted in state `ready`. */
export function createInferenceTelemetry(options: {
  meter: Meter;
  tracer: Tracer;
  contextTokens?: () => number;
  state: () => ServiceState;
  /** The id that `setModel` will get: creates its series before the load. */
  model?: string;
  /** Another server generates, and this process forwards to it: metrics that only an engine of ours can tell have no series. */
  isForwarded?: boolean;
  /** Configures the capture of prompts and answers (`process.env`). */
  env?: Environment;
}): InferenceTelemetry {
  const { tracer, isForwarded = false, env = process.env } = options;
  const contentLimit = capturesContent(env) ? spanLimits(env).attributeValueLengthLimit : 0;
  const instruments = createInstruments(options.meter);
  const { contextTokens } = options;
  if (contextTokens !== undefined) {
    instruments.observe('inferenceContextTokens', (result) => result.observe(contextTokens()));
  }
  instruments.observe('inferenceReady', (result) =>
    result.observe(options.state() === 'ready' ? 1 : 0),
  );
  instruments.observe('inferenceState', (result) => {
    const present = options.state();
    for (const state of serviceStates)
      result.observe(state === present ? 1 : 0, { [a.state]: state });
  });
  initialise(instruments, isForwarded);
  if (options.model !== undefined) initialiseGenAi(instruments, options.model);
  let served: Record<string, string> | undefined;

  function addModel(model: ServedModel): void {
    served = modelLabels(model);
    instruments.record('inferenceModelInfo', 1, served);
    instruments.record('inferenceModelLoadDuration', model.loadSeconds);
    initialiseGenAi(instruments, model.id);
  }

  return {
    begin: (fact) => beginGeneration({ instruments, tracer, contentLimit, isForwarded }, fact),
    beginEmbeddings: (fact) => beginEmbeddings({ instruments, tracer }, fact),
    setModel(model) {
      // The series of a gauge cannot be removed, so the last model gets the value 0.
      if (served !== undefined) instruments.record('inferenceModelInfo', 0, served);
      addModel(model);
    },
    addModel,
    batch({ tokens, sequences }) {
      instruments.record('inferenceBatchTokens', tokens);
      instruments.record('inferenceBatchSequences', sequences);
    },
    prefixes({ copies, evictions, cacheBytes }) {
      for (const { source, bytes } of copies) {
        instruments.add('inferencePrefixCopies', 1, { [a.type]: source });
        instruments.add('inferencePrefixCopied', bytes);
      }
      instruments.add('inferencePrefixEvictions', evictions);
      instruments.record('inferencePrefixCacheUsage', cacheBytes);
    },
    threads(count) {
      instruments.record('inferenceThreads', count);
    },
    setLimits(limits) {
      instruments.record('inferenceQueueLimit', limits.queue);
      instruments.record('inferenceSequencesLimit', limits.sequences);
      instruments.record('inferenceContextLimit', limits.contextTokens);
    },
  };
}

function modelLabels(model: ServedModel): Record<string, string> {
  return {
    [a.genAiRequestModel]: model.id,
    [a.architecture]: model.architecture ?? '',
    [a.quantization]: model.quantization ?? '',
    [a.parameters]: model.parameters ?? '',
    [a.context]: String(model.context ?? ''),
    [a.sha256]: (model.sha256 ?? '').slice(0, 12),
  };
}

/** Reasons that an embeddings request cannot have. */
const generatedOnly = new Set<string>(['length', 'tool_calls', 'queue_timeout']);

/** Creates all series with 0, because `rate()` ignores the first error if its series starts with 1. */
function initialise(instruments: Instruments, isForwarded: boolean): void {
  for (const key of Object.keys(metrics) as MetricKey[]) {
    const { name, labels } = metrics[key];
    if (isForwarded && engineMetrics.has(key)) continue;
    if (name.startsWith('inference.') && labels.length === 0) instruments.zero(key);
  }
  for (const type of tokenTypes) instruments.zero('inferenceTokens', { [a.type]: type });
  for (const type of unansweredTypes)
    instruments.zero('inferenceUnansweredDuration', { [a.type]: type });
  for (const type of isForwarded ? [] : prefixCopies)
    instruments.zero('inferencePrefixCopies', { [a.type]: type });
  for (const how of streamEndings)
    instruments.zero('inferenceStreamTerminations', { [a.how]: how });
  for (const [outcome, reasons] of Object.entries(endings)) {
    for (const reason of reasons) {
      const labels = { [a.outcome]: outcome, [a.reason]: reason };
      instruments.zero('inferenceRequests', labels);
      if (!generatedOnly.has(reason)) instruments.zero('inferenceEmbeddingsRequests', labels);
    }
  }
}

function initialiseGenAi(instruments: Instruments, model: string): void {
  for (const operation of [...operations, embeddingsOperation] as const) {
    const labels = genAiLabels(operation, model);
    instruments.zero('genAiServerRequestDuration', labels);
    for (const reason of [...endings.cancelled, ...endings.failed]) {
      instruments.zero('genAiServerRequestDuration', { ...labels, [a.errorType]: reason });
    }
    instruments.zero('genAiClientTokenUsage', { ...labels, [a.genAiTokenType]: 'input' });
  }
  for (const operation of operations) {
    const labels = genAiLabels(operation, model);
    instruments.zero('genAiServerTimeToFirstToken', labels);
    instruments.zero('genAiServerTimePerOutputToken', labels);
    instruments.zero('genAiClientTokenUsage', { ...labels, [a.genAiTokenType]: 'output' });
  }
}
