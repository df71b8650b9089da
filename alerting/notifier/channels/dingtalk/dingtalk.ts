/**
 * DingTalk custom robot: signed markdown or an action card, with mentions.
 * https://open.dingtalk.com/document/orgapp/custom-robots-send-group-messages
 */
import { createHmac } from 'node:crypto';
import { z } from 'zod';
import { webUrl } from '../../../../src/kit/settings.ts';
import { headings, writeParts } from '../../message/markdown.ts';
import type { Message } from '../../message/message.ts';
import { createRedaction, defineKind, keyword, mentions, withHeadroom } from '../channel.ts';
import { callRobot, partSeparator, sendPart } from '../robot.ts';
import { table } from './table.ts';

/** 20 calls a minute; a robot that exceeds them is blocked for ten minutes. https://open.dingtalk.com/document/robots/custom-robot-access */
const rates = withHeadroom([{ count: 20, perSeconds: 60 }]);
/** 20,000 bytes a message (same page), less the JSON around the text, the title, mentions and buttons. */
const maxTextBytes = 16_500;
const maxButtons = 4;

const mention = z.strictObject({
  mobiles: z.array(z.string().min(1)).default([]),
  ...mentions.unwrap().shape,
});
const nobody: z.infer<typeof mention> = { mobiles: [], users: [], all: false };

export const dingtalk = defineKind({
  kind: 'dingtalk',
  environment: { url: 'DINGTALK_URL', secret: 'DINGTALK_SECRET' },
  settings: z
    .strictObject({
      /** Contains the robot's `access_token`. */
      url: webUrl,
      /** The key of the signature. Not set for robots that check a keyword or an IP address instead. */
      secret: z.string().optional(),
      /** In every message, for a robot that checks a keyword. */
      keyword,
      /** An action card with buttons instead of markdown. */
      card: z.boolean().default(false),
      mention: mention.optional(),
    })
    .refine(({ card, mention }) => !card || mention === undefined, {
      path: ['card'],
      message: 'cannot be combined with mention: DingTalk ignores mentions in a card',
    }),
  create(name, settings, { timeoutSeconds = 10, now = Date.now } = {}) {
    const { url, secret, card, keyword } = settings;
    const redact = createRedaction([url.href, ...url.searchParams.values(), secret]);
    const write = (message: Message, mentioned: string): string[] =>
      writeParts(message, {
        style: headings,
        maxBytes: maxTextBytes,
        footer: [keyword, mentioned].filter(Boolean).join('\n\n'),
      });
    return {
      name,
      rates,
      show: (message) => write(message, '').join(partSeparator),
      deliver(message, call) {
        const { mobiles, users, all } = (message.isFiring && settings.mention) || nobody;
        const at = { atMobiles: mobiles, atUserIds: users, isAtAll: all };
        // DingTalk mentions a person only if the text contains the mention as well.
        const mentioned = [...mobiles, ...users].map((person) => `@${person}`).join(' ');
        const parts = (isMentioning: boolean) => write(message, isMentioning ? mentioned : '');
        return sendPart(parts, call, (text) => {
          const markdown = { msgtype: 'markdown', markdown: { title: message.title, text }, at };
          const body = card ? writeCard(message, text) : markdown;
          const post = { url: signUrl(url, secret, now()), body, timeoutSeconds, now };
          return callRobot(table, { ...post, signal: call.signal, redact });
        });
      },
    };
  },
});

/** An action card with the first alert's links as buttons; markdown if that alert has no links, because a card needs a button. */
function writeCard({ title, sections }: Message, text: string): object {
  const links = sections[0]?.links.slice(0, maxButtons) ?? [];
  const btns = links.map((link) => ({ title: link.name, actionURL: link.url }));
  if (btns.length === 0) return { msgtype: 'markdown', markdown: { title, text } };
  return { msgtype: 'actionCard', actionCard: { title, text, btnOrientation: '1', btns } };
}

function signUrl(url: URL, secret: string | undefined, timestamp: number): URL {
  const target = new URL(url);
  if (secret === undefined) return target;
  target.searchParams.set('timestamp', String(timestamp));
  target.searchParams.set('sign', signDingTalk(timestamp, secret));
  return target;
}

/** Signature for `timestamp` (milliseconds): HMAC-SHA256 of "timestamp\nsecret" with the secret as key, in base64. */
export function signDingTalk(timestamp: number, secret: string): string {
  return createHmac('sha256', secret).update(`${timestamp}\n${secret}`).digest('base64');
}
