/** A robot that behaves as DingTalk's does: errors are HTTP 200 with a code, an unsigned message is refused. */
import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface DingTalkRobot {
  url: string;
  /** Messages it accepted. */
  received: { title: string; text: string }[];
  /** Answers the next requests give instead of an acceptance, first one first. */
  answers: { status: number; body: string }[];
  close(): Promise<void>;
}

export async function startDingTalkRobot(secret: string): Promise<DingTalkRobot> {
  const received: DingTalkRobot['received'] = [];
  const answers: DingTalkRobot['answers'] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      const query = new URL(request.url ?? '/', 'http://robot').searchParams;
      const { status, body: answer } = answers.shift() ?? {
        status: 200,
        body: JSON.stringify(judge(query, body, secret, received)),
      };
      response.writeHead(status, { 'content-type': 'application/json' }).end(answer);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/robot/send?access_token=canary-token`,
    received,
    answers,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

function judge(
  query: URLSearchParams,
  body: string,
  secret: string,
  received: DingTalkRobot['received'],
): object {
  const timestamp = query.get('timestamp') ?? '';
  const expected = createHmac('sha256', secret).update(`${timestamp}\n${secret}`).digest('base64');
  const isFresh = Math.abs(Date.now() - Number(timestamp)) < 3_600_000;
  if (query.get('sign') !== expected || !isFresh)
    return { errcode: 310_000, errmsg: 'sign not match' };
  const message = JSON.parse(body) as {
    msgtype: string;
    markdown: { title: string; text: string };
  };
  if (message.msgtype !== 'markdown') return { errcode: 40_035, errmsg: 'invalid message type' };
  received.push(message.markdown);
  return { errcode: 0, errmsg: 'ok' };
}
