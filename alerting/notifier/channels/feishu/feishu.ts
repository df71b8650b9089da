/**
 * Feishu (飞书, Lark) custom bot: signed cards, with mentions.
 * https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot
 */
import { createHmac } from 'node:crypto';
import { z } from 'zod';
import { webUrl } from '../../../../src/kit/settings.ts';
import { escapeFeishu } from '../../message/escape.ts';
import { writeParts } from '../../message/markdown.ts';
import type { Message } from '../../message/message.ts';
import { createRedaction, defineKind, keyword, mentions, withHeadroom } from '../channel.ts';
import { callRobot, partSeparator, sendPart } from '../robot.ts';
import { table } from './table.ts';

/** 100 a minute and 5 a second. https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot */
const rates = withHeadroom([
  { count: 100, perSeconds: 60 },
  { count: 5, perSeconds: 1 },
]);
/** 20 KB a request (same page), less the JSON around the text, the title and the signature. */
const maxTextBytes = 18_000;
/** The markdown of a card has no headings, and the card shows the title in its header. */
const style = {
  escape: escapeFeishu,
  heading: (text: string) => `**${text}**`,
  code: (text: string) => `\`${text.replaceAll('`', "'")}\``,
};

/** Colours of a card's header. https://open.feishu.cn/document/feishu-cards/card-components/content-components/title */
const colors = new Map([
  ['critical', 'red'],
  ['warning', 'orange'],
  ['info', 'blue'],
  ['none', 'grey'],
]);

/** Signature for `timestamp` (seconds): HMAC-SHA256 of an empty message with the key "timestamp\nsecret", in base64. */
export function signFeishu(timestamp: number, secret: string): string {
  return createHmac('sha256', `${timestamp}\n${secret}`).update('').digest('base64');
}

function signatureFields(secret: string | undefined, millis: number): object {
  if (secret === undefined) return {};
  const timestamp = Math.floor(millis / 1000);
  return { timestamp: String(timestamp), sign: signFeishu(timestamp, secret) };
}

export const feishu = defineKind({
  kind: 'feishu',
  environment: { url: 'FEISHU_URL', secret: 'FEISHU_SECRET' },
  settings: z.strictObject({
    /** The last segment of the path is the bot's token. */
    url: webUrl,
    secret: z.string().optional(),
    /** In every message, for a bot that checks a keyword. */
    keyword,
    mention: mentions,
  }),
  create(name, { url, secret, mention, keyword }, { timeoutSeconds = 10, now = Date.now } = {}) {
    const redact = createRedaction([url.href, url.pathname.split('/').at(-1), secret]);
    const mentioned = [...mention.users, ...(mention.all ? ['all'] : [])];
    const write = (message: Message, tags: string): string[] => {
      const footer = [keyword, tags].filter(Boolean).join('\n\n');
      return writeParts(message, { style, maxBytes: maxTextBytes, footer });
    };
    return {
      name,
      rates,
      style,
      show: (message) => [message.title, write(message, '').join(partSeparator)].join('\n\n'),
      deliver(message, call) {
        const tags = mentioned.map((user) => `<at id=${user}></at>`).join(' ');
        const parts = (isMentioning: boolean) =>
          write(message, message.isFiring && isMentioning ? tags : '');
        return sendPart(parts, call, (content, index, count) => {
          const part = count > 1 ? ` (${index + 1}/${count})` : '';
          const card = {
            config: { wide_screen_mode: true },
            header: {
              title: { tag: 'plain_text', content: message.title + part },
              template: message.isFiring ? (colors.get(message.severity) ?? 'red') : 'green',
            },
            elements: [{ tag: 'markdown', content }],
          };
          const body = { ...signatureFields(secret, now()), msg_type: 'interactive', card };
          const post = { url, body, timeoutSeconds, signal: call.signal, now };
          return callRobot(table, { ...post, redact });
        });
      },
    };
  },
});
