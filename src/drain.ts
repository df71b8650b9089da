/** Closes an HTTP server after its running requests have ended. Used by main.ts on SIGTERM. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { isFulfilledWithin } from '../otel/clock.ts';
import { isIgnored } from '../otel/http.ts';

/** Time for interrupted requests to send their error. */
const errorMillis = 2000;
/** Time for a scrape that is running when the last request ends. */
const closeMillis = 500;
const closePollMillis = 50;

export interface Drain {
  /**
   * Resolves when the server is closed. Keeps listening until the last request ends, so that Prometheus can scrape the final
   * counts and new requests get a 503 instead of a refused connection. Calls `interrupt` when the grace period is over.
   */
  end(options: { graceSeconds: number; interrupt: () => void }): Promise<void>;
}

/** Waits for requests of clients only: not for scrapes, probes and the console's own requests. */
export function createDrain(server: Server): Drain {
  const open = new Set<ServerResponse>();
  const idle = Promise.withResolvers<void>();
  let draining = false;

  // Prepended: a response must be tracked before its handler can end it.
  server.prependListener('request', (request: IncomingMessage, response: ServerResponse) => {
    if (draining) response.shouldKeepAlive = false;
    if (isIgnored(request.url)) return;
    open.add(response);
    response.once('close', () => {
      open.delete(response);
      if (draining && open.size === 0) idle.resolve();
    });
  });

  return {
    async end({ graceSeconds, interrupt }) {
      draining = true;
      if (open.size === 0) idle.resolve();
      if (!(await isFulfilledWithin(graceSeconds * 1000, idle.promise))) {
        interrupt();
        await isFulfilledWithin(errorMillis, idle.promise);
        for (const response of open) response.destroy();
      }
      await close(server);
    },
  };
}

async function close(server: Server): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  const deadline = performance.now() + closeMillis;
  const poll = setInterval(() => {
    if (performance.now() < deadline) server.closeIdleConnections();
    else server.closeAllConnections();
  }, closePollMillis);
  await closed;
  clearInterval(poll);
}
