/** The end of a server that answers until nobody is left who waits for one. main.ts calls it on SIGTERM. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { isFulfilledWithin } from '../otel/clock.ts';
import { isIgnored } from '../otel/http.ts';

/** For an interrupted request, to tell its client. */
const farewellMillis = 2000;
/** For a scrape that is under way when the last request has ended. */
const closeMillis = 500;
const closePollMillis = 50;

export interface Drain {
  /**
   * Resolves when the server is closed. Until the last request has ended it still listens: whoever watches reads what became
   * of each, and newcomers are told where a refused connection would say nothing. `interrupt` is called where the grace
   * period was not enough.
   */
  end(options: { graceSeconds: number; interrupt: () => void }): Promise<void>;
}

/** Scrapes, probes and the console keep no service from ending. */
export function createDrain(server: Server): Drain {
  const open = new Set<ServerResponse>();
  const quiet = Promise.withResolvers<void>();
  let draining = false;

  // Before the listener that answers.
  server.prependListener('request', (request: IncomingMessage, response: ServerResponse) => {
    if (draining) response.shouldKeepAlive = false;
    if (isIgnored(request.url)) return;
    open.add(response);
    response.once('close', () => {
      open.delete(response);
      if (draining && open.size === 0) quiet.resolve();
    });
  });

  return {
    async end({ graceSeconds, interrupt }) {
      draining = true;
      if (open.size === 0) quiet.resolve();
      if (!(await isFulfilledWithin(graceSeconds * 1000, quiet.promise))) {
        interrupt();
        await isFulfilledWithin(farewellMillis, quiet.promise);
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
