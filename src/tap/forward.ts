/**
 * Forwards a request to the server of BACKEND_URL, and its answer to the client, byte for byte and as they come. Used by `endpoints.ts`.
 */
import type { HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { context, propagation } from '@opentelemetry/api';
import type { Context } from 'hono';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isFulfilledWithin, monotonicMillis } from '../../otel/clock.ts';
import { setRoute } from '../../otel/http.ts';
import type { Account, ApiEnv } from '../api/request-context.ts';
import type { Limits, StreamTimeouts } from '../api/run/request-limits.ts';
import { ChatError } from '../errors.ts';
import { explainFetchFailure } from '../kit/fetch-failure.ts';
import { routeOf } from '../kit/requests.ts';
import type { Backend } from './backend.ts';
import { forwardHeaders, type Replaced } from './headers.ts';
import {
  admit,
  observeAnswer,
  streamType,
  type AnswerHead,
  type AnswerObserver,
  type Observed,
} from './observe-answer.ts';

export interface ForwardDeps {
  backend: Backend;
  apiKeys: readonly string[];
  limits: Pick<Limits, 'shutdown'>;
  timeouts: StreamTimeouts;
}

/** One request and its answer. */
interface Exchange {
  incoming: IncomingMessage;
  outgoing: ServerResponse;
  /** Aborted with the ChatError that ends the exchange early. */
  signal: AbortSignal;
  /** The server has sent something. */
  heard: () => void;
  /** The client does not read. */
  stall: () => void;
  isStalled: () => boolean;
  end: () => void;
}

/** @throws ChatError of which the account knows. If headers were sent, the client's connection is then closed or its answer complete. */
export function createForward(deps: ForwardDeps): (c: Context<ApiEnv>) => Promise<Response> {
  const { backend, apiKeys } = deps;
  const isOwnKey = backend.key !== undefined || apiKeys.length > 0;
  return async function forward(c) {
    setRoute(routeOf(c) ?? '/v1/*');
    const begunAt = monotonicMillis();
    const observed: Observed = { c, begunAt, labelOf: backend.labelOf, isOwnKey };
    let observer: AnswerObserver | undefined;
    const exchange = beginExchange(c, deps, () => observer?.gone());
    try {
      const answer = await ask(c, backend, exchange, isOwnKey);
      const head = headOf(answer);
      observer = observeAnswer(observed, head);
      const begin = (): void => {
        exchange.outgoing.writeHead(head.status, answer.statusMessage, answerHeaders(c, answer));
      };
      if (head.contentType === streamType) {
        begin();
        exchange.outgoing.flushHeaders();
      }
      await pass(answer, { exchange, observer, begin, stallMillis: deps.timeouts.stallMillis });
    } catch (cause) {
      const error = toError(cause, exchange, observer !== undefined);
      if (observer === undefined) admit(observed, {}, false);
      else observer.fail(error, exchange.isStalled());
      (c.get('account') as Account | undefined)?.end(error);
      // Without its end the client sees that the answer is incomplete.
      if (exchange.outgoing.headersSent) exchange.outgoing.destroy();
      throw error;
    } finally {
      exchange.end();
    }
    await observer.end();
    return RESPONSE_ALREADY_SENT;
  };
}

function beginExchange(
  c: Context<ApiEnv>,
  { backend, limits }: ForwardDeps,
  onGone: () => void,
): Exchange {
  const { incoming, outgoing } = c.env as unknown as HttpBindings;
  const own = new AbortController();
  const clientGone = (): void => {
    own.abort(new ChatError('client_gone', 'The client disconnected.'));
  };
  let isStalled = false;
  // A write after the client has left.
  outgoing.on('error', () => undefined);
  const onClose = (): void => {
    if (outgoing.writableFinished) return;
    onGone();
    clientGone();
  };
  outgoing.prependOnceListener('close', onClose);
  const { timeoutSeconds } = backend;
  const silence = setTimeout(() => {
    // A client that does not read has a limit of its own.
    if (outgoing.writableNeedDrain) silence.refresh();
    else own.abort(createSilence(timeoutSeconds));
  }, timeoutSeconds * 1000);
  const heard = (): void => void silence.refresh();
  incoming.on('data', heard);
  return {
    incoming,
    outgoing,
    signal: AbortSignal.any([own.signal, limits.shutdown]),
    heard,
    stall() {
      isStalled = true;
      clientGone();
    },
    isStalled: () => isStalled,
    end() {
      clearTimeout(silence);
      outgoing.off('close', onClose);
      incoming.off('data', heard);
      // The server has answered before it had the whole request.
      if (!incoming.complete) own.abort();
    },
  };
}

