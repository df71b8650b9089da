/** Observes a forwarded request and its answer, whose bytes pass by: facts for the telemetry, and how it ended. Used by `forward.ts`. */
import type { Context } from 'hono';
import type { IncomingMessage } from 'node:http';
import { monotonicMillis } from '../../otel/clock.ts';
import type { StreamEnding } from '../../otel/names.ts';
import type { Account, ApiEnv, EmbeddingsAccount, FinalReason } from '../api/request-context.ts';
import { ChatError } from '../errors.ts';
import { inputTokensOf, noFacts, reportCounts, takeEvent } from './answer-facts.ts';
import {
  createAnswerReader,
  createJsonReader,
  createStreamReader,
  type AnswerReader,
} from './answer-reader.ts';
import { toBackendError } from './backend-error.ts';

export interface Observing {
  /** The model of a metric label: one that the server lists. */
  labelOf: (model: string | undefined) => string;
  /** The server gets a key of ours, or none. */
  isOwnKey: boolean;
}

export function createObserver(c: Context<ApiEnv>, { labelOf, isOwnKey }: Observing) {
  const account = c.get('account') as Account | undefined;
  const embeddings = c.get('embeddings') as EmbeddingsAccount | undefined;
  const isCounted = account !== undefined || embeddings !== undefined;
  const begunAt = monotonicMillis();
  const facts = noFacts();
  let status = 0;
  let isGood = false;
  let isStream = false;
  let isJson = false;
  let reader: AnswerReader | undefined;
  let firstPartAt: number | undefined;
  let errorBody: unknown;

  function take(event: unknown): void {
    if (!isGood) errorBody = event;
    const isPart = takeEvent(facts, event);
    if (facts.model !== undefined) admit();
    if (!isPart || !isStream) return;
    const at = monotonicMillis();
    firstPartAt ??= at;
    account?.generation.piece({ at });
  }

  /** The model of an answer is known with its first event. Only the first call has an effect. */
  function admit(): void {
    const model = labelOf(facts.model);
    const fact = { model, requestedModel: facts.model ?? model };
    const responseId = facts.id ?? c.get('requestId');
    account?.generation.admitted({ ...fact, responseId, stream: isStream });
    account?.note({ model });
    embeddings?.admitted(fact);
  }

  function settle(): void {
    admit();
    if (account === undefined) return;
    reportCounts(account.generation, facts, { begunAt, firstPartAt, endedAt: monotonicMillis() });
  }

  /** Of an answer whose bytes all came. @throws ChatError */
  function judge(): FinalReason {
    if (!isGood) throw toBackendError(errorBody, { status, isOwnKey });
    if (facts.error !== undefined) throw toBackendError({ error: facts.error }, { isOwnKey });
    if (!isStream && !isJson) {
      throw failure('The backend answered neither JSON nor a stream. Is BACKEND_URL right?');
    }
    if (isStream && reader !== undefined && !facts.isDone && facts.finish === undefined) {
      throw failure('The stream of the backend ended without its last event.');
    }
    if (isJson && facts.isBroken) throw failure('The backend answered with broken JSON.');
    return facts.finish ?? 'stop';
  }

  function endStream(how: StreamEnding): void {
    if (isStream) account?.streamEnded(how);
  }

  return {
    /** The headers of the answer have come. */
    begin({ statusCode = 0, headers }: IncomingMessage): void {
      if (!isCounted) return;
      status = statusCode;
      isGood = status >= 200 && status < 300;
      isStream = isGood && isEventStream(headers);
      isJson = /^[^;]*json *(;|$)/i.test(headers['content-type'] ?? '');
      const events = isStream ? createStreamReader(take) : createJsonReader(take);
      if (isStream || isJson) reader = createAnswerReader(headers['content-encoding'], events);
      if (isStream) account?.streamBegan();
    },
    /** Resolves when the observer takes more bytes. */
    push: (bytes: Uint8Array): Promise<void> | undefined => reader?.push(bytes),
    /** Resolves when all bytes are read. */
    flush: (): Promise<void> | undefined => reader?.end(),
    /** @throws ChatError if the bytes are no answer; `fail` must follow. */
    end(): void {
      if (!isCounted) return;
      const reason = judge();
      settle();
      account?.end(reason);
      endStream('done');
      embeddings?.complete({ inputTokens: inputTokensOf(facts) ?? 0 });
    },
    /** The client has left. Called before the HTTP server's span ends; `fail` must follow. */
    gone: () => endStream('client_gone'),
    /** `isStalled`: the client does not read. */
    fail(error: ChatError, isStalled: boolean): void {
      settle();
      account?.end(error);
      if (isStalled) endStream('stalled');
      else if (error.code === 'client_gone') endStream('client_gone');
      else endStream(facts.error === undefined ? 'broken' : 'error_frame');
    },
  };
}

export function isEventStream({ 'content-type': type = '' }: IncomingMessage['headers']): boolean {
  return /^ *text\/event-stream *(;|$)/i.test(type);
}

function failure(message: string): ChatError {
  return new ChatError('engine_error', message);
}
