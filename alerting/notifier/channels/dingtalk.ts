/**
 * DingTalk custom robot: signed markdown or an action card, with mentions.
 * https://open.dingtalk.com/document/orgapp/custom-robots-send-group-messages
 */
import { createHmac } from 'node:crypto';
import { z } from 'zod';
import { defineKind, mentions, webUrl } from './channel-kind.ts';
import { underLimit } from './delivery.ts';
import type { Channel, Delivery } from './delivery.ts';
import { headings, writeParts } from '../message/markdown.ts';
import type { Message } from '../message/message.ts';
import { createRobot, sendPart } from './robot.ts';
import type { RobotAnswers } from './robot.ts';

export interface DingTalkOptions {
  name?: string;
  /** With its `access_token`. */
  url: URL;
  /** Unset for robots that check a keyword or an address instead of a signature. */
  secret?: string | undefined;
  mention?: { mobiles: string[]; users: string[]; all: boolean };
  /** An action card with buttons instead of markdown; DingTalk mentions nobody in one. */
  card?: boolean;
  timeoutSeconds?: number;
  now?: () => number;
}

/** 20 calls a minute, then the robot is blocked for ten. https://open.dingtalk.com/document/robots/custom-robot-access */
const rates = underLimit([{ count: 20, perSeconds: 60 }]);
const blockSeconds = 600;
/** 20,000 bytes a message (same page); the rest is for the envelope, the title, the mentions and buttons. */
const maxTextBytes = 16_500;
const maxButtons = 4;

/** https://open.dingtalk.com/document/orgapp/custom-robot-error-codes */
const answers: RobotAnswers = {
  vendor: 'DingTalk',
  codeField: 'errcode',
  messageField: 'errmsg',
  tooFast: new Map([
    [130_101, blockSeconds],
    [410_100, blockSeconds],
  ]),
  // Keyword, signature or address refused (310000), robot stopped (400102), token unknown (400101, 400106), group gone
  // (400013), text refused (430101 to 430104), field wrong (40035), too long (460101).
  refused: new Set([
    310_000, 400_101, 400_102, 400_106, 400_013, 430_101, 430_102, 430_103, 430_104, 40_035,
    460_101,
  ]),
  without({ errcode, punish, wait }): Delivery | undefined {
    if (errcode !== undefined || punish === undefined) return undefined;
    const afterSeconds = typeof wait === 'number' && wait > 0 ? wait : blockSeconds;
    return { kind: 'retry', reason: 'rate_limited', afterSeconds, detail: 'DingTalk: punished' };
  },
};

/** Signature of `timestamp` (milliseconds): HMAC-SHA256 of "timestamp\nsecret" under the secret, base64. */
export function signDingTalk(timestamp: number, secret: string): string {
  return createHmac('sha256', secret).update(`${timestamp}\n${secret}`).digest('base64');
}

export function createDingTalk({
  name = 'dingtalk',
  url,
  secret,
  mention = { mobiles: [], users: [], all: false },
  card = false,
  timeoutSeconds = 10,
  now = Date.now,
}: DingTalkOptions): Channel {
  const secrets = [url.href, ...url.searchParams.values(), secret];
  const robot = createRobot(answers, { secrets, timeoutSeconds });
  return {
    name,
    rates,
    deliver(message, call) {
      // In markdown a mention works only when it also stands in the text.
      const mentioned =
        message.isFiring && !card ? mention : { mobiles: [], users: [], all: false };
      const footer = [...mentioned.mobiles, ...mentioned.users].map((who) => `@${who}`).join(' ');
      const parts = writeParts(message, { style: headings, maxBytes: maxTextBytes, footer });
      return sendPart(parts, call, (text) => {
        const target = signed(url, secret, now());
        const body = card ? writeCard(message, text) : writeMarkdown(message, text, mentioned);
        return robot.post(target, body, call);
      });
    },
  };
}

function writeMarkdown(
  { title }: Message,
  text: string,
  { mobiles, users, all }: Required<DingTalkOptions>['mention'],
): object {
  const at = { atMobiles: mobiles, atUserIds: users, isAtAll: all };
  return { msgtype: 'markdown', markdown: { title, text }, at };
}

/** The first alert's links become buttons. */
function writeCard({ title, sections }: Message, text: string): object {
  const links = sections[0]?.links.slice(0, maxButtons) ?? [];
  const btns = links.map((link) => ({ title: link.name, actionURL: link.url }));
  // A card without a button is none.
  if (btns.length === 0) return { msgtype: 'markdown', markdown: { title, text } };
  return { msgtype: 'actionCard', actionCard: { title, text, btnOrientation: '1', btns } };
}

function signed(url: URL, secret: string | undefined, timestamp: number): URL {
  const target = new URL(url);
  if (secret === undefined) return target;
  target.searchParams.set('timestamp', String(timestamp));
  target.searchParams.set('sign', signDingTalk(timestamp, secret));
  return target;
}

export const dingtalk = defineKind({
  kind: 'dingtalk',
  settings: z
    .strictObject({
      url: webUrl,
      secret: z.string().optional(),
      card: z.boolean().default(false),
      mention: z
        .strictObject({
          mobiles: z.array(z.string().min(1)).default([]),
          ...mentions.unwrap().shape,
        })
        .optional(),
    })
    .refine(({ card, mention }) => !card || mention === undefined, {
      path: ['card'],
      message: 'expected no mention beside card: DingTalk mentions nobody in a card',
    }),
  environment: { url: 'DINGTALK_URL', secret: 'DINGTALK_SECRET' },
  create: (name, { mention, ...options }) =>
    createDingTalk({ name, ...options, ...(mention && { mention }) }),
});
