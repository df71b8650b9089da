/**
 * Downloads one file over HTTP: resumes a partial file, detects stalls, verifies size and sha256, then renames the file.
 * Used by `fetch-model.ts`.
 *
 * Not ipull, a dependency of node-llama-cpp: with a test server it handled closed connections, 429 and missing range support,
 * but it waited forever on a stalled connection, restarted every interrupted chunk, and verifies no hash.
 */
import { constants } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { explainFetchFailure } from '../kit/fetch-failure.ts';
import { sha256OfFile } from './checksum.ts';

/** Timeouts and retries; tests shorten them. */
export interface DownloadLimits {
  /** Timeout for the response headers. Without any answer so far, an expired timeout ends the download. */
  connectSeconds: number;
  /** Timeout between two chunks of the body. */
  stallSeconds: number;
  /** The download ends after this many consecutive attempts without new bytes. */
  fruitlessAttempts: number;
  /** Delay before the second attempt; doubles with each attempt without new bytes. */
  backoffSeconds: number;
  /** A longer `Retry-After` ends the download. */
  retryAfterSeconds: number;
}

export const DOWNLOAD_LIMITS: DownloadLimits = {
  connectSeconds: 5,
  stallSeconds: 20,
  fruitlessAttempts: 4,
  backoffSeconds: 1,
  retryAfterSeconds: 30,
};

export interface DownloadOptions {
  url: string;
  headers?: Record<string, string>;
  /** The final name; the partial file is `<path>.partial`. */
  path: string;
  bytes: number;
  sha256: string;
  onProgress: (receivedBytes: number) => void;
  signal: AbortSignal;
  limits: DownloadLimits;
}

export type DownloadOutcome = { kind: 'done' } | { kind: 'failed'; reason: string };

type AttemptOutcome =
  | { kind: 'complete' }
  | { kind: 'interrupted'; reason: string; answered: boolean; retryAfterSeconds?: number }
  | { kind: 'refused'; reason: string };

const RETRYABLE_STATUS = new Set([408, 429, 500, 502, 503, 504]);

/** `Retry-After` in seconds; the header contains seconds or a date (RFC 9110, 10.2.3). */
function readRetryAfter(response: Response): number | undefined {
  const value = response.headers.get('retry-after');
  if (value === null) return undefined;
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : undefined;
}

/** The outcome of an error status; undefined if the response contains the file. */
function outcomeOfStatus(response: Response, limits: DownloadLimits): AttemptOutcome | undefined {
  if (response.ok) return undefined;
  const reason = `answered ${response.status} ${response.statusText}`.trimEnd();
  if (!RETRYABLE_STATUS.has(response.status)) return { kind: 'refused', reason };
  const retryAfterSeconds = readRetryAfter(response);
  if (retryAfterSeconds === undefined) return { kind: 'interrupted', reason, answered: true };
  if (retryAfterSeconds > limits.retryAfterSeconds) {
    const seconds = Math.ceil(retryAfterSeconds);
    return { kind: 'refused', reason: `${reason} with Retry-After: ${seconds} s` };
  }
  return { kind: 'interrupted', reason, answered: true, retryAfterSeconds };
}

/** The file offset of the body's first byte, or an outcome that explains why the body is not the expected file. */
function offsetOfBody(response: Response, offset: number, bytes: number): number | AttemptOutcome {
  if (response.headers.get('content-type')?.startsWith('text/html') === true) {
    const reason = 'answered with a web page instead of the file (a login or a proxy?)';
    return { kind: 'refused', reason };
  }
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '');
  const start = response.status === 206 ? Number(range?.[1]) : 0;
  const offered = response.status === 206 ? range?.[2] : response.headers.get('content-length');
  if (start !== 0 && start !== offset) {
    const reason = `expected the file from byte ${offset}, got it from byte ${start}`;
    return { kind: 'refused', reason };
  }
  if (/^\d+$/.test(offered ?? '') && Number(offered) !== bytes) {
    return { kind: 'refused', reason: `expected a file of ${bytes} bytes, got one of ${offered}` };
  }
  return start;
}

/** Aborts `signal` if the next `expect` or `stop` does not come within the given seconds. */
function createWatchdog(outer: AbortSignal) {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  return {
    signal: AbortSignal.any([outer, controller.signal]),
    expect(seconds: number, failure: string) {
      clearTimeout(timer);
      timer = setTimeout(
        () => controller.abort(new Error(`${failure} within ${seconds} s`)),
        seconds * 1000,
      );
    },
    /** Stops the timer and aborts `signal`, which also releases an unread body. */
    stop() {
      clearTimeout(timer);
      controller.abort();
    },
  };
}

