/** Shared by the stand-ins of the chat vendors: errors as HTTP 200, a rate limit, a block, and answers set by a test. */
import { createServer } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface RobotMessage {
  title: string;
  text: string;
  body: Record<string, unknown>;
}

export interface Robot {
  /** Contains `robotToken`, which must appear nowhere else. */
  url: string;
  /** Accepted messages, in order. */
  received: RobotMessage[];
  /** The answers to the next requests, which are not checked. */
  answers: RobotAnswer[];
  /** Called before each answer; an accepted message is already in `received`. */
  beforeAnswer: () => Promise<void> | void;
  /** Requests so far, accepted or not. */
  calls: number;
  close(): Promise<void>;
}

export type RobotAnswer =
  | 'hang'
  | 'reset'
  | { status: number; body: string; headers?: Record<string, string> };

export interface RobotOptions {
  /** Messages without it are refused. */
  keyword?: string;
  perMinute?: number;
  /** Milliseconds since 1970. */
  now?: () => number;
  /** 0: the system chooses. */
  port?: number;
}

export interface RobotKind {
  /** Contains `robotToken`. */
  path: string;
  rates: { count: number; perMillis: number }[];
  /** Time for which the robot answers `tooFast` after a rate was exceeded; 0: only while the rate is exceeded. */
  blockMillis: number;
  tooFast: object;
  /** The vendor's answer to a body, and the message if the robot accepts it. */
  judge(url: URL, body: string, now: number): { answer: object; accepted?: RobotMessage };
}

export const robotToken = 'canary-token';

export async function startRobot(
  kind: RobotKind,
  now: () => number,
  listenPort: number,
): Promise<Robot> {
  const { path, rates, blockMillis, tooFast } = kind;
  let calls: number[] = [];
  let blockedUntil = 0;

  function isTooFast(): boolean {
    const longest = Math.max(...rates.map(({ perMillis }) => perMillis));
    calls = [...calls.filter((time) => time > now() - longest), now()];
    const isOver = rates.some(({ count, perMillis }) => {
      return calls.filter((time) => time > now() - perMillis).length > count;
    });
    if (isOver) blockedUntil = now() + blockMillis;
    return isOver || now() < blockedUntil;
  }

  const server = createServer((request, response) => {
    void readBody(request).then(async (body) => {
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
      const url = new URL(request.url ?? '/', 'http://robot');
      const judged = isTooFast() ? { answer: tooFast } : kind.judge(url, body, now());
      if ('accepted' in judged && judged.accepted) robot.received.push(judged.accepted);
      await robot.beforeAnswer();
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify(judged.answer));
    });
  });
  await new Promise<void>((resolve) => server.listen(listenPort, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const robot: Robot = {
    url: `http://127.0.0.1:${port}${path}`,
    received: [],
    answers: [],
    beforeAnswer: () => undefined,
    calls: 0,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
  return robot;
}

export async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
