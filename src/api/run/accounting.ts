/** Counts every POST to a generation route exactly once: one `inference.requests` outcome and one log line, however it ends. */
import { context, trace } from '@opentelemetry/api';
import type { Context, MiddlewareHandler } from 'hono';
import type {
  Generation,
  GenerationSummary,
  InferenceTelemetry,
} from '../../../otel/generation/inference.ts';
import {
  embeddingsOperation,
  spanAttributes as s,
  type Ending,
  type Operation,
  type StreamEnding,
} from '../../../otel/names.ts';
import { setErrorType } from '../../../otel/http.ts';
import { monotonicMillis } from '../../../otel/clock.ts';
import { rowOf } from '../../../otel/outcomes.ts';
import { toChatError, type ChatError, type ChatErrorCode } from '../../errors.ts';
import type { Account, ApiEnv, Log } from '../request-context.ts';
import { describeError, describeRequest, describeSummary, errorAttributes } from './log-line.ts';

export interface AccountingDeps {
  inference: InferenceTelemetry;
  log: Log;
  model: { id: string };
  statusByCode: Readonly<Record<ChatErrorCode, number>>;
}

const endingByCode = {
  alert_gone: { outcome: 'rejected', reason: 'bad_request' },
  backend_timeout: { outcome: 'cancelled', reason: 'deadline' },
  backend_unreachable: { outcome: 'failed', reason: 'engine_exit' },
  bad_request: { outcome: 'rejected', reason: 'bad_request' },
  client_gone: { outcome: 'cancelled', reason: 'client_gone' },
  context_overflow: { outcome: 'rejected', reason: 'context_overflow' },
  deadline: { outcome: 'cancelled', reason: 'deadline' },
  engine_error: { outcome: 'failed', reason: 'engine_error' },
  engine_exit: { outcome: 'failed', reason: 'engine_exit' },
  forbidden: { outcome: 'rejected', reason: 'unauthorized' },
  internal_error: { outcome: 'failed', reason: 'internal_error' },
  method_not_allowed: { outcome: 'rejected', reason: 'bad_request' },
  model_not_found: { outcome: 'rejected', reason: 'model_not_found' },
  not_found: { outcome: 'rejected', reason: 'bad_request' },
  not_ready: { outcome: 'rejected', reason: 'not_ready' },
  peer_unreachable: { outcome: 'failed', reason: 'internal_error' },
  queue_full: { outcome: 'rejected', reason: 'queue_full' },
  queue_timeout: { outcome: 'rejected', reason: 'queue_timeout' },
  shutdown: { outcome: 'cancelled', reason: 'shutdown' },
  too_large: { outcome: 'rejected', reason: 'too_large' },
  unauthorized: { outcome: 'rejected', reason: 'unauthorized' },
} as const satisfies Record<ChatErrorCode, Ending>;

const rejectedWhileDraining: Ending = { outcome: 'rejected', reason: 'shutdown' };

/** Begins the account when the headers have arrived, and ends it for every error that a later handler throws. */
export function account(
  deps: AccountingDeps,
  operation: Operation | typeof embeddingsOperation,
): MiddlewareHandler<ApiEnv> {
  return operation === embeddingsOperation
    ? accountEmbeddings(deps)
    : accountGeneration(deps, operation);
}

interface EmbeddingsFacts {
  inputTokens?: number;
  dimensions?: number;
  message?: string;
}

function accountEmbeddings(deps: AccountingDeps): MiddlewareHandler<ApiEnv> {
  return async function accountEmbeddings(c, next) {
    const embeddings = deps.inference.beginEmbeddings({ at: monotonicMillis() });
    let isAdmitted = false;
    const end = (ending: Ending, facts: EmbeddingsFacts, error?: ChatError): void => {
      trace.getSpan(embeddings.context)?.setAttributes(errorAttributes(c, error));
      const summary = embeddings.end({ ...ending, ...facts, at: monotonicMillis() });
      const result = { ...describeError(error, deps.statusByCode), ...describeSummary(summary) };
      deps.log.info({ ...describeRequest(c, deps.model), ...result }, 'embeddings');
    };
    c.set('embeddings', {
      admitted(fact) {
        isAdmitted = true;
        embeddings.admitted({ at: monotonicMillis(), ...fact });
      },
      complete: (facts) => end({ outcome: 'completed', reason: 'stop' }, facts),
    });
    await context.with(embeddings.context, next);
    if (c.error === undefined) return;
    const error = toChatError(c.error);
    const isDraining = error.code === 'shutdown' && !isAdmitted;
    const ending = isDraining ? rejectedWhileDraining : endingByCode[error.code];
    end(ending, { message: error.recorded }, error);
  };
}

function accountGeneration(deps: AccountingDeps, operation: Operation): MiddlewareHandler<ApiEnv> {
  return async function accountGeneration(c, next) {
    const generation = deps.inference.begin({ operation, at: monotonicMillis() });
    const account = createAccount(deps, c, generation);
    c.set('account', account);
    await context.with(generation.context, next);
    if (c.error !== undefined) account.refuse(toChatError(c.error));
    account.handled();
  };
}

function createAccount(
  deps: AccountingDeps,
  c: Context<ApiEnv>,
  generation: Generation,
): Account & { handled(): void } {
  // The HTTP server's span, which ends with the last byte.
  const server = trace.getActiveSpan();
  const http = context.active();
  const line: Record<string, unknown> = {};
  let summary: GenerationSummary | undefined;
  let stream: 'none' | 'open' | StreamEnding = 'none';
  let isHandled = false;

  /** The line is written when the generation and the stream have ended. A short answer may end before its stream begins. */
  function log(): void {
    if (!isHandled || summary === undefined || stream === 'open') return;
    const ending = stream === 'none' ? {} : { streamEnding: stream };
    deps.log.info(
      { ...describeRequest(c, deps.model), ...line, ...ending, ...describeSummary(summary) },
      'generation',
    );
  }

  function end(ending: Ending, error?: ChatError): GenerationSummary {
    if (summary !== undefined) return summary;
    const message = error === undefined ? {} : { message: error.recorded };
    Object.assign(line, describeError(error, stream === 'none' ? deps.statusByCode : undefined));
    trace.getSpan(generation.context)?.setAttributes(errorAttributes(c, error));
    summary = generation.end({ ...ending, at: monotonicMillis(), ...message });
    if (error?.code === 'internal_error') {
      deps.log.error({ err: error.cause, trace_id: summary.traceId }, 'unexpected error');
    }
    log();
    return summary;
  }

  return {
    generation,
    handled() {
      isHandled = true;
      log();
    },
    note: (facts) => void Object.assign(line, facts),
    end: (result) =>
      typeof result === 'string'
        ? end({ outcome: 'completed', reason: result })
        : end(endingByCode[result.code], result),
    // On shutdown, a generation that has begun counts as cancelled; any other request counts as rejected.
    refuse: (error) => {
      end(error.code === 'shutdown' ? rejectedWhileDraining : endingByCode[error.code], error);
    },
    streamBegan() {
      stream = 'open';
    },
    streamEnded(how) {
      generation.streamEnded(how);
      if (stream !== 'open') return;
      stream = how;
      server?.setAttribute(s.streamEnding, how);
      const ended = summary;
      if (ended !== undefined && rowOf(ended).streamStatus >= 500) setErrorType(ended.reason, http);
      log();
    },
  };
}
