/** Requests to the service. A failure is a value, because every view shows it as a sentence. */
import { credentials } from './preferences.ts';
import { noteServerTime } from './server-clock.ts';

export interface Failure {
  /** Error code of the service, or `unreachable`, `offline`, `timeout` or `unreadable` if it sent no answer in time or no such answer. */
  code: string;
  message: string;
  /** The message in Chinese, if the service has one. */
  messageZh?: string;
  retryAfterSeconds?: number;
}

export type Result<Value> = { ok: true; value: Value } | { ok: false; failure: Failure };

/** Time limit of a request whose answer is small. Reads of Prometheus end after 4 s in the service. */
const limitSeconds = 10;

/** @throws DOMException when `signal` aborts */
export function getJson<Value>(path: string, signal: AbortSignal): Promise<Result<Value>> {
  return readWithin(path, { signal }, toJson<Value>);
}

/** @throws DOMException when `signal` aborts */
export function getText(path: string, signal: AbortSignal): Promise<Result<string>> {
  return readWithin(path, { signal }, (response) => response.text());
}

export function postJson<Value>(path: string, body: object): Promise<Result<Value>> {
  const headers = { 'content-type': 'application/json' };
  const options = { method: 'POST', headers, body: JSON.stringify(body) };
  return readWithin(path, options, toJson<Value>);
}

async function readWithin<Value>(
  path: string,
  options: RequestInit,
  read: (response: Response) => Promise<Value>,
): Promise<Result<Value>> {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), limitSeconds * 1000);
  const { signal } = options;
  const signals = [limit.signal, ...(signal ? [signal] : [])];
  try {
    const response = await request(path, { ...options, signal: AbortSignal.any(signals) });
    if (response?.ok === true) return { ok: true, value: await read(response) };
    return { ok: false, failure: await readFailure(response) };
  } catch (error) {
    if (signal?.aborted === true) throw error;
    // A body that is cut off, or HTML of a proxy.
    const code = limit.signal.aborted ? 'timeout' : 'unreadable';
    return { ok: false, failure: { code, message: '' } };
  } finally {
    clearTimeout(timer);
  }
}

/** A path of the service below the address of the page, which may be the path of a proxy. @param path starts with a slash */
export function addressOf(path: string): string {
  return new URL(`.${path}`, document.baseURI).href;
}

/** Undefined if the service does not respond. @throws DOMException when the signal of `options` aborts */
export async function request(path: string, options: RequestInit): Promise<Response | undefined> {
  const { apiKey, metricsToken } = credentials.get();
  const key = path.startsWith('/v1') ? apiKey : metricsToken;
  const headers = new Headers(options.headers);
  if (key !== '') headers.set('authorization', `Bearer ${key}`);
  try {
    const response = await fetch(addressOf(path), { ...options, headers });
    noteServerTime(response.headers.get('date'));
    return response;
  } catch (error) {
    if (options.signal?.aborted === true) throw error;
    return undefined;
  }
}

/** The error in a response that is no success. */
export async function readFailure(response: Response | undefined): Promise<Failure> {
  if (response === undefined) {
    return { code: navigator.onLine ? 'unreachable' : 'offline', message: '' };
  }
  const body = (await response.json().catch(() => undefined)) as
    | { error?: { message?: string; message_zh?: string; code?: string } }
    | undefined;
  const retryAfter = Number(response.headers.get('retry-after') ?? '');
  return {
    code: body?.error?.code ?? `http_${response.status}`,
    message: body?.error?.message ?? `HTTP ${response.status}`,
    ...(body?.error?.message_zh === undefined ? {} : { messageZh: body.error.message_zh }),
    ...(retryAfter > 0 ? { retryAfterSeconds: retryAfter } : {}),
  };
}

async function toJson<Value>(response: Response): Promise<Value> {
  return (await response.json()) as Value;
}
