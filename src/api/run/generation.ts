/**
 * Runs one generation. Telemetry receives the engine's facts at once; the answer waits in a queue until the client reads it.
 * Used by every route that generates.
 */
import type { Context } from 'hono';
import { randomUUID } from 'node:crypto';
import type { Generation, GenerationSummary } from '../../../otel/generation/inference.ts';
import { monotonicMillis } from '../../../otel/clock.ts';
import type { Engine, Fact, GenerationRequest } from '../../engine/engine.ts';
import { toChatError, type ChatError, type ChatErrorCode } from '../../errors.ts';
import { createAnswerQueue } from './answer-queue.ts';
import { captureContent } from './captured-content.ts';
import type { Account, ApiEnv, FinalReason } from '../request-context.ts';
import { checkModel, type ServedModel } from '../served-model.ts';
import { limitRequest, type Limits, type StreamTimeouts } from './request-limits.ts';
import { createTextParser, createToolCallParser, type Delta } from './tool-calls.ts';

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

export type AnswerLogprob = NonNullable<Extract<Fact, { type: 'token' }>['logprob']>;

/** `logprobs` belong to the tokens since the previous piece. */
export type Piece = Delta & { logprobs: readonly AnswerLogprob[] };

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
  /** @throws ChatError that ended the generation. */
  pieces: () => AsyncGenerator<Piece, void, void>;
  /** Known when the generation has started. */
  inputTokens: () => number;
  /** Available once `pieces` is exhausted. */
  finished: () => Finished;
  /** Ends the generation because its client has disconnected. */
  abandon: () => void;
}

/** `seconds`: expected until the request gets a sequence; absent before anything is measured. */
export type Wait =
  | { phase: 'queued'; position: number; seconds?: number }
  | { phase: 'prefill'; evaluated: number; tokens: number };

interface Finished {
  finishReason: FinalReason;
  /** The stop sequence that ended the answer. */
  stopSequence?: string | undefined;
  summary: GenerationSummary;
}

/** Dependencies of every route that generates. */
export interface RunDeps {
  engine: Pick<Engine, 'generate'>;
  model: ServedModel;
  limits: Limits;
  timeouts: StreamTimeouts;
}

export interface RequestedGeneration extends GenerationRequest {
  requestedModel?: string | null | undefined;
  stream: boolean;
  idPrefix: 'chatcmpl-' | 'cmpl-' | 'resp_' | 'msg_';
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
  const { prompt, sampling, format } = request;
  const wanted = { prompt, sampling, ...(format === undefined ? {} : { format }) };
  const answer = createAnswer(account, request);
  const limits = limitRequest(c, deps.limits);
  const onFact = (fact: Fact): void => receive(answer, fact);
  void deps.engine
    .generate(wanted, { signal: limits.signal, client: c.get('client'), onFact })
    .catch((error: unknown) => fail(answer, toChatError(error)))
    .finally(() => limits[Symbol.dispose]());
  return {
    id,
    created: Math.floor(Date.now() / 1000),
    started: answer.started.promise,
    wait: () => answer.wait,
    prefilled: answer.prefilled.promise,
    pieces: () => answer.pieces.items(),
    inputTokens: () => answer.inputTokens,
    finished() {
      if (answer.finished !== undefined) return answer.finished;
      throw new Error('finished() before the pieces were exhausted');
    },
    abandon: limits.abandon,
  };
}

type Answer = ReturnType<typeof createAnswer>;

/** The state of one run. */
function createAnswer(account: Account, { prompt, format }: GenerationRequest) {
  const started = Promise.withResolvers<void>();
  const prefilled = Promise.withResolvers<void>();
  // A rejection is not unhandled: `pieces` throws the same error.
  for (const { promise } of [started, prefilled]) promise.catch(() => {});
  return {
    account,
    parser: format?.kind === 'tool_calls' ? createToolCallParser() : createTextParser(),
    capture: captureContent(account.generation, prompt),
    pieces: createAnswerQueue<Piece>(),
    started,
    prefilled,
    /** Log-probabilities of the tokens since the last piece. */
    logprobs: [] as AnswerLogprob[],
    finished: undefined as Finished | undefined,
    wait: undefined as Wait | undefined,
    inputTokens: 0,
  };
}

function receive(answer: Answer, fact: Fact): void {
  const { generation } = answer.account;
  switch (fact.type) {
    case 'tokenized':
      answer.inputTokens = fact.inputTokens;
      return generation.tokenized(fact);
    case 'queued':
      answer.account.note({ queuePosition: fact.position });
      answer.wait = { phase: 'queued', position: fact.position };
      return generation.queued(fact);
    case 'waiting': {
      const { position, seconds } = fact;
      answer.wait = { phase: 'queued', position, ...(seconds !== undefined && { seconds }) };
      return;
    }
    case 'prefilling':
      answer.wait = {
        phase: 'prefill',
        evaluated: fact.evaluatedTokens,
        tokens: fact.inputTokens,
      };
      return;
    case 'started':
      answer.wait = { phase: 'prefill', evaluated: 0, tokens: answer.inputTokens };
      generation.started(fact);
      return answer.started.resolve();
    case 'prefilled':
      generation.prefilled(fact);
      return answer.prefilled.resolve();
    case 'token':
      generation.token({ at: fact.at, logprob: fact.logprob?.logprob });
      if (fact.logprob !== undefined) answer.logprobs.push(fact.logprob);
      return push(answer, answer.parser.push(fact.text));
    case 'ended':
      return finish(answer, fact);
  }
}

function push(answer: Answer, deltas: readonly Delta[]): void {
  for (const delta of deltas) {
    answer.capture.add(delta);
    answer.pieces.push({ ...delta, logprobs: answer.logprobs });
    answer.logprobs = [];
  }
}

function finish(answer: Answer, fact: Extract<Fact, { type: 'ended' }>): void {
  const { parser, capture, account, pieces } = answer;
  push(answer, [...parser.push(fact.text), ...parser.finish()]);
  if (answer.logprobs.length > 0) push(answer, [{ type: 'content', text: '' }]);
  const hasCalls = fact.finishReason === 'stop' && parser.calls() > 0;
  const finishReason = hasCalls ? 'tool_calls' : fact.finishReason;
  capture.end();
  const { stopSequence } = fact;
  answer.finished = { finishReason, stopSequence, summary: account.end(finishReason) };
  pieces.end();
}

function fail({ capture, account, started, prefilled, pieces }: Answer, error: ChatError): void {
  capture.end();
  account.end(error);
  started.reject(error);
  prefilled.reject(error);
  pieces.end(error);
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
