/** A server of one file with configurable failures. Used by the tests of the model downloads. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Exchange {
  request: IncomingMessage;
  response: ServerResponse;
  /** 1 for the first request. */
  count: number;
  /** The start of the requested range; 0 without a range. */
  offset: number;
  /** Sends the headers for a body that starts at `offset`: 206 with the range, or 200. */
  sendHead: (options?: { ranges?: boolean }) => void;
}

export interface FileServer {
  url: string;
  /** The requests, in order. */
  requests: { path: string; range: string | undefined; authorization: string | undefined }[];
  close: () => Promise<void>;
}

/** Bytes that vary, so that a misplaced chunk changes the content. */
export function makeBody(length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, i) => Math.imul(i + 1, 2654435761) >>> 24));
}

/** Sends the requested range. */
export const sendAll =
  (body: Buffer) =>
  ({ response, offset, sendHead }: Exchange): void => {
    sendHead();
    response.end(body.subarray(offset));
  };

export async function startFileServer(
  body: Buffer,
  answer: (exchange: Exchange) => void = sendAll(body),
): Promise<FileServer> {
  const requests: FileServer['requests'] = [];
  const server = createServer((request, response) => {
    const { range, authorization } = request.headers;
    requests.push({ path: request.url ?? '', range, authorization });
    const offset = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
    const sendHead = ({ ranges = true } = {}) => {
      const from = ranges ? offset : 0;
      response.setHeader('content-length', body.length - from);
      if (from > 0) {
        response.setHeader('content-range', `bytes ${from}-${body.length - 1}/${body.length}`);
      }
      response.writeHead(from > 0 ? 206 : 200);
    };
    answer({ request, response, count: requests.length, offset, sendHead });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
