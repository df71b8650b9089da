/** Requests to the service. A failure is a value, because every view shows it as a sentence. */
import { credentials } from './preferences.ts';

export interface Failure {
  /** Error code of the service, or `unreachable` if it does not respond. */
  code: string;
  message: string;
  /** The message in Chinese, if the service has one. */
  messageZh?: string;
  retryAfterSeconds?: number;
}

export type Result<Value> = { ok: true; value: Value } | { ok: false; failure: Failure };

/** @throws DOMException when `signal` aborts */
export async function getJson<Value>(path: string, signal: AbortSignal): Promise<Result<Value>> {
  return readResult(await request(path, { signal }), toJson<Value>);
}

/** @throws DOMException when `signal` aborts */
export async function getText(path: string, signal: AbortSignal): Promise<Result<string>> {
  return readResult(await request(path, { signal }), (response) => response.text());
}

export async function postJson<Value>(path: string, body: object): Promise<Result<Value>> {
  const headers = { 'content-type': 'application/json' };
  const response = await request(path, { method: 'POST', headers, body: JSON.stringify(body) });
  return readResult(response, toJson<Value>);
}

/** Undefined if the service does not respond. @throws DOMException when the signal of `options` aborts */
export async function request(path: string, options: RequestInit): Promise<Response | undefined> {
  const { apiKey, metricsToken } = credentials.get();
  const key = path.startsWith('/v1') ? apiKey : metricsToken;
  const headers = new Headers(options.headers);
  if (key !== '') headers.set('authorization', `Bearer ${key}`);
  try {
    return await fetch(path, { ...options, headers });
  } catch (error) {
    if (options.signal?.aborted === true) throw error;
    return undefined;
  }
}

/** The error in a response that is no success. */
export async function readFailure(response: Response | undefined): Promise<Failure> {
  if (response === undefined) return { code: 'unreachable', message: '' };
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

async function readResult<Value>(
  response: Response | undefined,
  read: (response: Response) => Promise<Value>,
): Promise<Result<Value>> {
  if (response?.ok !== true) return { ok: false, failure: await readFailure(response) };
  return { ok: true, value: await read(response) };
}

async function toJson<Value>(response: Response): Promise<Value> {
  return (await response.json()) as Value;
}
