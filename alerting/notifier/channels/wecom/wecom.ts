/**
 * WeCom (企业微信) group robot: markdown, with mentions.
 * https://developer.work.weixin.qq.com/document/path/91770
 */
import { z } from 'zod';
import { webUrl } from '../../../../src/kit/settings.ts';
import { escapeWeCom } from '../../message/escape.ts';
import { writeParts } from '../../message/markdown.ts';
import { createRedaction, defineKind, mentions, withHeadroom } from '../channel.ts';
import { callRobot, partSeparator, sendPart } from '../robot.ts';
import { table } from './table.ts';

/** 20 messages a minute. https://developer.work.weixin.qq.com/document/path/91770 */
const rates = withHeadroom([{ count: 20, perSeconds: 60 }]);
/** 4096 bytes of markdown (same page). `writeParts` counts the text as JSON, which is never shorter than what WeCom counts. */
const maxTextBytes = 4096;
/** WeCom renders `####` too large. */
const style = {
  escape: escapeWeCom,
  /** WeCom shows the mark of a list as it is. */
  item: (text: string) => text,
  code: (text: string) => `\`${text.replaceAll('`', "'")}\``,
  title: (text: string) => `### ${text}`,
  heading: (text: string) => `**${text}**`,
};

export const wecom = defineKind({
  kind: 'wecom',
  environment: { url: 'WECOM_URL' },
  settings: z.strictObject({
    /** Contains the robot's `key`. */
    url: webUrl,
    mention: mentions,
  }),
  create(name, { url, mention }, { timeoutSeconds = 10 } = {}) {
    const redact = createRedaction([url.href, ...url.searchParams.values()]);
    const mentioned = [...mention.users, ...(mention.all ? ['all'] : [])];
    return {
      name,
      rates,
      style,
      show: (message) => writeParts(message, { style, maxBytes: maxTextBytes }).join(partSeparator),
      deliver(message, call) {
        const footer = message.isFiring ? mentioned.map((user) => `<@${user}>`).join(' ') : '';
        const parts = writeParts(message, { style, maxBytes: maxTextBytes, footer });
        return sendPart(
          () => parts,
          call,
          (content) => {
            const body = { msgtype: 'markdown', markdown: { content } };
            return callRobot(table, { url, body, timeoutSeconds, signal: call.signal, redact });
          },
        );
      },
    };
  },
});
