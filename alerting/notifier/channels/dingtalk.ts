/**
 * DingTalk custom robot: signed markdown.
 * https://open.dingtalk.com/document/orgapp/custom-robots-send-group-messages
 */
import { createHmac } from 'node:crypto';
import type { Channel, Delivery } from '../delivery.ts';
import { fitMarkdown } from '../message.ts';
import { postJson } from '../post-json.ts';
import { createRedaction } from '../redaction.ts';
import type { Settings } from '../settings.ts';

export interface DingTalkOptions {
  name?: string;
  /** With its `access_token`. */
  url: URL;
  /** Unset for robots that check a keyword or an address instead of a signature. */
  secret?: string | undefined;
  timeoutSeconds?: number;
  now?: () => number;
}

/** The vendor's limits: 20 calls a minute, then the robot is blocked for ten minutes. */
const rate = { count: 20, perSeconds: 60 };
const blockSeconds = 600;
/** A message may have 20,000 bytes; the rest is for the envelope and the title. */
const maxTextBytes = 18_500;

/** "send too fast", in its two spellings. */
const tooFast = new Set([130101, 410100]);
/**
 * Will be the same next time: keyword, signature or address refused (310000), robot stopped (400102), token unknown
 * (400101, 400106), group gone (400013), text refused (430101 to 430104), field wrong (40035).
 */
const refused = new Set([
  310000, 400101, 400102, 400106, 400013, 430101, 430102, 430103, 430104, 40035,
]);

/** Signature of `timestamp` (milliseconds): HMAC-SHA256 of "timestamp\nsecret" under the secret, base64. */
export function signDingTalk(timestamp: number, secret: string): string {
  return createHmac('sha256', secret).update(`${timestamp}\n${secret}`).digest('base64');
}

export function createDingTalk({
  name = 'dingtalk',
  url,
  secret,
  timeoutSeconds = 10,
  now = Date.now,
}: DingTalkOptions): Channel {
  const redact = createRedaction([url.href, ...url.searchParams.values(), secret]);
  return {
    name,
    rate,
    async deliver(message, signal) {
      const target = new URL(url);
      if (secret !== undefined) {
        const timestamp = now();
        target.searchParams.set('timestamp', String(timestamp));
        target.searchParams.set('sign', signDingTalk(timestamp, secret));
      }
      const text = fitMarkdown(message, maxTextBytes);
      const body = { msgtype: 'markdown', markdown: { title: message.title, text } };
      const result = await postJson({ url: target, body, timeoutSeconds, signal });
      return result.kind === 'answer' ? judge(result.json, redact) : result;
    },
  };
}

/** DingTalk answers HTTP 200 whatever happened: only `errcode: 0` is a delivery. */
function judge(answer: Record<string, unknown>, redact: (text: string) => string): Delivery {
  const { errcode, errmsg, punish, wait } = answer;
  if (errcode === 0) return { kind: 'delivered' };
  if (punish !== undefined) {
    const afterSeconds = typeof wait === 'number' && wait > 0 ? wait : blockSeconds;
    return { kind: 'retry', reason: 'rate_limited', afterSeconds, detail: 'DingTalk: punished' };
  }
  if (typeof errcode !== 'number') {
    const detail = 'DingTalk: expected an errcode, the answer has none';
    return { kind: 'retry', reason: 'unexpected_answer', afterSeconds: 0, detail };
  }
  const detail = redact(`DingTalk: errcode ${errcode}, ${String(errmsg).slice(0, 300)}`);
  if (tooFast.has(errcode)) {
    return { kind: 'retry', reason: 'rate_limited', afterSeconds: blockSeconds, detail };
  }
  if (refused.has(errcode)) return { kind: 'dead', reason: 'refused', detail };
  // -1 is "system busy"; a code nobody has told us of is tried again rather than given up.
  return { kind: 'retry', reason: 'server_error', afterSeconds: 0, detail };
}

/** The robot of DINGTALK_URL and DINGTALK_SECRET. */
export function dingtalkFromSettings(settings: Settings): Channel | undefined {
  const url = settings.secretUrl('DINGTALK_URL');
  const secret = settings.secret('DINGTALK_SECRET');
  if (url !== undefined) return createDingTalk({ url, secret });
  if (secret !== undefined) settings.problem('DINGTALK_SECRET: expected DINGTALK_URL beside it');
  return undefined;
}