/** Sends the request. @returns the server's answer, whose headers have come. */
function ask(
  c: Context<ApiEnv>,
  backend: Backend,
  { incoming, signal }: Exchange,
  isOwnKey: boolean,
): Promise<IncomingMessage> {
  const carrier: Record<string, string> = {};
  propagation.inject(context.active(), carrier);
  const { key } = backend;
  const ownKey = { authorization: key && `Bearer ${key}`, 'x-api-key': undefined };
  const replaced: Replaced = { host: backend.url.host, ...carrier, ...(isOwnKey && ownKey) };
  const { pathname, search } = new URL(c.req.url);
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const request = backend.request({
    method: incoming.method,
    path: `${pathname.startsWith('/v1/') ? '' : '/v1'}${pathname}${search}`,
    headers: forwardHeaders(incoming.rawHeaders, replaced),
    signal,
  });
  request.once('response', resolve);
  request.on('error', reject);
  request.on('timeout', () => {
    if (request.socket?.connecting === true) request.destroy(createConnectTimeout());
  });
  incoming.pipe(request);
  return promise;
}

function createConnectTimeout(): Error {
  return Object.assign(new Error('no connection'), { code: 'ETIMEDOUT' });
}

function headOf({ statusCode = 502, headers }: IncomingMessage): AnswerHead {
  const [contentType = ''] = (headers['content-type'] ?? '').toLowerCase().split(';', 1);
  const encoding = (headers['content-encoding'] ?? '').trim().toLowerCase();
  return { status: statusCode, contentType: contentType.trim(), encoding };
}

/** The server's headers, the trace, and what `CHAT_CORS_ORIGINS` adds. */
function answerHeaders(c: Context<ApiEnv>, { rawHeaders }: IncomingMessage): string[] {
  const ours = [...c.res.headers].filter(
    ([name]) => name === 'traceparent' || name.startsWith('access-control-'),
  );
  return forwardHeaders(rawHeaders, Object.fromEntries(ours));
}

interface Passed {
  exchange: Exchange;
  observer: AnswerObserver;
  /** Writes the headers. Before that, an error can still have an answer of its own. */
  begin: () => void;
  stallMillis: number;
}

/** Passes the bytes on before it looks at them. */
async function pass(answer: IncomingMessage, passed: Passed): Promise<void> {
  const { exchange, observer, begin, stallMillis } = passed;
  const { outgoing, signal } = exchange;
  for await (const bytes of answer as AsyncIterable<Buffer>) {
    exchange.heard();
    if (!outgoing.headersSent) begin();
    const isFull = !outgoing.write(bytes);
    await observer.push(bytes);
    if (!isFull) continue;
    const drained = once(outgoing, 'drain', { signal });
    if (!(await isFulfilledWithin(stallMillis, drained))) exchange.stall();
    signal.throwIfAborted();
  }
  if (!outgoing.headersSent) begin();
  outgoing.end();
}

function toError(cause: unknown, { signal }: Exchange, hasBegun: boolean): ChatError {
  if (signal.aborted) return signal.reason as ChatError;
  const reason = explainFetchFailure(cause);
  const [message, zh] = hasBegun
    ? [`The backend broke off its answer (${reason}).`, `后端推理服务中断了回答（${reason}）。`]
    : [
        `The backend does not answer (${reason}). Start it, or correct BACKEND_URL.`,
        `后端推理服务无响应（${reason}）。请启动它，或更正 BACKEND_URL。`,
      ];
  return new ChatError('backend_unreachable', message, { cause, zh });
}

function createSilence(seconds: number): ChatError {
  const message = `The backend sent nothing for ${seconds} s (BACKEND_TIMEOUT_SECONDS).`;
  const zh = `后端推理服务已有 ${seconds} 秒没有输出（BACKEND_TIMEOUT_SECONDS）。`;
  return new ChatError('backend_timeout', message, { zh });
}
