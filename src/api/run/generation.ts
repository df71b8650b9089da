/**
 * Runs one generation. Telemetry receives the engine's facts at once; the answer waits in a queue until the client reads it.
 * Used by every route that generates.
 */
import type { Context } from 'hono';
import { randomUUID } from 'node:crypto';
import type { Generation } from '../../../otel/generation/inference.ts';
import { monotonicMillis } from '../../../otel/clock.ts';
import type { Engine } from '../../engine/engine.ts';
import { toChatError, type ChatErrorCode } from '../../errors.ts';
import {
  createAnswers,
  endAnswers,
  failAnswers,
  runAnswers,
  type Finished,
  type Piece,
  type RequestedGeneration,
  type Running,
  type Wait,
} from './answers.ts';
import type { ApiEnv } from '../request-context.ts';
import type { PromptProgress } from './token-timings.ts';
import { checkModel, type ServedModel } from '../served-model.ts';
import { limitRequest, type Limits, type StreamTimeouts } from './request-limits.ts';

/** Error codes that a route that generates may answer with. */
export const generationErrors = [
  'bad_request',
  'context_overflow',
  'unauthorized',
  'model_not_found',
  'too_large',
  'queue_full',
  'engine_error',
  'internal_error',
  'not_ready',
  'queue_timeout',
  'deadline',
  'engine_exit',
  'shutdown',
] as const satisfies ChatErrorCode[];

export interface Run {
  id: string;
  /** Epoch seconds. */
  created: number;
  /** Resolves when the generation has a sequence. @throws ChatError if the generation ends before that. */
  started: Promise<void>;
  /** The latest of the wait; undefined before the request is in the queue. */
  wait: () => Wait | undefined;
  /** Resolves when the prompt is evaluated. @throws ChatError if the generation ends before that. */
  prefilled: Promise<void>;
  /** How much of the prompt is evaluated, until all of it is. @throws ChatError if the generation ends before that. */
  progress: () => AsyncGenerator<PromptProgress, void, void>;
  /** @throws ChatError that ended the generation. */
  pieces: () => AsyncGenerator<Piece, void, void>;
  /** Known when the generation has started. */
  inputTokens: () => number;
  /** Available once `pieces` is exhausted. */
  finished: () => Finished;
  /** Ends the generation because its client has disconnected. */
  abandon: () => void;
}

/** Dependencies of every route that generates. */
export interface RunDeps {
  engine: Pick<Engine, 'generate' | 'status'>;
  model: ServedModel;
  limits: Limits;
  timeouts: StreamTimeouts;
}

/** @throws ChatError `model_not_found`. Every later error is thrown by the members of the run. */
export function startGeneration(
  c: Context<ApiEnv>,
  deps: RunDeps,
  request: RequestedGeneration,
): Run {
  checkModel(deps.model, request.requestedModel);
  const account = c.get('account');
  const id = `${request.idPrefix}${randomUUID()}`;
  account.generation.admitted(admittedFact(deps.model.id, request, id));
  account.note(describeSampling(request));
  const answer = createAnswers(account, request);
  const limits = limitRequest(c, deps.limits);
  const failed = new AbortController();
  const how: Running = {
    engine: deps.engine,
    client: c.get('client'),
    // The first answer that fails ends the others.
    signal: AbortSignal.any([limits.signal, failed.signal]),
  };
  void runAnswers(answer, { ...request, ...toLenient(deps.model, request) }, how)
    .then(
      () => endAnswers(answer),
      (error: unknown) => {
        failed.abort(toChatError(error));
        failAnswers(answer, toChatError(error));
      },
    )
    .finally(() => limits[Symbol.dispose]());
  return {
    id,
    created: Math.floor(Date.now() / 1000),
    started: answer.started.promise,
    wait: () => answer.wait,
    prefilled: answer.prefilled.promise,
    progress: () => answer.progress.items(),
    pieces: () => answer.pieces.items(),
    inputTokens: () => answer.inputTokens,
    finished() {
      if (answer.finished !== undefined) return answer.finished;
      throw new Error('finished() before the pieces were exhausted');
    },
    abandon: limits.abandon,
  };
}

function toLenient(
  { lenientTools }: ServedModel,
  { format }: RequestedGeneration,
): Pick<RequestedGeneration, 'format'> {
  const isLenient = lenientTools && format?.kind === 'tool_calls' && format.choice === 'auto';
  return isLenient ? { format: { ...format, lenient: true } } : {};
}

/** For the log line. */
function describeSampling({ stream, sampling }: RequestedGeneration): object {
  const { maxTokens, temperature, topP, topK, minP, seed, stop } = sampling;
  const texts = { stopSequences: stop.length };
  return { stream, maxTokens, temperature, topP, topK, minP, seed, ...texts };
}

function admittedFact(
  model: string,
  request: RequestedGeneration,
  responseId: string,
): Parameters<Generation['admitted']>[0] {
  const { maxTokens, temperature, topP, topK, seed, stop } = request.sampling;
  const { frequencyPenalty, presencePenalty } = request.sampling;
  return {
    at: monotonicMillis(),
    model,
    requestedModel: request.requestedModel ?? model,
    responseId,
    stream: request.stream,
    temperature,
    topP,
    topK,
    stop,
    ...(maxTokens === undefined ? {} : { maxTokens }),
    ...(seed === undefined ? {} : { seed }),
    ...(frequencyPenalty === undefined ? {} : { frequencyPenalty }),
    ...(presencePenalty === undefined ? {} : { presencePenalty }),
    outputType: request.format?.kind.startsWith('json') === true ? 'json' : 'text',
  };
}
