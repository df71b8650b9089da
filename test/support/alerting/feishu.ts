/** A Feishu bot for tests. Like the vendor's: signed cards of 20 KB, 100 calls a minute and 5 a second, errors as HTTP 200. */
import { createHmac } from 'node:crypto';
import { robotToken, startRobot } from './notifier-robot.ts';
import type { Robot, RobotMessage, RobotOptions } from './notifier-robot.ts';

interface Body {
  timestamp?: string;
  sign?: string;
  msg_type: string;
  card: { header: { title: { content: string } }; elements: { tag: string; content: string }[] };
}

export function startFeishuRobot(
  secret: string,
  { keyword = '', perMinute = 100, now = Date.now }: RobotOptions = {},
): Promise<Robot> {
  function judge(url: URL, text: string, at: number): { answer: object; accepted?: RobotMessage } {
    const refuse = (code: number, msg: string) => ({ answer: { code, msg, data: {} } });
    if (!url.pathname.endsWith(`/${robotToken}`))
      return refuse(19_001, 'incoming webhook access token invalid');
    const body = JSON.parse(text) as Body;
    if (!isSigned(body, secret, at)) {
      return refuse(
        19_021,
        'sign match fail or timestamp is not within one hour from current time',
      );
    }
    if (body.msg_type !== 'interactive') return refuse(9499, 'Bad Request');
    if (Buffer.byteLength(text) > 20 * 1024) return refuse(9499, 'request body too large');
    const content = body.card.elements.map((element) => element.content).join('\n');
    const title = body.card.header.title.content;
    if (!`${title}${content}`.includes(keyword)) return refuse(19_024, 'Key Words Not Found');
    const answer = { StatusCode: 0, StatusMessage: 'success', code: 0, data: {}, msg: 'success' };
    return { answer, accepted: { title, text: content, body: { ...body } } };
  }

  return startRobot(
    {
      path: `/open-apis/bot/v2/hook/${robotToken}`,
      rates: [
        { count: perMinute, perMillis: 60_000 },
        { count: 5, perMillis: 1000 },
      ],
      blockMillis: 0,
      tooFast: { code: 11_232, msg: 'frequency limited psm[lark.oapi.app_platform_runtime]' },
      judge,
    },
    now,
  );
}

function isSigned({ timestamp = '', sign }: Body, secret: string, now: number): boolean {
  const isFresh = Math.abs(now / 1000 - Number(timestamp)) < 3600;
  const expected = createHmac('sha256', `${timestamp}\n${secret}`).digest('base64');
  return isFresh && sign === expected;
}
