/**
 * A stand-in for a WeCom robot, for tests and for `stand-in.ts`. Like the vendor's: 20 messages a minute, 4096 bytes of markdown, errors
 * as HTTP 200.
 */
import { robotToken, startRobot } from '../stand-in.ts';
import type { Robot, RobotMessage, RobotOptions } from '../stand-in.ts';

const refuse = (errcode: number, errmsg: string) => ({ answer: { errcode, errmsg } });

function judge(url: URL, text: string): { answer: object; accepted?: RobotMessage } {
  if (url.searchParams.get('key') !== robotToken) return refuse(93_000, 'invalid webhook url');
  const body = JSON.parse(text) as { msgtype: string; markdown?: { content: string } };
  const content = body.markdown?.content ?? '';
  if (body.msgtype !== 'markdown' || content === '') return refuse(44_004, 'content is empty');
  if (Buffer.byteLength(content) > 4096)
    return refuse(40_058, 'markdown.content exceed max length 4096');
  const title = content.split('\n')[0]?.replace('### ', '') ?? '';
  return {
    answer: { errcode: 0, errmsg: 'ok' },
    accepted: { title, text: content, body: { ...body } },
  };
}

export function startWeComRobot({
  perMinute = 20,
  now = Date.now,
  port = 0,
}: RobotOptions = {}): Promise<Robot> {
  return startRobot(
    {
      path: `/cgi-bin/webhook/send?key=${robotToken}`,
      rates: [{ count: perMinute, perMillis: 60_000 }],
      blockMillis: 0,
      tooFast: { errcode: 45_009, errmsg: 'api freq out of limit' },
      judge,
    },
    now,
    port,
  );
}
