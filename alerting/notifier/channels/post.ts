/** One HTTP POST of JSON, for every channel that has a URL: what the network and proxies do, as a value. */
import { explainFetchFailure } from '../../../src/kit/fetch-failure.ts';
import type { Delivery, RetryReason } from './delivery.ts';

export interface PostOptions {
  url: URL;
  body: unknown;
  headers?: Record<string, string>;
  timeoutSeconds: number;
  signal: AbortSignal;
}

export interface Answer {
  kind: 'answer';
  status: number;
  /** Undefined when the body is no JSON object: whoever wrote it, it was not the vendor. */
  json: Record<string, unknown> | undefined;
}

/** An answer is read no further than this: a vendor's has some hundred bytes. */
const maxAnswerBytes = 64 * 1024;
/** What 429 without a usable `Retry-After` asks for. */
const defaultRetryAfterSeconds = 60;

/** The URL may hold a token: no error of `fetch` is passed on, only its code. */
export async function postJson(options: PostOptions): Promise<Answer | Delivery> {
  const timeout = AbortSignal.timeout(options.timeoutSeconds * 1000);
  try {
    const response = await fetch(options.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json; charset=utf-8', ...options.headers },
      body: JSON.stringify(options.body),
      // Whoever redirects shall not get the token.
      redirect: 'manual',
      signal: AbortSignal.any([timeout, options.signal]),
    });
    return judgeStatus(response, parseObject(await readStart(response)));
  } catch (error) {
    if (timeout.aborted) return retry('timeout', `no answer within ${options.timeoutSeconds} s`);
    return retry(
      'network',
      options.signal.aborted ? 'stopped while sending' : explainFetchFailure(error),
    );
  }
}

/** The statuses that mean the same for everyone; the rest is an answer for the channel to judge. */
function judgeStatus(response: Response, json: Answer['json']): Answer | Delivery {
  const { status } = response;
  if (status === 429) {
    const afterSeconds = Number(response.headers.get('retry-after')) || defaultRetryAfterSeconds;
    return { kind: 'retry', reason: 'rate_limited', afterSeconds, detail: 'HTTP 429' };
  }
  if (status >= 500 || status === 408 || status === 425) {
    return retry('server_error', `HTTP ${status}`);
  }
  if (status >= 300 && status < 400) return retry('unexpected_answer', `HTTP ${status}`);
  return { kind: 'answer', status, json };
}

async function readStart(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > maxAnswerBytes) break;
  }
  return text;
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

function retry(reason: RetryReason, detail: string): Delivery {
  return { kind: 'retry', reason, afterSeconds: 0, detail };
}
