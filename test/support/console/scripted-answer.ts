/**
 * An answer that the test writes piece by piece, as the service streams it. For states of the page that a real model passes in
 * milliseconds. Everything else still comes from the real service.
 */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { BrowserContext } from 'playwright-core';

export interface ScriptedAnswer {
  write(text: string): void;
  /** The comments about the wait. */
  comment(text: string): void;
  /** With the last chunks of the service; `cut`: without them. */
  end(how?: 'cut'): void;
  /** Resolves when the page has closed the connection, or the answer has ended. */
  closed: Promise<unknown>;
}

export interface Script {
  /** The next answer that the pages of the context request. */
  next(): Promise<ScriptedAnswer>;
  stop(): void;
}

export async function scriptAnswers(context: BrowserContext): Promise<Script> {
  const asked: ServerResponse[] = [];
  const takers: ((response: ServerResponse) => void)[] = [];
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    const taker = takers.shift();
    if (taker === undefined) asked.push(response);
    else taker(response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  await context.route('**/v1/chat/completions', (route) => route.continue({ url }));
  return {
    async next() {
      const first = asked.shift();
      return toAnswer(
        first ?? (await new Promise<ServerResponse>((resolve) => void takers.push(resolve))),
      );
    },
    stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}

function toAnswer(response: ServerResponse): ScriptedAnswer {
  const send = (frame: object): boolean => response.write(`data: ${JSON.stringify(frame)}\n\n`);
  return {
    write: (content) => void send({ choices: [{ delta: { content } }] }),
    comment: (text) => void response.write(`: ${text}\n\n`),
    end(how) {
      if (how !== 'cut') {
        send({ choices: [{ delta: {}, finish_reason: 'stop' }] });
        send({ choices: [], usage: { prompt_tokens: 9, completion_tokens: 3 } });
        response.write('data: [DONE]\n\n');
      }
      response.end();
    },
    closed: once(response, 'close'),
  };
}
