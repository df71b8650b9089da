/**
 * One operation of node-llama-cpp as a generation: evaluations report their tokens here, and the function that began it ends it.
 * Used by `evaluations.ts` for raw evaluations and by `functions.ts` for all others.
 */
import { trace, type Context } from '@opentelemetry/api';
import { randomUUID } from 'node:crypto';
import { monotonicMillis } from '../clock.ts';
import type { Content, Message } from '../generation/content.ts';
import {
  spanAttributes as s,
  type Ending,
  type Operation as OperationName,
  type PoolingOperation,
} from '../names.ts';
import type { Observer } from './observer.ts';
import { modelName, type Decoded, type SamplingOptions, type Sequence } from './llama.ts';

export type Output = NonNullable<Content['output']>;

export interface Operation {
  /** The context with the span of the operation. */
  readonly context: Context;
  readonly sequence: Sequence;
  isEnded(): boolean;
  /** Tokens are passed to the engine. */
  evaluating(tokens: number): void;
  /** The engine yields an output token. */
  decoded(decoded: Decoded): void;
  /** The prompt. `input` is called if content is captured. */
  content(input: () => readonly Message[]): void;
  /** Ends the operation. Only the first call has an effect. `output` is called if content is captured. */
  end(ending: Ending, output?: (tokens: readonly number[]) => Output): void;
}

export interface Begin {
  operation: OperationName;
  sequence: Sequence;
  options?: SamplingOptions;
  stream: boolean;
}

export function beginOperation(observer: Observer, begin: Begin): Operation {
  const { operation, sequence, options = {}, stream } = begin;
  observer.sees(sequence);
  const generation = observer.inference.begin({ operation, at: monotonicMillis() });
  const model = modelName(sequence.model);
  const responseId = randomUUID();
  generation.admitted({
    model,
    requestedModel: model,
    responseId,
    stream,
    ...samplingFacts(options),
  });
  const tokens: number[] = [];
  let started: { at: number; cachedTokens: number } | undefined;
  let passed = 0;
  let reevaluated = 0;
  let isPrefilled = false;
  let isEnded = false;

  function prefilled(endedAt: number): void {
    if (started === undefined || isPrefilled) return;
    isPrefilled = true;
    const { at: startedAt, cachedTokens } = started;
    const inputTokens = cachedTokens + passed;
    generation.prefilled({ startedAt, endedAt, inputTokens, cachedTokens });
  }

  return {
    context: generation.context,
    sequence,
    isEnded: () => isEnded,
    evaluating(count) {
      if (started === undefined) {
        started = { at: monotonicMillis(), cachedTokens: sequence.nextTokenIndex };
        generation.started({ at: started.at });
      }
      if (!isPrefilled) {
        passed += count;
        return;
      }
      // The facts of a prefill are fixed by now: after a context shift, a part of the conversation is evaluated again.
      observer.reevaluated(count);
      reevaluated += count;
    },
    decoded({ token, confidence, probabilities }) {
      const now = monotonicMillis();
      prefilled(now);
      const probability = confidence ?? probabilities?.get(token);
      const logprob = probability === undefined ? undefined : Math.log(probability);
      generation.token({ at: now, logprob });
      if (generation.capturesContent) tokens.push(token);
    },
    content(input) {
      if (generation.capturesContent) generation.content({ input: input() });
    },
    end(ending, output) {
      if (isEnded) return;
      isEnded = true;
      const now = monotonicMillis();
      // A preloaded prompt has no output.
      if (ending.outcome === 'completed') prefilled(now);
      if (generation.capturesContent && output) generation.content({ output: output(tokens) });
      if (reevaluated > 0) {
        trace.getSpan(generation.context)?.setAttribute(s.reevaluatedTokens, reevaluated);
      }
      generation.end({ ...ending, at: now });
    },
  };
}

/** Embeddings and rankings: no output, and no content. */
export function beginPooling(
  observer: Observer,
  operation: PoolingOperation,
  sequence: Sequence,
): Operation {
  observer.sees(sequence);
  const embeddings = observer.inference.beginEmbeddings({ operation, at: monotonicMillis() });
  const model = modelName(sequence.model);
  embeddings.admitted({ model, requestedModel: model });
  let inputTokens = 0;
  let isEnded = false;
  return {
    context: embeddings.context,
    sequence,
    isEnded: () => isEnded,
    evaluating: (count) => void (inputTokens += count),
    decoded() {},
    content() {},
    end(ending) {
      isEnded = true;
      embeddings.end({ ...ending, at: monotonicMillis(), inputTokens });
    },
  };
}

function samplingFacts(options: SamplingOptions): Record<string, unknown> {
  const { maxTokens, temperature, topP, topK, seed, customStopTriggers } = options;
  const stop = Array.isArray(customStopTriggers)
    ? customStopTriggers.filter((trigger): trigger is string => typeof trigger === 'string')
    : undefined;
  return {
    ...(maxTokens === undefined ? {} : { maxTokens }),
    ...(temperature === undefined ? {} : { temperature }),
    ...(topP === undefined ? {} : { topP }),
    ...(topK === undefined ? {} : { topK }),
    ...(seed === undefined ? {} : { seed }),
    ...(stop === undefined || stop.length === 0 ? {} : { stop }),
  };
}

/**
 * The ending of a rejected promise: cancelled if `signal` was aborted, or a signal of node-llama-cpp's own, by which a new prompt stops
 * completions that wait; failed otherwise.
 */
export function endingOfError(error: unknown, signal: AbortSignal | undefined): Ending {
  const isAbort = error instanceof Error && error.name === 'AbortError';
  if (isAbort || signal?.aborted === true) return cancelledBy(signal);
  return { outcome: 'failed', reason: 'engine_error' };
}

export function cancelledBy(signal: AbortSignal | undefined): Ending {
  const timedOut = (signal?.reason as { name?: unknown } | undefined)?.name === 'TimeoutError';
  return { outcome: 'cancelled', reason: timedOut ? 'deadline' : 'client_gone' };
}
