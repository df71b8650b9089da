/**
 * A stand-in for a DingTalk robot, for tests and for `stand-in.ts`. Like the vendor's it checks signature and keyword, reports errors
 * as HTTP 200 with a code, and blocks for ten minutes after more than 20 calls in a minute.
 */
import { createHmac } from 'node:crypto';
import { robotToken, startRobot } from '../stand-in.ts';
import type { Robot, RobotMessage, RobotOptions } from '../stand-in.ts';

export { robotToken } from '../stand-in.ts';
export type { Robot as DingTalkRobot } from '../stand-in.ts';

interface Body {
  msgtype: string;
  markdown?: { title: string; text: string };
  actionCard?: { title: string; text: string };
}

const refuse = (errcode: number, errmsg: string) => ({ answer: { errcode, errmsg } });

export function startDingTalkRobot(
  secret: string,
  { keyword = '', perMinute = 20, now = Date.now, port = 0 }: RobotOptions = {},
): Promise<Robot> {
  function judge(url: URL, text: string, at: number): { answer: object; accepted?: RobotMessage } {
    if (url.searchParams.get('access_token') !== robotToken) {
      return refuse(400_101, 'access_token不存在');
    }
    if (!isSigned(url.searchParams, secret, at)) return refuse(310_000, 'sign not match');
    const body = JSON.parse(text) as Body;
    const content = body.markdown ?? body.actionCard;
    if (content === undefined) return refuse(40_035, '缺少参数 json');
    if (Buffer.byteLength(text) > 20_000) return refuse(460_101, 'message too long');
    if (!content.text.includes(keyword)) return refuse(310_000, 'keywords not in content');
    const accepted = { title: content.title, text: content.text, body: { ...body } };
    return { answer: { errcode: 0, errmsg: 'ok' }, accepted };
  }

  return startRobot(
    {
      path: `/robot/send?access_token=${robotToken}`,
      rates: [{ count: perMinute, perMillis: 60_000 }],
      blockMillis: 600_000,
      tooFast: { errcode: 130_101, errmsg: 'send too fast, exceed 20 times per minute' },
      judge,
    },
    now,
    port,
  );
}

function isSigned(query: URLSearchParams, secret: string, now: number): boolean {
  const timestamp = query.get('timestamp') ?? '';
  const isFresh = Math.abs(now - Number(timestamp)) < 3_600_000;
  const expected = createHmac('sha256', secret).update(`${timestamp}\n${secret}`).digest('base64');
  return isFresh && query.get('sign') === expected;
}
