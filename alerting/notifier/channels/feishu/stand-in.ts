/**
 * A stand-in for a Feishu bot, for tests and for `stand-in.ts`. Like the vendor's: signed cards of 20 KB, 100 calls a minute and 5 a
 * second, errors as HTTP 200.
 */
import { createHmac } from 'node:crypto';
import { robotToken, startRobot } from '../stand-in.ts';
import type { Robot, RobotMessage, RobotOptions } from '../stand-in.ts';

interface Body {
  timestamp?: string;
  sign?: string;
  msg_type: string;
  card: { header: { title: { content: string } }; elements: { tag: string; content: string }[] };
}

const refuse = (code: number, msg: string) => ({ answer: { code, msg, data: {} } });

export function startFeishuRobot(
  secret: string,
  { keyword = '', perMinute = 100, now = Date.now, port = 0 }: RobotOptions = {},
): Promise<Robot> {
  function judge(url: URL, text: string, at: number): { answer: object; accepted?: RobotMessage } {
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
    if (/<at id=ou_unknown>/.test(text)) {
      return refuse(
        11_246,
        'ErrCode: 100290; ErrMsg: there is an invalid user resource (at/person) in your card; ErrorValue: ou_unknown; ',
      );
    }
    if (/!\[[^\]]*\]\(/.test(text))
      return refuse(11_246, 'ErrCode: 200570; ErrMsg: invalid image keys; ');
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
    port,
  );
}

function isSigned({ timestamp = '', sign }: Body, secret: string, now: number): boolean {
  const isFresh = Math.abs(now / 1000 - Number(timestamp)) < 3600;
  const expected = createHmac('sha256', `${timestamp}\n${secret}`).digest('base64');
  return isFresh && sign === expected;
}
