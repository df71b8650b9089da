/**
 * Fetches one file over HTTP: resumes what an earlier run left, notices stalls, verifies size and sha256, and only then
 * gives the file its name. Used by `fetch-model.ts`.
 *
 * Why not ipull, which node-llama-cpp brings: over a bad server of our own it came through cuts, 429 and a missing
 * Range, but waited for ever on a stalled connection, began every cut chunk again, and checks no hash.
 */
import { constants } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { sha256OfFile } from './checksum.ts';

/** How long to wait and how often to try; tests shorten them. */
export interface DownloadLimits {
  /** until the answer's headers; also how soon a host that does not answer is given up */
  connectSeconds: number;
  /** between two pieces of the body */
  stallSeconds: number;
  /** attempts in a row that bring nothing new */
  fruitlessAttempts: number;
  /** before the second attempt; doubles with each fruitless one */
  backoffSeconds: number;
  /** the longest `Retry-After` that is obeyed */
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
  /** the final name; the unfinished file is beside it, with `.partial` appended */
  path: string;
  bytes: number;
  sha256: string;
  onProgress: (receivedBytes: number) => void;
  signal: AbortSignal;
  limits: DownloadLimits;
}

export type DownloadOutcome = { kind: 'done' } | { kind: 'failed'; reason: string };

type AttemptOutcome =
  | { kind: 'whole' }
  | { kind: 'interrupted'; reason: string; answered: boolean; retryAfterSeconds?: number }
  | { kind: 'refused'; reason: string };

const RETRYABLE_STATUS = new Set([408, 429, 500, 502, 503, 504]);

/** `Retry-After` in seconds, whichever of its two forms was sent (RFC 9110, 10.2.3). */
function readRetryAfter(response: Response): number | undefined {
  const value = response.headers.get('retry-after');
  if (value === null) return undefined;
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : undefined;
}

/** What an error answer means for the next attempt; nothing when the body can be read. */
function judgeStatus(response: Response, limits: DownloadLimits): AttemptOutcome | undefined {
  if (response.ok) return undefined;
  const reason = `answered ${response.status} ${response.statusText}`.trimEnd();
  if (!RETRYABLE_STATUS.has(response.status)) return { kind: 'refused', reason };
  const retryAfterSeconds = readRetryAfter(response);
  if (retryAfterSeconds === undefined) return { kind: 'interrupted', reason, answered: true };
  if (retryAfterSeconds > limits.retryAfterSeconds) {
    const seconds = Math.ceil(retryAfterSeconds);
    return { kind: 'refused', reason: `${reason} and asks to come back in ${seconds} s` };
  }
  return { kind: 'interrupted', reason, answered: true, retryAfterSeconds };
}

/** Where the body begins in the file, or why it cannot be the file that is wanted. */
function judgeBody(response: Response, offset: number, bytes: number): number | AttemptOutcome {
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
    return { kind: 'refused', reason: `expected a file of ${bytes} bytes, it offers ${offered}` };
  }
  return start;
}

function describeNetworkError(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (!(cause instanceof Error)) return String(cause);
  // An AggregateError (each address of a host failed) has a code and no message.
  return cause.message || ((cause as NodeJS.ErrnoException).code ?? cause.name);
}

/** Aborts what listens to its signal when nothing happened for some time. */
function createWatchdog(outer: AbortSignal) {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  return {
    signal: AbortSignal.any([outer, controller.signal]),
    expect(seconds: number, what: string) {
      clearTimeout(timer);
      timer = setTimeout(
        () => controller.abort(new Error(`${what} within ${seconds} s`)),
        seconds * 1000,
      );
    },
    /** also lets go of a body that nobody read */
    stop() {
      clearTimeout(timer);
      controller.abort();
    },
  };
}

/** One request, from what the partial file holds to as far as the connection lasts. */
async function attempt(file: FileHandle, options: DownloadOptions): Promise<AttemptOutcome> {
  const { bytes, limits } = options;
  const offset = (await file.stat()).size;
  if (offset === bytes) return { kind: 'whole' };
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
    const problem = judgeStatus(response, limits);
    if (problem !== undefined) return problem;
    const start = judgeBody(response, offset, bytes);
    if (typeof start !== 'number') return start;
    // A server that knows no Range sends the file from its beginning.
    if (start === 0) await file.truncate(0);
    return await receive(response, start);
  } catch (error) {
    options.signal.throwIfAborted();
    if (error instanceof Error && 'syscall' in error) throw error; // the disk, not the network
    return { kind: 'interrupted', reason: describeNetworkError(error), answered };
  } finally {
    watchdog.stop();
  }

  async function receive(response: Response, start: number): Promise<AttemptOutcome> {
    let position = start;
    watchdog.expect(limits.stallSeconds, 'the connection stalled: nothing came');
    for await (const chunk of response.body ?? []) {
      watchdog.expect(limits.stallSeconds, 'the connection stalled: nothing came');
      if (position + chunk.length > bytes) {
        await file.truncate(0);
        return { kind: 'refused', reason: `expected a file of ${bytes} bytes, got more` };
      }
      await file.write(chunk, 0, chunk.length, position);
      position += chunk.length;
      options.onProgress(position);
    }
    if (position === bytes) return { kind: 'whole' };
    const reason = `the connection ended after ${position} of ${bytes} bytes`;
    return { kind: 'interrupted', reason, answered };
  }
}

/** Attempts until the partial file is whole or there is no sense in another one. */
async function receiveWhole(file: FileHandle, options: DownloadOptions): Promise<DownloadOutcome> {
  const { limits, signal } = options;
  let most = (await file.stat()).size;
  let everAnswered = false;
  for (let fruitless = 0; ;) {
    const outcome = await attempt(file, options);
    if (outcome.kind === 'whole') return { kind: 'done' };
    if (outcome.kind === 'refused') return { kind: 'failed', reason: outcome.reason };
    everAnswered ||= outcome.answered;
    const received = (await file.stat()).size;
    fruitless = received > most ? 0 : fruitless + 1;
    most = Math.max(most, received);
    if (!everAnswered || fruitless >= limits.fruitlessAttempts) {
      return { kind: 'failed', reason: outcome.reason };
    }
    const backoffSeconds = limits.backoffSeconds * 2 ** Math.max(0, fruitless - 1);
    const waitSeconds = Math.max(backoffSeconds, outcome.retryAfterSeconds ?? 0);
    await delay(waitSeconds * 1000, undefined, { signal });
  }
}

/**
 * Brings the file to `path`, or says why not. What was received stays in `<path>.partial` for the next run, also when
 * `signal` ends it; a file with the wrong hash is deleted. The caller keeps two processes from the same path.
 * @throws the signal's reason when aborted; what the file system throws (ENOSPC, EACCES)
 */
export async function downloadFile(options: DownloadOptions): Promise<DownloadOutcome> {
  const partial = `${options.path}.partial`;
  const file = await open(partial, constants.O_RDWR | constants.O_CREAT);
  try {
    if ((await file.stat()).size > options.bytes) await file.truncate(0);
    const outcome = await receiveWhole(file, options);
    if (outcome.kind === 'failed') return outcome;
    await file.sync(); // the name must not outlive the content in a power cut
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
