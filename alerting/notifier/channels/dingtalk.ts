/** DingTalk's custom robot: signed markdown. https://open.dingtalk.com/document/robots/custom-robot-access */
import { createHmac } from 'node:crypto';
import type { Channel, Delivery } from './channel.ts';

// 20 a minute, then the robot is blocked for ten; one is kept in hand.
const perMinute = 19;
const longestBodyBytes = 20_000;
const timeoutMillis = 10_000;
const blockedSeconds = 600;

/** Codes that pass: the robot's own limit, the platform's, "system busy". */
const retryable = new Map([
  [130_101, blockedSeconds],
  [410_100, 60],
  [-1, 5],
]);

/**
 * `timestamp` in milliseconds; the signature is HMAC-SHA256 with the secret as key over "timestamp\nsecret", in base64.
 */
export function signDingTalk(secret: string, timestamp: number): string {
  return createHmac('sha256', secret).update(`${timestamp}\n${secret}`).digest('base64');
}

export function createDingTalk(options: { url: string; secret: string | undefined }): Channel {
  return {
    name: 'dingtalk',
    perMinute,
    async deliver({ title, text }) {
      const body = JSON.stringify({ msgtype: 'markdown', markdown: { title, text: fit(text) } });
      try {
        const response = await fetch(signedUrl(options), {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body,
          signal: AbortSignal.timeout(timeoutMillis),
        });
        return classify(response.status, await response.text());
      } catch (error) {
        return { kind: 'retry', reason: networkReason(error) };
      }
    },
  };
}

function signedUrl({ url, secret }: { url: string; secret: string | undefined }): URL {
  const signed = new URL(url);
  if (secret !== undefined) {
    const timestamp = Date.now();
    signed.searchParams.set('timestamp', String(timestamp));
    signed.searchParams.set('sign', signDingTalk(secret, timestamp));
  }
  return signed;
}

/** A 200 says nothing: only `errcode` 0 is success. What is no JSON came from a proxy on the way. */
function classify(status: number, body: string): Delivery {
  if (status === 429 || status >= 500) return { kind: 'retry', reason: `http_${status}` };
  let answer: { errcode?: unknown; errmsg?: unknown; punish?: unknown; wait?: unknown };
  try {
    answer = JSON.parse(body) as typeof answer;
  } catch {
    return { kind: 'retry', reason: `http_${status} without JSON` };
  }
  if (answer.punish !== undefined) {
    return { kind: 'retry', reason: 'punish', afterSeconds: Number(answer.wait) || blockedSeconds };
  }
  if (answer.errcode === 0) return { kind: 'delivered' };
  const reason = `errcode ${String(answer.errcode)}`;
  const afterSeconds = retryable.get(Number(answer.errcode));
  if (afterSeconds !== undefined) return { kind: 'retry', reason, afterSeconds };
  return { kind: 'dead', reason: `${reason}: ${String(answer.errmsg).slice(0, 200)}` };
}

function networkReason(error: unknown): string {
  const { name, cause } = error as { name: string; cause?: { code?: string } };
  return name === 'TimeoutError' ? 'timeout' : (cause?.code ?? name);
}

/** Cut by bytes, never inside a character. */
function fit(text: string): string {
  const room = longestBodyBytes - 1000;
  let bytes = 0;
  let fitting = '';
  for (const character of text) {
    bytes += Buffer.byteLength(character);
    if (bytes > room) return `${fitting}…`;
    fitting += character;
  }
  return fitting;
}
