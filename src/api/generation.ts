/**
 * What every generation route shares: one `inference.requests` outcome for each POST, the engine's facts told to the
 * telemetry as they pass, one log line at the end.
 */
import { context, propagation } from '@opentelemetry/api';
import type { Context, MiddlewareHandler } from 'hono';
import { randomUUID } from 'node:crypto';
import type { Generation, GenerationSummary, InferenceTelemetry } from '../../otel/inference.ts';
import type { Ending } from '../../otel/names.ts';
import { epochMillis } from '../clock.ts';
import type { Engine, FinishReason, GenerationRequest } from '../engine/engine.ts';
import { ChatError, toChatError, type ChatErrorCode } from '../errors.ts';

export interface GenerationDeps {
  engine: Engine;
  inference: InferenceTelemetry;
  log: { info(facts: object, message: string): void; error(facts: object, message: string): void };
  /** The id under which the model is served, and what else it may be called. */
  model: { id: string; aliases: readonly string[] };
  deadlineSeconds: number;
  /** Aborted, with a ChatError `shutdown`, when the grace period is over. */
  shutdown: AbortSignal;
}

export type GenerationEnv = { Variables: { generation: Generation; requestId: string } };

const endingByCode = {
  bad_request: { outcome: 'rejected', reason: 'bad_request' },
  client_gone: { outcome: 'cancelled', reason: 'client_gone' },
  context_overflow: { outcome: 'rejected', reason: 'context_overflow' },
  deadline: { outcome: 'cancelled', reason: 'deadline' },
  engine_error: { outcome: 'failed', reason: 'engine_error' },
  engine_exit: { outcome: 'failed', reason: 'engine_exit' },
  internal_error: { outcome: 'failed', reason: 'internal_error' },
  method_not_allowed: { outcome: 'rejected', reason: 'bad_request' },
  model_not_found: { outcome: 'rejected', reason: 'model_not_found' },
  not_found: { outcome: 'rejected', reason: 'bad_request' },
  not_ready: { outcome: 'rejected', reason: 'not_ready' },
  queue_full: { outcome: 'rejected', reason: 'queue_full' },
  queue_timeout: { outcome: 'rejected', reason: 'queue_timeout' },
  shutdown: { outcome: 'cancelled', reason: 'shutdown' },
  too_large: { outcome: 'rejected', reason: 'too_large' },
  unauthorized: { outcome: 'rejected', reason: 'unauthorized' },
} as const satisfies Record<ChatErrorCode, Ending>;

/** Begins the accounting when the headers are in, and ends it for every error that the routes below throw. */
export function accountGeneration(
  deps: GenerationDeps,
  operation: 'chat' | 'text_completion',
): MiddlewareHandler<GenerationEnv> {
  return async function accountGeneration(c, next) {
    const generation = deps.inference.begin({ operation, at: epochMillis() });
    c.set('generation', generation);
    setTraceparent(c, generation);
    await context.with(generation.context, next);
    if (c.error !== undefined) endGeneration(deps, c, generation, toChatError(c.error));
  };
}

/** A new draining service turns requests away before it reads them. */
export function refuseWhenDraining(deps: { draining: () => boolean }): MiddlewareHandler {
  return async function refuseWhenDraining(_, next) {
    if (deps.draining()) {
      throw new ChatError('shutdown', 'The service is shutting down. Try again in a few seconds.', {
        retryAfterSeconds: 5,
      });
    }
    await next();
  };
}

export interface Run {
  id: string;
  /** Text of the answer, piece by piece. The generator ends the accounting whichever way it ends. */
  text: AsyncGenerator<string, void, void>;
  /** Available once `text` is exhausted. */
  finished(): { finishReason: FinishReason; summary: GenerationSummary };
}

/**
 * Starts a generation and waits until it has a sequence, so that what is wrong before that is an HTTP status.
 * @throws ChatError
 */
