/**
 * Forwards a request to the server of BACKEND_URL, and its answer to the client, byte for byte and as they come. Used by `endpoints.ts`.
 */
import type { HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { context, propagation } from '@opentelemetry/api';
import type { Context } from 'hono';
import { once } from 'node:events';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { isFulfilledWithin } from '../../otel/clock.ts';
import { setRoute } from '../../otel/http.ts';
import type { ApiEnv } from '../api/request-context.ts';
import type { Limits, StreamTimeouts } from '../api/run/request-limits.ts';
import { ChatError } from '../errors.ts';
import { explainFetchFailure } from '../kit/fetch-failure.ts';
import { routeOf } from '../kit/requests.ts';
import type { Backend } from './backend.ts';
import { forwardHeaders } from './headers.ts';
import { createObserver, isEventStream } from './observe-answer.ts';

export interface ForwardDeps {
  backend: Backend;
  apiKeys: readonly string[];
  limits: Pick<Limits, 'shutdown'>;
  timeouts: Pick<StreamTimeouts, 'stallMillis'>;
}

/** @throws ChatError of which the account knows. If headers were sent, the client's connection is then closed or its answer complete. */
export function createForward(deps: ForwardDeps): (c: Context<ApiEnv>) => Promise<Response> {
  const { backend, apiKeys, limits, timeouts } = deps;
  const { timeoutSeconds, labelOf } = backend;
  const isOwnKey = backend.key !== undefined || apiKeys.length > 0;

  return async function forward(c) {
    setRoute(routeOf(c) ?? '/v1/*');
    const { incoming, outgoing } = c.env as HttpBindings;
    const observer = createObserver(c, { labelOf, isOwnKey });
    const own = new AbortController();
    const signal = AbortSignal.any([own.signal, limits.shutdown]);
    let hasBegun = false;
    let isStalled = false;

    // A write after the client has left.
    outgoing.on('error', () => undefined);
    // Before the listener that ends the HTTP server's span.
    outgoing.prependOnceListener('close', () => {
      if (outgoing.writableFinished) return;
      observer.gone();
      own.abort(new ChatError('client_gone', 'The client disconnected.'));
    });
    const request = sendRequest(c, backend, { isOwnKey, signal });
    const silence = setTimeout(() => {
      // A client that does not read has a limit of its own.
      if (outgoing.writableNeedDrain) silence.refresh();
      else own.abort(createSilence(timeoutSeconds));
    }, timeoutSeconds * 1000);
    incoming.on('data', () => silence.refresh());

    try {
      const [answer] = (await once(request, 'response')) as [IncomingMessage];
      hasBegun = true;
      observer.begin(answer);
      // Before the first byte, an error can still have an answer of its own.
      const begin = (): void => {
        const { statusCode = 502, statusMessage } = answer;
        outgoing.writeHead(statusCode, statusMessage, answerHeaders(c, answer));
      };
      if (isEventStream(answer.headers)) {
        begin();
        outgoing.flushHeaders();
      }
      for await (const bytes of answer as AsyncIterable<Buffer>) {
        silence.refresh();
        if (!outgoing.headersSent) begin();
        outgoing.write(bytes);
        await observer.push(bytes);
        if (outgoing.writableNeedDrain) {
          const drained = once(outgoing, 'drain', { signal });
          isStalled = !(await isFulfilledWithin(timeouts.stallMillis, drained));
          if (isStalled) own.abort(new ChatError('client_gone', 'The client does not read.'));
        }
        signal.throwIfAborted();
      }
      if (!outgoing.headersSent) begin();
      // With the last byte the HTTP server's span ends.
      await observer.flush();
      outgoing.end();
      observer.end();
    } catch (cause) {
      const error = signal.aborted ? (signal.reason as ChatError) : toError(cause, hasBegun);
      observer.fail(error, isStalled);
      // Without its end the client sees that the answer is incomplete.
      if (outgoing.headersSent && !outgoing.writableEnded) outgoing.destroy();
      throw error;
    } finally {
      clearTimeout(silence);
      // The server may have answered before it had the whole request.
      request.destroy();
    }
    return RESPONSE_ALREADY_SENT;
  };
}

function sendRequest(
  c: Context<ApiEnv>,
  backend: Backend,
  { isOwnKey, signal }: { isOwnKey: boolean; signal: AbortSignal },
): ClientRequest {
  const { incoming } = c.env as HttpBindings;
  const carrier: Record<string, string> = {};
  propagation.inject(context.active(), carrier);
  const { key } = backend;
  const ownKey = { authorization: key && `Bearer ${key}`, 'x-api-key': undefined };
  // Node would send the body of a GET or DELETE without framing, and the server would read it as further requests.
  const framing = incoming.headers['transfer-encoding'] && { 'transfer-encoding': 'chunked' };
  const replaced = { host: backend.host, ...carrier, ...(isOwnKey && ownKey), ...framing };
  const { pathname, search } = new URL(c.req.url);
  const request = backend.request({
    method: incoming.method,
    path: `${pathname.startsWith('/v1/') ? '' : '/v1'}${pathname}${search}`,
    headers: forwardHeaders(incoming.rawHeaders, replaced),
    signal,
  });
  request.on('error', () => undefined);
  return incoming.pipe(request);
}

/** The server's headers, the trace, and what `CHAT_CORS_ORIGINS` adds. */
function answerHeaders(c: Context<ApiEnv>, { rawHeaders }: IncomingMessage): string[] {
  const ours = [...c.res.headers].filter(
    ([name]) => name === 'traceparent' || name.startsWith('access-control-'),
  );
  return forwardHeaders(rawHeaders, Object.fromEntries(ours));
}

function toError(cause: unknown, hasBegun: boolean): ChatError {
  if (cause instanceof ChatError) return cause;
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
