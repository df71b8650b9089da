/**
 * WeCom (企业微信) group robot: markdown, with mentions.
 * https://developer.work.weixin.qq.com/document/path/91770
 */
import { z } from 'zod';
import { defineKind, mentions, webUrl } from './channel-kind.ts';
import { underLimit } from './delivery.ts';
import type { Channel } from './delivery.ts';
import { writeParts } from '../message/markdown.ts';
import { createRobot, sendPart } from './robot.ts';
import type { RobotAnswers } from './robot.ts';

export interface WeComOptions {
  name?: string;
  /** With its `key`. */
  url: URL;
  mention?: { users: string[]; all: boolean };
  timeoutSeconds?: number;
}

/** 20 messages a minute. https://developer.work.weixin.qq.com/document/path/91770 */
const rates = underLimit([{ count: 20, perSeconds: 60 }]);
/** 4096 bytes of markdown (same page); WeCom counts the text, we what JSON makes of it, which is never less. */
const maxTextBytes = 4096;

/** https://developer.work.weixin.qq.com/document/path/90313 */
const answers: RobotAnswers = {
  vendor: 'WeCom',
  codeField: 'errcode',
  messageField: 'errmsg',
  tooFast: new Map([[45_009, 60]]),
  // Key unknown (93000), nothing in it (44004), content refused or too long (40058).
  refused: new Set([93_000, 44_004, 40_058]),
};

export function createWeCom({
  name = 'wecom',
  url,
  mention = { users: [], all: false },
  timeoutSeconds = 10,
}: WeComOptions): Channel {
  const robot = createRobot(answers, {
    secrets: [url.href, ...url.searchParams.values()],
    timeoutSeconds,
  });
  const mentioned = [...mention.users, ...(mention.all ? ['all'] : [])];
  return {
    name,
    rates,
    deliver(message, call) {
      const footer = message.isFiring ? mentioned.map((user) => `<@${user}>`).join(' ') : '';
      const parts = writeParts(message, { style, maxBytes: maxTextBytes, footer });
      return sendPart(parts, call, (content) =>
        robot.post(url, { msgtype: 'markdown', markdown: { content } }, call),
      );
    },
  };
}

const style = {
  title: (text: string) => `### ${text}`,
  heading: (text: string) => `**${text}**`,
};

export const wecom = defineKind({
  kind: 'wecom',
  settings: z.strictObject({ url: webUrl, mention: mentions }),
  environment: { url: 'WECOM_URL' },
  create: (name, options) => createWeCom({ name, ...options }),
});
