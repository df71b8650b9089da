/** Counts every POST to a generation route exactly once: one `inference.requests` outcome and one log line, however it ends. */
import { context } from '@opentelemetry/api';
import type { Context, MiddlewareHandler } from 'hono';
import type {
  EmbeddingsSummary,
  Generation,
  GenerationSummary,
  InferenceTelemetry,
} from '../../../otel/generation/inference.ts';
import { embeddingsOperation, type Ending, type Operation } from '../../../otel/names.ts';
import { monotonicMillis } from '../../../otel/clock.ts';
import { toChatError, type ChatError, type ChatErrorCode } from '../../errors.ts';
import type { Account, ApiEnv, Log } from '../request-context.ts';

export interface AccountingDeps {
  inference: InferenceTelemetry;
  log: Log;
  model: { id: string };
}

const endingByCode = {
  alert_gone: { outcome: 'rejected', reason: 'bad_request' },
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

function accountEmbeddings({ inference, log, model }: AccountingDeps): MiddlewareHandler<ApiEnv> {
  return async function accountEmbeddings(c, next) {
    const embeddings = inference.beginEmbeddings({ at: monotonicMillis() });
    let isAdmitted = false;
    const end = (ending: Ending, facts: EmbeddingsFacts): void => {
      const summary = embeddings.end({ ...ending, ...facts, at: monotonicMillis() });
      logEnd({ log, model }, c, summary, 'embeddings');
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
    const { code, message } = toChatError(c.error);
    const isDraining = code === 'shutdown' && !isAdmitted;
    end(isDraining ? rejectedWhileDraining : endingByCode[code], { message });
  };
}

function accountGeneration(deps: AccountingDeps, operation: Operation): MiddlewareHandler<ApiEnv> {
  return async function accountGeneration(c, next) {
    const generation = deps.inference.begin({ operation, at: monotonicMillis() });
    const account = createAccount(deps, c, generation);
    c.set('account', account);
    await context.with(generation.context, next);
    if (c.error !== undefined) account.refuse(toChatError(c.error));
  };
}

function createAccount(deps: AccountingDeps, c: Context<ApiEnv>, generation: Generation): Account {
  let summary: GenerationSummary | undefined;

  function end(ending: Ending, error?: ChatError): GenerationSummary {
    if (summary !== undefined) return summary;
    const message = error === undefined ? {} : { message: error.message };
    summary = generation.end({ ...ending, at: monotonicMillis(), ...message });
    if (error?.code === 'internal_error') {
      deps.log.error({ err: error.cause, trace_id: summary.traceId }, 'unexpected error');
    }
    logEnd(deps, c, summary, 'generation');
    return summary;
  }

  return {
    generation,
    end: (result) =>
      typeof result === 'string'
        ? end({ outcome: 'completed', reason: result })
        : end(endingByCode[result.code], result),
    // On shutdown, a generation that has begun counts as cancelled; any other request counts as rejected.
    refuse: (error) => {
      end(error.code === 'shutdown' ? rejectedWhileDraining : endingByCode[error.code], error);
    },
  };
}

/** The log line has the summary of the trace, and no text of prompt or answer. */
function logEnd(
  { log, model }: Pick<AccountingDeps, 'log' | 'model'>,
  c: Context<ApiEnv>,
  summary: GenerationSummary | EmbeddingsSummary,
  message: 'generation' | 'embeddings',
): void {
  const { traceId, spanId, ...facts } = summary;
  const ids = { trace_id: traceId, span_id: spanId, request_id: c.get('requestId') };
  log.info({ ...ids, route: c.req.path, model: model.id, ...facts }, message);
}
