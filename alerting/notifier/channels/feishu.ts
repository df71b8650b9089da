/**
 * Feishu (飞书, Lark) custom bot: signed cards, with mentions.
 * https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot
 */
import { createHmac } from 'node:crypto';
import { z } from 'zod';
import { defineKind, mentions, webUrl } from './channel-kind.ts';
import { underLimit } from './delivery.ts';
import type { Channel } from './delivery.ts';
import { writeParts } from '../message/markdown.ts';
import { createRobot, sendPart } from './robot.ts';
import type { RobotAnswers } from './robot.ts';

export interface FeishuOptions {
  name?: string;
  /** Its last part is the bot's token. */
  url: URL;
  secret?: string | undefined;
  mention?: { users: string[]; all: boolean };
  timeoutSeconds?: number;
  now?: () => number;
}

/** 100 a minute and 5 a second. https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot */
const rates = underLimit([
  { count: 100, perSeconds: 60 },
  { count: 5, perSeconds: 1 },
]);
/** 20 KB a request (same page); the rest is for the envelope, the title and the signature. */
const maxTextBytes = 18_000;
const tooFastSeconds = 5;

/** https://open.feishu.cn/document/server-docs/api-call-guide/generic-error-code */
const answers: RobotAnswers = {
  vendor: 'Feishu',
  codeField: 'code',
  messageField: 'msg',
  tooFast: new Map([[11_232, tooFastSeconds]]),
  // Signature or clock (19021), address (19022), keyword (19024), request wrong (9499).
  refused: new Set([19_021, 19_022, 19_024, 9499]),
};

/** Signature of `timestamp` (seconds): HMAC-SHA256 of nothing under "timestamp\nsecret", base64. */
export function signFeishu(timestamp: number, secret: string): string {
  return createHmac('sha256', `${timestamp}\n${secret}`).update('').digest('base64');
}

export function createFeishu({
  name = 'feishu',
  url,
  secret,
  mention = { users: [], all: false },
  timeoutSeconds = 10,
  now = Date.now,
}: FeishuOptions): Channel {
  const secrets = [url.href, url.pathname.split('/').at(-1), secret];
  const robot = createRobot(answers, { secrets, timeoutSeconds });
  const mentioned = [...mention.users, ...(mention.all ? ['all'] : [])];
  return {
    name,
    rates,
    deliver(message, call) {
      const footer = message.isFiring
        ? mentioned.map((user) => `<at id=${user}></at>`).join(' ')
        : '';
      const parts = writeParts(message, { style, maxBytes: maxTextBytes, footer });
      return sendPart(parts, call, (content, index) => {
        const part = parts.length > 1 ? ` (${index + 1}/${parts.length})` : '';
        const card = {
          config: { wide_screen_mode: true },
          header: {
            title: { tag: 'plain_text', content: message.title + part },
            template: message.isFiring ? 'red' : 'green',
          },
          elements: [{ tag: 'markdown', content }],
        };
        return robot.post(url, { ...sign(), msg_type: 'interactive', card }, call);
      });
    },
  };

  function sign(): object {
    if (secret === undefined) return {};
    const timestamp = Math.floor(now() / 1000);
    return { timestamp: String(timestamp), sign: signFeishu(timestamp, secret) };
  }
}

/** A card knows no headings, and has its title above. */
const style = { heading: (text: string) => `**${text}**` };

export const feishu = defineKind({
  kind: 'feishu',
  settings: z.strictObject({ url: webUrl, secret: z.string().optional(), mention: mentions }),
  environment: { url: 'FEISHU_URL', secret: 'FEISHU_SECRET' },
  create: (name, options) => createFeishu({ name, ...options }),
});
