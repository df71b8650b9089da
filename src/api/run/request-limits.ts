/** When work for a request ends early: its client left, its deadline passed, the service shuts down. */
import type { Context } from 'hono';
import { ChatError } from '../../errors.ts';

export interface StreamTimeouts {
  /** A stream is silent for this long before the generation begins; then it gets its headers and a comment. */
  keepAliveMillis: number;
  /** A reader that takes nothing for this long is given up. */
  stallMillis: number;
}

/** Proxies and clients close a connection that is silent for 10 s or more. */
export const defaultTimeouts: StreamTimeouts = { keepAliveMillis: 5000, stallMillis: 60_000 };

export interface Limits {
  deadlineSeconds: number;
  /** Aborted, with a ChatError `shutdown`, when the grace period is over. */
  shutdown: AbortSignal;
}

export interface RequestLimits {
  /** Aborted with a ChatError. */
  signal: AbortSignal;
  /** As if the client had left. */
  abandon: () => void;
  /** Call it when the work is done. */
  release: () => void;
}

export function limitRequest(c: Context, { deadlineSeconds, shutdown }: Limits): RequestLimits {
  const own = new AbortController();
  const timer = setTimeout(() => {
    const message = `The answer took more than ${deadlineSeconds} s (CHAT_DEADLINE_SECONDS). Ask for fewer tokens.`;
    own.abort(new ChatError('deadline', message));
  }, deadlineSeconds * 1000);
  const abandon = (): void => own.abort(new ChatError('client_gone', 'The client is gone.'));
  const client = c.req.raw.signal;
  if (client.aborted) abandon();
  else client.addEventListener('abort', abandon, { once: true });
  return {
    signal: AbortSignal.any([own.signal, shutdown]),
    abandon,
    release() {
      clearTimeout(timer);
      client.removeEventListener('abort', abandon);
    },
  };
}
