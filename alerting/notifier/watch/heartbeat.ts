/** Pings an external monitor once a minute while the outbox can be written. Started by `main.ts`. */
import type { Logger } from '../../../otel/logger.ts';
import { withoutCredentials } from '../credentials.ts';
import type { Outbox } from '../outbox/outbox.ts';

export const heartbeatMillis = 60_000;
const timeoutMillis = 10_000;

/** Sends one ping. Errors are logged without the URL, which is a secret. */
export async function sendHeartbeat(
  url: URL,
  { marks, log }: { marks: Pick<Outbox['marks'], 'set'>; log: Logger },
): Promise<void> {
  try {
    // A notifier that cannot write accepts no alert, so it must not report itself as alive.
    marks.set('heartbeat', Date.now());
  } catch (error) {
    log.error({ err: error }, 'heartbeat skipped: cannot write to the outbox');
    return;
  }
  try {
    const { url: target, headers } = withoutCredentials(url);
    const signal = AbortSignal.timeout(timeoutMillis);
    const response = await fetch(target, { headers, signal });
    await response.body?.cancel();
    if (!response.ok) log.warn({ status: response.status }, 'heartbeat refused');
  } catch {
    log.warn('heartbeat failed: no answer');
  }
}
