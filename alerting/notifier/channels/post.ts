/** One HTTP POST of JSON, for every channel that has a URL. Network errors and common statuses become a `Delivery`. */
import { explainFetchFailure } from '../../../src/kit/fetch-failure.ts';
import { withoutCredentials } from '../credentials.ts';
import type { Delivery, RetryReason } from './channel.ts';

export interface PostOptions {
  url: URL;
  body: unknown;
  method?: 'POST' | 'PUT';
  headers?: Record<string, string>;
  timeoutSeconds: number;
  signal: AbortSignal;
  /** Milliseconds since 1970. */
  now?: (() => number) | undefined;
}

export interface Answer {
  kind: 'answer';
  status: number;
  /** The parsed body. Undefined if the body is not a JSON object, because then it comes from a proxy, not from the vendor. */
  json: Record<string, unknown> | undefined;
  /** Our clock minus the receiver's by its `Date` header, in milliseconds; undefined without one. */
  skewMillis: number | undefined;
}

/** Maximum bytes read from an answer; a vendor's answer has some hundred bytes. */
const maxAnswerBytes = 64 * 1024;
/** For a 429 without a usable `Retry-After`. */
const defaultRetryAfterSeconds = 60;

/** Posts once. Never rejects. `detail` never contains the URL, which may contain a token. */
export async function postJson(options: PostOptions): Promise<Answer | Delivery> {
  const timeout = AbortSignal.timeout(options.timeoutSeconds * 1000);
  try {
    const { url, headers } = withoutCredentials(options.url);
    const response = await fetch(url, {
      method: options.method ?? 'POST',
      headers: {
        'content-type': 'application/json; charset=utf-8',
        ...headers,
        ...options.headers,
      },
      body: JSON.stringify(options.body),
      // Following a redirect would send the token to another host.
      redirect: 'manual',
      signal: AbortSignal.any([timeout, options.signal]),
    });
    return judgeStatus(response, parseObject(await readStart(response)), options.now ?? Date.now);
  } catch (error) {
    if (timeout.aborted) return retry('timeout', `no answer within ${options.timeoutSeconds} s`);
    if (options.signal.aborted) return retry('network', 'the notifier stopped during the call');
    return retry('network', explainFetchFailure(error));
  }
}

/** Returns a `Delivery` for a status that means the same for every receiver, and an `Answer` if the channel must judge the status. */
function judgeStatus(
  response: Response,
  json: Answer['json'],
  now: () => number,
): Answer | Delivery {
  const { status } = response;
  if (status === 429) {
    const afterSeconds = Number(response.headers.get('retry-after')) || defaultRetryAfterSeconds;
    return { kind: 'retry', reason: 'rate_limited', afterSeconds, detail: 'HTTP 429' };
  }
  if (status >= 500 || status === 408 || status === 425) {
    return retry('server_error', `HTTP ${status}`);
  }
  if (status >= 300 && status < 400) return retry('unexpected_answer', `HTTP ${status}`);
  const theirs = Date.parse(response.headers.get('date') ?? '');
  const skewMillis = Number.isNaN(theirs) ? undefined : now() - theirs;
  return { kind: 'answer', status, json, skewMillis };
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