export async function startGeneration(
  c: Context<GenerationEnv>,
  deps: GenerationDeps,
  request: GenerationRequest & { requestedModel: string | undefined; stream: boolean },
): Promise<Run> {
  checkModel(deps, request.requestedModel);
  const generation = c.get('generation');
  const id = `chatcmpl-${randomUUID()}`;
  generation.admitted(admittedFact(deps, request, id));
  const deadline = new AbortController();
  const timer = setTimeout(() => {
    const message = `The answer took more than ${deps.deadlineSeconds} s (CHAT_DEADLINE_SECONDS). Ask for fewer tokens.`;
    deadline.abort(new ChatError('deadline', message));
  }, deps.deadlineSeconds * 1000);
  const signal = AbortSignal.any([clientGone(c), deadline.signal, deps.shutdown]);
  const facts = deps.engine.generate(request, { signal });
  let finishReason: FinishReason = 'stop';
  let summary: GenerationSummary | undefined;

  const finish = (result: FinishReason | ChatError): void => {
    clearTimeout(timer);
    summary = endGeneration(deps, c, generation, result);
  };

  async function* text(): AsyncGenerator<string, void, void> {
    let result: FinishReason | ChatError = new ChatError('client_gone', 'The client is gone.');
    try {
      for await (const fact of facts) {
        if (fact.type === 'prefilled') generation.prefilled(fact);
        if (fact.type === 'token') generation.token(fact);
        if (fact.type === 'ended') result = finishReason = fact.finishReason;
        if ('text' in fact && fact.text !== '') yield fact.text;
      }
    } catch (error) {
      result = toChatError(error);
      throw result;
    } finally {
      finish(result);
    }
  }

  try {
    for (;;) {
      const { value: fact, done } = await facts.next();
      if (done === true)
        throw new ChatError('internal_error', 'The engine ended without an answer.');
      if (fact.type === 'tokenized') generation.tokenized(fact);
      if (fact.type === 'queued') generation.queued(fact);
      if (fact.type === 'started') {
        generation.started(fact);
        break;
      }
    }
  } catch (error) {
    finish(toChatError(error));
    throw error;
  }
  return {
    id,
    text: text(),
    finished() {
      if (summary === undefined) throw new Error('finished() before the text was exhausted');
      return { finishReason, summary };
    },
  };
}

function checkModel(deps: GenerationDeps, requested: string | undefined): void {
  if (requested === undefined || requested === deps.model.id) return;
  if (deps.model.aliases.includes(requested)) return;
  throw new ChatError(
    'model_not_found',
    `model: expected "${deps.model.id}", the one that is served here (see GET /v1/models), or nothing; got another.`,
    { param: 'model' },
  );
}

function admittedFact(
  deps: GenerationDeps,
  request: GenerationRequest & { requestedModel: string | undefined; stream: boolean },
  responseId: string,
): Parameters<Generation['admitted']>[0] {
  const { maxTokens, temperature, topP, topK, seed, stop } = request.sampling;
  return {
    at: epochMillis(),
    model: deps.model.id,
    requestedModel: request.requestedModel ?? deps.model.id,
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

function clientGone(c: Context): AbortSignal {
  const controller = new AbortController();
  const abort = (): void => controller.abort(new ChatError('client_gone', 'The client is gone.'));
  if (c.req.raw.signal.aborted) abort();
  else c.req.raw.signal.addEventListener('abort', abort, { once: true });
  return controller.signal;
}

function endGeneration(
  deps: GenerationDeps,
  c: Context<GenerationEnv>,
  generation: Generation,
  result: FinishReason | ChatError,
): GenerationSummary {
  const at = epochMillis();
  if (typeof result === 'string') {
    const summary = generation.end({ outcome: 'completed', reason: result, at });
    return logEnd(deps, c, summary);
  }
  const summary = generation.end({ ...endingByCode[result.code], at, message: result.message });
  if (result.code === 'internal_error') {
    deps.log.error({ err: result.cause, trace_id: summary.traceId }, 'unforeseen error');
  }
  return logEnd(deps, c, summary);
}

const logged = new WeakSet<GenerationSummary>();

/** The canonical line: every fact of the trace, no text of anybody. */
function logEnd(
  deps: GenerationDeps,
  c: Context<GenerationEnv>,
  summary: GenerationSummary,
): GenerationSummary {
  if (logged.has(summary)) return summary;
  logged.add(summary);
  const { traceId, spanId, ...facts } = summary;
  const ids = { trace_id: traceId, span_id: spanId, request_id: c.get('requestId') };
  deps.log.info({ ...ids, route: c.req.path, model: deps.model.id, ...facts }, 'generation');
  return summary;
}

/** Writes the W3C trace context of this answer's trace into the response. */
function setTraceparent(c: Context, generation: Generation): void {
  const carrier: Record<string, string> = {};
  propagation.inject(generation.context, carrier);
  if (carrier['traceparent'] !== undefined) c.header('traceparent', carrier['traceparent']);
}

/** The timings a client gets with an answer; seconds, as in the metrics. */
export function timings(summary: GenerationSummary): Record<string, number | undefined> {
  return {
    queue_seconds: summary.queueSeconds,
    tokenize_seconds: summary.tokenizeSeconds,
    prefill_seconds: summary.prefillSeconds,
    first_token_seconds: summary.firstTokenSeconds,
    decode_seconds: summary.decodeSeconds,
    duration_seconds: summary.durationSeconds,
    tokens_per_second: summary.tokensPerSecond,
  };
}
