/** One HTTP POST to a robot, for every channel that has a URL: what the network and proxies do, as a value. */
import type { Delivery, RetryReason } from './delivery.ts';

export interface PostOptions {
  url: URL;
  body: unknown;
  timeoutSeconds: number;
  signal: AbortSignal;
}

/** `answer` is a JSON object for the channel to judge by the vendor's own code. */
export type PostResult = { kind: 'answer'; json: Record<string, unknown> } | Delivery;

/** The URL holds a token: no error of `fetch` is passed on, only its code. */
export async function postJson(options: PostOptions): Promise<PostResult> {
  const timeout = AbortSignal.timeout(options.timeoutSeconds * 1000);
  try {
    const response = await fetch(options.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json; charset=utf-8' },
      body: JSON.stringify(options.body),
      // A robot does not redirect; whoever does shall not get the token.
      redirect: 'manual',
      signal: AbortSignal.any([timeout, options.signal]),
    });
    return judgeAnswer(response, await response.text());
  } catch (error) {
    if (timeout.aborted) return retry('timeout', `no answer within ${options.timeoutSeconds} s`);
    return retry('network', options.signal.aborted ? 'stopped while sending' : networkCode(error));
  }
}

function judgeAnswer(response: Response, text: string): PostResult {
  const { status } = response;
  if (status === 429) {
    const afterSeconds = Number(response.headers.get('retry-after')) || 60;
    return { kind: 'retry', reason: 'rate_limited', afterSeconds, detail: 'HTTP 429' };
  }
  if (status >= 500 || status === 408) return retry('server_error', `HTTP ${status}`);
  if (status >= 400) return { kind: 'dead', reason: 'refused', detail: `HTTP ${status}` };
  const json = parseObject(text);
  if (status === 200 && json !== undefined) return { kind: 'answer', json };
  return retry('unexpected_answer', `HTTP ${status}, expected a JSON object`);
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

function networkCode(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  return typeof code === 'string' ? code : 'connection failed';
}

function retry(reason: RetryReason, detail: string): Delivery {
  return { kind: 'retry', reason, afterSeconds: 0, detail };
}
