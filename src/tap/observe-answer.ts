/** One answer of the server, observed while its bytes pass: facts for the telemetry, and how it ended. Used by `forward.ts`. */
import type { Context } from 'hono';
import { monotonicMillis } from '../../otel/clock.ts';
import type { Account, ApiEnv, EmbeddingsAccount, FinalReason } from '../api/request-context.ts';
import { ChatError } from '../errors.ts';
import {
  inputTokensOf,
  noFacts,
  reportCounts,
  takeEvent,
  type AnswerFacts,
} from './answer-facts.ts';
import { createJsonReader, createStreamReader } from './answer-reader.ts';
import { toBackendError } from './backend-error.ts';
import { createDecoder } from './decoder.ts';

/** What the headers of an answer say. */
export interface AnswerHead {
  status: number;
  /** In lower case, without parameters. */
  contentType: string;
  encoding: string;
}

export interface AnswerObserver {
  /** Resolves when the observer takes more bytes. */
  push(bytes: Uint8Array): Promise<void> | undefined;
  /** All bytes have passed. @throws ChatError if they are no answer. */
  end(): Promise<void>;
  /** The client has left. Called before the HTTP server's span ends; `fail` follows. */
  gone(): void;
  /** The bytes stopped early, because of `error`; `isStalled`: the client does not read. */
  fail(error: ChatError, isStalled: boolean): void;
}

export interface Observed {
  c: Context<ApiEnv>;
  begunAt: number;
  /** The model of a metric label: one that the server lists. */
  labelOf: (model: string | undefined) => string;
  isOwnKey: boolean;
}

export const streamType = 'text/event-stream';

export function observeAnswer(observed: Observed, head: AnswerHead): AnswerObserver {
  const { c, isOwnKey } = observed;
  const { status, contentType } = head;
  const account = c.get('account') as Account | undefined;
  const embeddings = c.get('embeddings') as EmbeddingsAccount | undefined;
  if (account === undefined && embeddings === undefined) return unobserved;
  const facts = noFacts();
  const isAnswer = status >= 200 && status < 300;
  const isStream = isAnswer && contentType === streamType;
  let firstPartAt: number | undefined;
  let errorBody: unknown;
  const reader = (isStream ? createStreamReader : createJsonReader)((event) => {
    if (!isAnswer) errorBody = event;
    const isPart = takeEvent(facts, event);
    if (facts.model !== undefined) admit(observed, facts, isStream);
    if (!isPart || !isStream) return;
    const at = monotonicMillis();
    firstPartAt ??= at;
    account?.generation.piece({ at });
  });
  const decoder = createDecoder(head.encoding, (bytes) => reader.push(bytes));
  const isReadable = decoder !== undefined && (isStream || contentType.endsWith('json'));
  if (isStream) account?.streamBegan();

  function settle(): void {
    admit(observed, facts, isStream);
    if (account === undefined) return;
    const times = { begunAt: observed.begunAt, firstPartAt, endedAt: monotonicMillis() };
    reportCounts(account.generation, facts, times);
  }

  return {
    push: (bytes) => (isReadable ? decoder.push(bytes) : undefined),
    async end() {
      if (isReadable) {
        await decoder.end();
        reader.end();
      }
      settle();
      if (!isAnswer) throw toBackendError(errorBody, { status, isOwnKey });
      const result = judge(facts, { isStream, isReadable, contentType, isOwnKey });
      if (result instanceof ChatError) {
        account?.end(result);
        if (isStream) account?.streamEnded(facts.error === undefined ? 'broken' : 'error_frame');
        throw result;
      }
      account?.end(result);
      if (isStream) account?.streamEnded('done');
      embeddings?.complete({ inputTokens: inputTokensOf(facts) ?? 0 });
    },
    gone() {
      if (isStream) account?.streamEnded('client_gone');
    },
    fail(error, isStalled) {
      settle();
      account?.end(error);
      if (!isStream) return;
      const how = error.code === 'client_gone' ? 'client_gone' : 'broken';
      account?.streamEnded(isStalled ? 'stalled' : how);
    },
  };
}

/** Of a request that has no account. */
const unobserved: AnswerObserver = {
  push: () => undefined,
  end: async () => undefined,
  gone: () => undefined,
  fail: () => undefined,
};

/** The model of an answer is known with its first event. Only the first call has an effect. */
export function admit(
  { c, labelOf }: Observed,
  { model, id }: Pick<AnswerFacts, 'model' | 'id'>,
  isStream: boolean,
): void {
  const label = labelOf(model);
  const fact = { model: label, requestedModel: model ?? label };
  const account = c.get('account') as Account | undefined;
  const responseId = id ?? c.get('requestId');
  account?.generation.admitted({ ...fact, responseId, stream: isStream });
  account?.note({ model: label });
  (c.get('embeddings') as EmbeddingsAccount | undefined)?.admitted(fact);
}

interface Seen {
  isStream: boolean;
  isReadable: boolean;
  contentType: string;
  isOwnKey: boolean;
}

/** How an answer ended whose bytes all came. */
function judge(facts: AnswerFacts, seen: Seen): FinalReason | ChatError {
  if (facts.error !== undefined) return toBackendError({ error: facts.error }, seen);
  if (!seen.isReadable) return seen.contentType.endsWith('json') ? 'stop' : notAnAnswer();
  if (seen.isStream && !facts.isDone && facts.finish === undefined) {
    return new ChatError('engine_error', 'The stream of the backend ended without its last event.');
  }
  if (!seen.isStream && facts.isBroken) {
    return new ChatError('engine_error', 'The backend answered with broken JSON.');
  }
  return facts.finish ?? 'stop';
}

function notAnAnswer(): ChatError {
  return new ChatError(
    'engine_error',
    'The backend answered neither JSON nor a stream. Is BACKEND_URL right?',
  );
}
