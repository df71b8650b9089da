/** Tells a watcher outside that the notifier lives, once a minute, as long as it can write. Started by `main.ts`. */
import type { Logger } from '../../../otel/logger.ts';
import type { Heard } from '../outbox/heard.ts';

export const heartbeatMillis = 60_000;
const timeoutMillis = 10_000;

/** One ping. The URL is a secret: no error tells it. */
export async function sendHeartbeat(
  url: URL,
  { heard, log, now }: { heard: Pick<Heard, 'setMark'>; log: Logger; now: () => number },
): Promise<void> {
  try {
    // A notifier that cannot write takes no alert: its silence is what the watcher has to hear.
    heard.setMark('heartbeat', now());
  } catch (error) {
    log.error({ err: error }, 'no heartbeat: the outbox cannot be written');
    return;
  }
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMillis) });
    await response.body?.cancel();
    if (!response.ok) log.warn({ status: response.status }, 'the heartbeat was refused');
  } catch {
    log.warn('the heartbeat did not arrive');
  }
}
