import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DOWNLOAD_LIMITS, downloadFile } from '../../../src/models/download.ts';
import type { DownloadOptions } from '../../../src/models/download.ts';
import { makeBody, sendAll, startFileServer } from '../../support/models/server.ts';
import type { Exchange, FileServer } from '../../support/models/server.ts';

const body = makeBody(3_000_000);
const sha256 = createHash('sha256').update(body).digest('hex');
const quick = { ...DOWNLOAD_LIMITS, backoffSeconds: 0.01 };

let folder: string;
let file: string;
let partial: string;
let servers: FileServer[];

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'models-download-'));
  file = path.join(folder, 'model.gguf');
  partial = `${file}.partial`;
  servers = [];
});

afterEach(async () => {
  await Promise.all(servers.map((server) => server.close()));
  rmSync(folder, { recursive: true });
});

async function serve(answer?: (exchange: Exchange) => void): Promise<FileServer> {
  const server = await startFileServer(body, answer);
  servers.push(server);
  return server;
}

function download(url: string, options: Partial<DownloadOptions> = {}) {
  return downloadFile({
    url,
    path: file,
    bytes: body.length,
    sha256,
    onProgress: () => {},
    signal: new AbortController().signal,
    limits: quick,
    ...options,
  });
}

const sendChunk = ({ response, offset }: Exchange, length: number) =>
  new Promise<void>((resolve) => {
    response.write(body.subarray(offset, offset + length), () => resolve());
  });

/** Sends a chunk and disconnects. */
async function sendAndDisconnect(exchange: Exchange, ranges = true): Promise<void> {
  exchange.sendHead({ ranges });
  await sendChunk(ranges ? exchange : { ...exchange, offset: 0 }, 700_000);
  exchange.response.destroy();
}

function expectWholeFile(): void {
  expect(readFileSync(file).equals(body)).toBe(true);
  expect(existsSync(partial)).toBe(false);
}

