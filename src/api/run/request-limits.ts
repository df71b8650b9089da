/** Ends the work for a request early: when its client disconnects, its deadline passes, or the service shuts down. */
import type { Context } from 'hono';
import { ChatError } from '../../errors.ts';

export interface StreamTimeouts {
  /** Interval of the comments that tell about the wait and keep a waiting stream open. The first one also sends the headers. */
  keepAliveMillis: number;
  /** The service disconnects a client that does not read for this long. */
  stallMillis: number;
}

/** Comments every second, so that a person sees the place in the queue change; some proxies close a connection that is silent for 10 s. */
export const defaultTimeouts: StreamTimeouts = { keepAliveMillis: 1000, stallMillis: 60_000 };

export interface Limits {
  deadlineSeconds: number;
  /** Aborted with a ChatError `shutdown` when the grace period is over. */
  shutdown: AbortSignal;
}

/** Returns a `signal` that aborts with a ChatError. The caller disposes the result when the request has ended. */
export function limitRequest(c: Context, { deadlineSeconds, shutdown }: Limits) {
  const own = new AbortController();
  const timer = setTimeout(() => {
    const message = `The answer took more than ${deadlineSeconds} s (CHAT_DEADLINE_SECONDS). Lower max_tokens.`;
    const zh = `生成超时：超过 ${deadlineSeconds} 秒（CHAT_DEADLINE_SECONDS），已中止。请减小 max_tokens。`;
    own.abort(new ChatError('deadline', message, { zh }));
  }, deadlineSeconds * 1000);
  const abandon = (): void => own.abort(new ChatError('client_gone', 'The client disconnected.'));
  const client = c.req.raw.signal;
  if (client.aborted) abandon();
  else client.addEventListener('abort', abandon, { once: true });
  return {
    signal: AbortSignal.any([own.signal, shutdown]),
    /** Aborts `signal` as if the client had disconnected. */
    abandon,
    [Symbol.dispose](): void {
      clearTimeout(timer);
      client.removeEventListener('abort', abandon);
    },
  };
}
