/**
 * Runs one generation: the engine's facts are told to the telemetry as they arrive, never at the reader's pace, and
 * the answer waits in a buffer for the response that reads it. Used by every route that generates.
 */
import type { Context } from 'hono';
import { randomUUID } from 'node:crypto';
import type { Generation, GenerationSummary } from '../../../otel/generation/inference.ts';
import { epochMillis } from '../../../otel/clock.ts';
import type { Engine, Fact, GenerationRequest } from '../../engine/engine.ts';
import { toChatError, type ChatErrorCode } from '../../errors.ts';
import { createAnswerBuffer } from './answer-buffer.ts';
import type { Phases } from '../openai/answer-facts.ts';
import { captureContent, type ContentCapture } from './captured-content.ts';
import type { Account, ApiEnv, FinalReason } from '../request-context.ts';
import type { AnswerLogprob } from '../openai/logprobs.ts';
import { checkModel, type ServedModel } from '../served-model.ts';
import { limitRequest, type Limits, type StreamTimeouts } from './request-limits.ts';
import {
  createTextParser,
  createToolCallParser,
  type AnswerParser,
  type Delta,
} from '../openai/tool-calls.ts';

/** What a route that generates may answer instead. */
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

/** `logprobs` are those of the tokens since the piece before. */
export type Piece = Delta & { logprobs: readonly AnswerLogprob[] };

export interface Run {
  id: string;
  /** Epoch seconds. */
  created: number;
  /** Resolves when the generation has a sequence. @throws ChatError for what went wrong before. */
  started: Promise<void>;
  /** Resolves when its prompt has been read. @throws ChatError for what went wrong before. */
  answering: Promise<void>;
  /** @throws ChatError for what went wrong on the way. */
  pieces: () => AsyncGenerator<Piece, void, void>;
  /** What is known so far. */
  phases: () => Phases;
  /** Available once `pieces` is exhausted. */
  finished: () => { finishReason: FinalReason; summary: GenerationSummary };
  /** Stops generating for a reader that is gone. */
  abandon: () => void;
}

/** What every route that generates needs beside the body of its request. */
export interface RunDeps {
  engine: Pick<Engine, 'generate'>;
  model: ServedModel;
  limits: Limits;
  timeouts: StreamTimeouts;
}

export interface RequestedGeneration extends GenerationRequest {
  requestedModel?: string | null | undefined;
  stream: boolean;
  idPrefix: 'chatcmpl' | 'cmpl';
}

/** @throws ChatError `model_not_found`; all else is told by the run. */
export function startGeneration(
  c: Context<ApiEnv>,
  deps: Pick<RunDeps, 'engine' | 'model' | 'limits'>,
  request: RequestedGeneration,
): Run {
  checkModel(deps.model, request.requestedModel);
  const account = c.get('account');
  const id = `${request.idPrefix}-${randomUUID()}`;
  account.generation.admitted(admittedFact(deps.model.id, request, id));
  const limits = limitRequest(c, deps.limits);
  const { prompt, sampling, format } = request;
  const wanted = { prompt, sampling, ...(format === undefined ? {} : { format }) };
  const facts = deps.engine.generate(wanted, { signal: limits.signal, client: c.get('client') });
  const parser = format?.kind === 'tool_calls' ? createToolCallParser() : createTextParser();
  const pump = pumpFacts(facts, account, parser, captureContent(account.generation, prompt));
  void pump.done.finally(limits.release);
  return {
    id,
    created: Math.floor(Date.now() / 1000),
    started: pump.started,
    answering: pump.answering,
    pieces: pump.pieces,
    phases: pump.phases,
    finished: pump.finished,
    abandon: limits.abandon,
  };
}

type Pump = Pick<Run, 'started' | 'answering' | 'pieces' | 'phases' | 'finished'> & {
  done: Promise<void>;
};

function pumpFacts(
  facts: AsyncGenerator<Fact, void, void>,
  account: Account,
  parser: AnswerParser,
  capture: ContentCapture,
): Pump {
  const buffer = createAnswerBuffer<Piece>();
  const started = Promise.withResolvers<void>();
  const answering = Promise.withResolvers<void>();
  // Whoever reads the run learns of it there; nobody may be reading yet.
  for (const { promise } of [started, answering]) promise.catch(() => {});
  const phases: Phases = {};
  let logprobs: AnswerLogprob[] = [];
  let finished: ReturnType<Run['finished']> | undefined;

  function give(deltas: readonly Delta[]): void {
    for (const delta of deltas) {
      capture.add(delta);
      buffer.push({ ...delta, logprobs });
      logprobs = [];
    }
  }

  function finish(fact: Extract<Fact, { type: 'ended' }>): void {
    give([...parser.push(fact.text), ...parser.finish()]);
    if (logprobs.length > 0) give([{ type: 'content', text: '' }]);
    const called = fact.finishReason === 'stop' && parser.calls() > 0;
    const finishReason = called ? 'tool_calls' : fact.finishReason;
    capture.tell();
    finished = { finishReason, summary: account.end(finishReason) };
  }

  async function pump(): Promise<void> {
    let queuedAt = 0;
    try {
      for await (const fact of facts) {
        tell(account.generation, fact);
        if (fact.type === 'tokenized') {
          phases.tokenizeSeconds = (fact.endedAt - fact.startedAt) / 1000;
        } else if (fact.type === 'queued') queuedAt = fact.at;
        else if (fact.type === 'started') {
          phases.queueSeconds = Math.max(0, fact.at - queuedAt) / 1000;
          started.resolve();
        } else if (fact.type === 'prefilled') answering.resolve();
        else if (fact.type === 'token') {
          if (fact.logprob !== undefined) logprobs.push(fact.logprob);
          give(parser.push(fact.text));
        } else if (fact.type === 'ended') finish(fact);
      }
      if (finished === undefined) throw new Error('the engine ended without an answer');
      buffer.end();
    } catch (cause) {
      const error = toChatError(cause);
      capture.tell();
      account.end(error);
      started.reject(error);
      answering.reject(error);
      buffer.fail(error);
    }
  }

  return {
    started: started.promise,
    answering: answering.promise,
    pieces: buffer.items,
    phases: () => phases,
    finished() {
      if (finished === undefined) throw new Error('finished() before the pieces were exhausted');
      return finished;
    },
    done: pump(),
  };
}

function tell(generation: Generation, fact: Fact): void {
  switch (fact.type) {
    case 'tokenized':
      return generation.tokenized(fact);
    case 'queued':
      return generation.queued(fact);
    case 'started':
      return generation.started(fact);
    case 'prefilled':
      return generation.prefilled(fact);
    case 'token':
      return generation.token({ at: fact.at, logprob: fact.logprob?.logprob });
    case 'ended':
  }
}

function admittedFact(
  model: string,
  request: RequestedGeneration,
  responseId: string,
): Parameters<Generation['admitted']>[0] {
  const { maxTokens, temperature, topP, topK, seed, stop } = request.sampling;
  return {
    at: epochMillis(),
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
  };
}