describe('a download', () => {
  test('stores the complete file and reports the progress', async () => {
    const server = await serve();
    const seen: number[] = [];
    const onProgress = (received: number) => seen.push(received);
    expect(await download(server.url, { onProgress })).toEqual({ kind: 'done' });
    expectWholeFile();
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(seen.at(-1)).toBe(body.length);
  });

  test('resumes the partial file of an earlier run', async () => {
    const server = await serve();
    writeFileSync(partial, body.subarray(0, 1_000_000));
    expect(await download(server.url)).toEqual({ kind: 'done' });
    expect(server.requests.map(({ range }) => range)).toEqual(['bytes=1000000-']);
    expectWholeFile();
  });

  test('sends no request when the partial file is complete', async () => {
    const server = await serve();
    writeFileSync(partial, body);
    expect(await download(server.url)).toEqual({ kind: 'done' });
    expect(server.requests).toEqual([]);
    expectWholeFile();
  });

  test('survives repeated disconnects', async () => {
    const server = await serve((exchange) => {
      if (exchange.count <= 3) void sendAndDisconnect(exchange);
      else sendAll(body)(exchange);
    });
    expect(await download(server.url)).toEqual({ kind: 'done' });
    const starts = server.requests.map(({ range }) => Number(range?.match(/\d+/)?.[0] ?? 0));
    expect(starts).toEqual(starts.toSorted((a, b) => a - b));
    expect(starts.at(-1)).toBeGreaterThan(700_000);
    expectWholeFile();
  });

  test('resumes over a new connection when one stalls', async () => {
    const server = await serve((exchange) => {
      if (exchange.count > 1) return sendAll(body)(exchange);
      exchange.sendHead();
      void sendChunk(exchange, 700_000);
    });
    const limits = { ...quick, stallSeconds: 0.3 };
    expect(await download(server.url, { limits })).toEqual({ kind: 'done' });
    expect(server.requests[1]?.range).toMatch(/^bytes=\d+-$/);
    expectWholeFile();
  });

  test('starts over when the server has no range support', async () => {
    const server = await serve((exchange) => {
      if (exchange.count === 1) void sendAndDisconnect(exchange, false);
      else sendAll(body)(exchange);
    });
    writeFileSync(partial, Buffer.alloc(999_999, 7));
    expect(await download(server.url)).toEqual({ kind: 'done' });
    expect(server.requests.map(({ range }) => range)).toEqual([
      'bytes=999999-',
      expect.stringMatching(/^bytes=[1-7]\d{1,5}-$/),
    ]);
    expectWholeFile();
  });

  test('fails after attempts without new bytes', async () => {
    const server = await serve((exchange) => void sendAndDisconnect(exchange, false));
    const outcome = await download(server.url);
    expect(outcome).toMatchObject({ kind: 'failed' });
    expect(existsSync(file)).toBe(false);
    expect(statSync(partial).size).toBeGreaterThan(0);
  });

  test('rejects a file of another size before receiving it', async () => {
    const server = await serve();
    expect(await download(server.url, { bytes: 2_999_999 })).toEqual({
      kind: 'failed',
      reason: 'expected a file of 2999999 bytes, got one of 3000000',
    });
    expect(existsSync(partial)).toBe(false);
  });

  test('rejects a longer file of unknown size', async () => {
    const server = await serve(({ response }) => response.writeHead(200).end(body));
    expect(await download(server.url, { bytes: 2_000_000 })).toEqual({
      kind: 'failed',
      reason: 'expected a file of 2000000 bytes, got more',
    });
    expect(existsSync(file)).toBe(false);
  });

  test('deletes a file with the wrong hash and reports both hashes', async () => {
    const server = await serve();
    const expected = 'ab'.repeat(32);
    expect(await download(server.url, { sha256: expected })).toEqual({
      kind: 'failed',
      reason: `expected sha256 ${expected}, got ${sha256}`,
    });
    expect(existsSync(file) || existsSync(partial)).toBe(false);
  });

  test.each([404, 401, 410])('does not retry after %i', async (status) => {
    const server = await serve(({ response }) => response.writeHead(status).end());
    const outcome = await download(server.url);
    expect(outcome).toMatchObject({ reason: expect.stringContaining(`answered ${status}`) });
    expect(server.requests).toHaveLength(1);
    expect(existsSync(partial)).toBe(false);
  });

  test.each([429, 503])('retries after %i', async (status) => {
    const server = await serve((exchange) => {
      if (exchange.count > 2) return sendAll(body)(exchange);
      exchange.response.writeHead(status, { 'retry-after': '0' }).end();
    });
    expect(await download(server.url)).toEqual({ kind: 'done' });
    expect(server.requests).toHaveLength(3);
  });

  test('does not wait for a Retry-After of an hour', async () => {
    const headers = { 'retry-after': '3600' };
    const server = await serve(({ response }) => response.writeHead(429, headers).end());
    expect(await download(server.url)).toEqual({
      kind: 'failed',
      reason: 'answered 429 Too Many Requests with Retry-After: 3600 s',
    });
  });

  test('follows a redirect without sending the token to the other host', async () => {
    const other = await serve();
    const headers = { location: `${other.url}/blob` };
    const server = await serve(({ response }) => response.writeHead(302, headers).end());
    writeFileSync(partial, body.subarray(0, 1_000_000));
    const authorization = 'Bearer a-token';
    expect(await download(server.url, { headers: { authorization } })).toEqual({ kind: 'done' });
    expect(server.requests[0]?.authorization).toBe(authorization);
    expect(other.requests).toEqual([
      { path: '/blob', range: 'bytes=1000000-', authorization: undefined },
    ]);
    expectWholeFile();
  });

  test('rejects a web page of a proxy', async () => {
    const headers = { 'content-type': 'text/html; charset=utf-8' };
    const server = await serve(({ response }) => response.writeHead(200, headers).end('log in'));
    expect(await download(server.url)).toMatchObject({
      reason: expect.stringContaining('a web page instead of the file'),
    });
  });

  test('fails after one attempt when the host accepts and never answers', async () => {
    const server = await serve(() => {});
    const limits = { ...quick, connectSeconds: 0.3 };
    expect(await download(server.url, { limits })).toEqual({
      kind: 'failed',
      reason: 'no answer within 0.3 s',
    });
    expect(server.requests).toHaveLength(1);
    expect(DOWNLOAD_LIMITS.connectSeconds).toBeLessThanOrEqual(5);
  });

  test('reports a refused connection', async () => {
    const closed = createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address() as AddressInfo;
    closed.close();
    await once(closed, 'close');
    expect(await download(`http://127.0.0.1:${port}`)).toMatchObject({
      reason: expect.stringContaining('ECONNREFUSED'),
    });
  });

  test('keeps the partial file on abort and resumes it', async () => {
    const stop = new AbortController();
    const server = await serve((exchange) => {
      if (exchange.count > 1) return sendAll(body)(exchange);
      exchange.sendHead();
      void sendChunk(exchange, 700_000);
    });
    const onProgress = (received: number) => received >= 700_000 && stop.abort();
    const stopped = download(server.url, { signal: stop.signal, onProgress });
    await expect(stopped).rejects.toThrow(/aborted/);
    expect(existsSync(file)).toBe(false);
    expect(statSync(partial).size).toBe(700_000);

    expect(await download(server.url)).toEqual({ kind: 'done' });
    expect(server.requests[1]?.range).toBe('bytes=700000-');
    expectWholeFile();
  });

  test('discards a partial file that is longer than the model', async () => {
    const server = await serve();
    writeFileSync(partial, Buffer.alloc(body.length + 1));
    expect(await download(server.url)).toEqual({ kind: 'done' });
    expect(server.requests[0]?.range).toBeUndefined();
    expectWholeFile();
  });
});
