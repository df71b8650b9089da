/** When work for a request ends early: its client left, its deadline passed, the service shuts down. */
import type { Context } from 'hono';
import { ChatError } from '../../errors.ts';
import type { ApiDeps } from '../endpoint.ts';

export interface RequestLimits {
  /** Aborted with a ChatError. */
  signal: AbortSignal;
  /** As if the client had left. */
  abandon: () => void;
  /** Call it when the work is done. */
  release: () => void;
}

export function limitRequest(
  c: Context,
  deps: Pick<ApiDeps, 'deadlineSeconds' | 'shutdown'>,
): RequestLimits {
  const own = new AbortController();
  const timer = setTimeout(() => {
    const message = `The answer took more than ${deps.deadlineSeconds} s (CHAT_DEADLINE_SECONDS). Ask for fewer tokens.`;
    own.abort(new ChatError('deadline', message));
  }, deps.deadlineSeconds * 1000);
  const abandon = (): void => own.abort(new ChatError('client_gone', 'The client is gone.'));
  const client = c.req.raw.signal;
  if (client.aborted) abandon();
  else client.addEventListener('abort', abandon, { once: true });
  return {
    signal: AbortSignal.any([own.signal, deps.shutdown]),
    abandon,
    release() {
      clearTimeout(timer);
      client.removeEventListener('abort', abandon);
    },
  };
}
