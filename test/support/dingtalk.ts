/**
 * A DingTalk robot as the vendor's behaves, for tests: it checks signature and keyword, tells every error as HTTP 200
 * with a code, and blocks for ten minutes who calls more than 20 times in one.
 */
import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface DingTalkRobot {
  /** With an access token that must never be seen anywhere else: `robotToken`. */
  url: string;
  /** Messages it accepted, in order. */
  received: { title: string; text: string }[];
  /** What it does with the next requests instead of judging them, first one first. */
  answers: RobotAnswer[];
  /** Requests so far, accepted or not. */
  calls: number;
  close(): Promise<void>;
}

export type RobotAnswer =
  | 'hang'
  | 'reset'
  | { status: number; body: string; headers?: Record<string, string> };

export interface DingTalkRobotOptions {
  /** Refuses messages without it, as a robot with a custom keyword does. */
  keyword?: string;
  perMinute?: number;
  /** Milliseconds since 1970. */
  now?: () => number;
}

export const robotToken = 'canary-token';

const blockMillis = 600_000;

export async function startDingTalkRobot(
  secret: string,
  { keyword = '', perMinute = 20, now = Date.now }: DingTalkRobotOptions = {},
): Promise<DingTalkRobot> {
  let lastMinute: number[] = [];
  let blockedUntil = 0;

  function isTooFast(): boolean {
    lastMinute = [...lastMinute.filter((time) => time > now() - 60_000), now()];
    if (lastMinute.length > perMinute) blockedUntil = now() + blockMillis;
    return now() < blockedUntil;
  }

  function judge(url: URL, body: string): { errcode: number; errmsg: string } {
    if (url.searchParams.get('access_token') !== robotToken) {
      return { errcode: 400_101, errmsg: 'access_token不存在' };
    }
    if (isTooFast())
      return { errcode: 130_101, errmsg: 'send too fast, exceed 20 times per minute' };
    if (!isSigned(url.searchParams, secret, now())) {
      return { errcode: 310_000, errmsg: 'sign not match' };
    }
    const { msgtype, markdown } = JSON.parse(body) as {
      msgtype: string;
      markdown: { title: string; text: string };
    };
    if (msgtype !== 'markdown') return { errcode: 40_035, errmsg: '缺少参数 json' };
    if (Buffer.byteLength(body) > 20_000) return { errcode: 460_101, errmsg: 'message too long' };
    if (!markdown.text.includes(keyword)) {
      return { errcode: 310_000, errmsg: 'keywords not in content' };
    }
    robot.received.push(markdown);
    return { errcode: 0, errmsg: 'ok' };
  }

  const server = createServer((request, response) => {
    void readBody(request).then((body) => {
      robot.calls += 1;
      const answer = robot.answers.shift();
      if (answer === 'hang') return;
      if (answer === 'reset') {
        request.socket.resetAndDestroy();
        return;
      }
      if (answer !== undefined) {
        response.writeHead(answer.status, answer.headers).end(answer.body);
        return;
      }
      const judged = judge(new URL(request.url ?? '/', 'http://robot'), body);
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(judged));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const robot: DingTalkRobot = {
    url: `http://127.0.0.1:${port}/robot/send?access_token=${robotToken}`,
    received: [],
    answers: [],
    calls: 0,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
  return robot;
}

function isSigned(query: URLSearchParams, secret: string, now: number): boolean {
  const timestamp = query.get('timestamp') ?? '';
  const isFresh = Math.abs(now - Number(timestamp)) < 3_600_000;
  const expected = createHmac('sha256', secret).update(`${timestamp}\n${secret}`).digest('base64');
  return isFresh && query.get('sign') === expected;
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