/** Requests the bytes that the partial file lacks, and writes the received bytes to it. */
async function attempt(file: FileHandle, options: DownloadOptions): Promise<AttemptOutcome> {
  const { bytes, limits } = options;
  const offset = (await file.stat()).size;
  if (offset === bytes) return { kind: 'complete' };
  const watchdog = createWatchdog(options.signal);
  let answered = false;
  try {
    watchdog.expect(limits.connectSeconds, 'no answer');
    const range = offset > 0 ? { range: `bytes=${offset}-` } : {};
    const response = await fetch(options.url, {
      headers: { ...options.headers, 'accept-encoding': 'identity', ...range },
      signal: watchdog.signal,
    });
    answered = true;
    const problem = outcomeOfStatus(response, limits);
    if (problem !== undefined) return problem;
    const start = offsetOfBody(response, offset, bytes);
    if (typeof start !== 'number') return start;
    // A server without range support sends the file from the start.
    if (start === 0) await file.truncate(0);
    return await receive(response, start);
  } catch (error) {
    options.signal.throwIfAborted();
    // Rethrow errors of the disk; only errors of the network are retried.
    if (error instanceof Error && 'syscall' in error) throw error;
    return { kind: 'interrupted', reason: explainFetchFailure(error), answered };
  } finally {
    watchdog.stop();
  }

  async function receive(response: Response, start: number): Promise<AttemptOutcome> {
    let position = start;
    watchdog.expect(limits.stallSeconds, 'connection stalled: no data');
    for await (const chunk of response.body ?? []) {
      watchdog.expect(limits.stallSeconds, 'connection stalled: no data');
      if (position + chunk.length > bytes) {
        await file.truncate(0);
        return { kind: 'refused', reason: `expected a file of ${bytes} bytes, got more` };
      }
      await file.write(chunk, 0, chunk.length, position);
      position += chunk.length;
      options.onProgress(position);
    }
    if (position === bytes) return { kind: 'complete' };
    const reason = `connection ended after ${position} of ${bytes} bytes`;
    return { kind: 'interrupted', reason, answered };
  }
}

/** Retries until the partial file is complete or another attempt is pointless. */
async function receiveFile(file: FileHandle, options: DownloadOptions): Promise<DownloadOutcome> {
  const { limits, signal } = options;
  let mostBytes = (await file.stat()).size;
  let everAnswered = false;
  for (let fruitless = 0; ;) {
    const outcome = await attempt(file, options);
    if (outcome.kind === 'complete') return { kind: 'done' };
    if (outcome.kind === 'refused') return { kind: 'failed', reason: outcome.reason };
    everAnswered ||= outcome.answered;
    const received = (await file.stat()).size;
    fruitless = received > mostBytes ? 0 : fruitless + 1;
    mostBytes = Math.max(mostBytes, received);
    if (!everAnswered || fruitless >= limits.fruitlessAttempts) {
      return { kind: 'failed', reason: outcome.reason };
    }
    const backoffSeconds = limits.backoffSeconds * 2 ** Math.max(0, fruitless - 1);
    const waitSeconds = Math.max(backoffSeconds, outcome.retryAfterSeconds ?? 0);
    await delay(waitSeconds * 1000, undefined, { signal });
  }
}

/**
 * Downloads the file to `path`. On failure and abort the received bytes stay in `<path>.partial` for the next run; a file with the
 * wrong hash is deleted. The caller makes sure that no other process uses the same path.
 * @throws the signal's reason when aborted; errors of the file system (ENOSPC, EACCES).
 */
export async function downloadFile(options: DownloadOptions): Promise<DownloadOutcome> {
  const partial = `${options.path}.partial`;
  const file = await open(partial, constants.O_RDWR | constants.O_CREAT);
  try {
    if ((await file.stat()).size > options.bytes) await file.truncate(0);
    const outcome = await receiveFile(file, options);
    if (outcome.kind === 'failed') return outcome;
    // Without `sync`, a power failure could leave an incomplete file under the final name.
    await file.sync();
  } finally {
    const received = (await file.stat()).size;
    await file.close();
    if (received === 0) await rm(partial);
  }
  const sha256 = await sha256OfFile(partial);
  if (sha256 !== options.sha256) {
    await rm(partial);
    return { kind: 'failed', reason: `expected sha256 ${options.sha256}, got ${sha256}` };
  }
  await rename(partial, options.path);
  return { kind: 'done' };
}
