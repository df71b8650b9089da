/** One table for all robots: how each answer is judged. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { dingtalk } from '../../../alerting/notifier/channels/dingtalk.ts';
import { feishu } from '../../../alerting/notifier/channels/feishu.ts';
import { wecom } from '../../../alerting/notifier/channels/wecom.ts';
import type {
  Channel,
  ChannelKind,
  Delivery,
} from '../../../alerting/notifier/channels/channel.ts';
import { startDingTalkRobot } from '../../support/alerting/dingtalk.ts';
import { startFeishuRobot } from '../../support/alerting/feishu.ts';
import { createCall, createChannel, createMessage } from '../../support/alerting/notifier-parts.ts';
import { robotToken } from '../../support/alerting/notifier-robot.ts';
import type { Robot, RobotAnswer } from '../../support/alerting/notifier-robot.ts';
import { startWeComRobot } from '../../support/alerting/wecom.ts';

const secret = 'SECtest';
const html = '<html>Bad Gateway</html>';

interface Vendor {
  vendor: string;
  start: () => Promise<Robot>;
  kind: ChannelKind;
  settings: object;
  code: string;
  message: string;
  dead: number[];
  /** Code → seconds. */
  limited: [number, number][];
  busy: number[];
}

const vendors: Vendor[] = [
  {
    vendor: 'DingTalk',
    start: () => startDingTalkRobot(secret),
    kind: dingtalk,
    settings: { secret },
    code: 'errcode',
    message: 'errmsg',
    dead: [310_000, 400_101, 400_102, 400_106, 400_013, 430_101, 430_104, 40_035, 460_101],
    limited: [
      [130_101, 600],
      [410_100, 600],
    ],
    busy: [-1, 999_999],
  },
  {
    vendor: 'WeCom',
    start: () => startWeComRobot(),
    kind: wecom,
    settings: {},
    code: 'errcode',
    message: 'errmsg',
    dead: [93_000, 44_004, 40_058],
    limited: [[45_009, 60]],
    busy: [-1, 999_999],
  },
  {
    vendor: 'Feishu',
    start: () => startFeishuRobot(secret),
    kind: feishu,
    settings: { secret },
    code: 'code',
    message: 'msg',
    dead: [19_021, 19_022, 19_024, 9499],
    limited: [[11_232, 5]],
    busy: [19_999],
  },
];

describe.each(vendors)('$vendor', (vendor) => {
  const { start, code, message, dead, limited, busy } = vendor;
  let robot: Robot;
  beforeEach(async () => {
    robot = await start();
  });
  afterEach(() => robot.close());

  const create = (url = robot.url, timeoutSeconds = 10): Channel =>
    createChannel(vendor.kind, { url, ...vendor.settings }, { timeoutSeconds });

  async function answered(answer: RobotAnswer, timeoutSeconds = 10): Promise<Delivery> {
    robot.answers.push(answer);
    const delivery = await create(robot.url, timeoutSeconds).deliver(createMessage(), createCall());
    expect(JSON.stringify(delivery)).not.toMatch(new RegExp(`${secret}|${robotToken}|sign=`));
    return delivery;
  }
  const coded = (number: number): RobotAnswer => ({
    status: 200,
    body: JSON.stringify({ [code]: number, [message]: 'no' }),
  });

  test.each(dead)(`${code} %i is dead`, async (number) => {
    expect(await answered(coded(number))).toMatchObject({ kind: 'dead', reason: 'refused' });
  });

  test.each(limited)(`${code} %i is a rate limit of %i s`, async (number, afterSeconds) => {
    const expected = { kind: 'retry', reason: 'rate_limited', afterSeconds };
    expect(await answered(coded(number))).toMatchObject(expected);
  });

  test.each(busy)(`${code} %i, which is in no table, is retried`, async (number) => {
    expect(await answered(coded(number))).toMatchObject({ kind: 'retry', reason: 'server_error' });
  });

  test.each<[string, RobotAnswer, Partial<Delivery> & { afterSeconds?: number }]>([
    ['an HTML page of a proxy', { status: 200, body: html }, { reason: 'unexpected_answer' }],
    ['no code', { status: 200, body: '{}' }, { reason: 'unexpected_answer' }],
    [
      'a code that is a string',
      { status: 200, body: `{"errcode":"0","code":"0"}` },
      { reason: 'unexpected_answer' },
    ],
    ['a JSON array', { status: 200, body: '[0]' }, { reason: 'unexpected_answer' }],
    ['an endless page', { status: 200, body: html.repeat(9999) }, { reason: 'unexpected_answer' }],
    [
      'a redirect, which is not followed',
      { status: 302, body: '', headers: { location: 'http://127.0.0.1:9/' } },
      { reason: 'unexpected_answer' },
    ],
    ['403 of a proxy', { status: 403, body: html }, { reason: 'unexpected_answer' }],
    ['404 of a proxy', { status: 404, body: html }, { reason: 'unexpected_answer' }],
    ['408', { status: 408, body: html }, { reason: 'server_error' }],
    [
      '429 with Retry-After',
      { status: 429, body: html, headers: { 'retry-after': '7' } },
      { reason: 'rate_limited', afterSeconds: 7 },
    ],
    ['429', { status: 429, body: html }, { reason: 'rate_limited', afterSeconds: 60 }],
    ['502 in HTML', { status: 502, body: html }, { reason: 'server_error' }],
    ['a reset', 'reset', { reason: 'network', detail: 'ECONNRESET' }],
  ])('%s is retried', async (_, answer, expected) => {
    expect(await answered(answer)).toMatchObject({ kind: 'retry', ...expected });
  });

  test('a call that hangs is a retry after the timeout', async () => {
    expect(await answered('hang', 0.2)).toMatchObject({ kind: 'retry', reason: 'timeout' });
  });

  test('a refused connection is a retry without a secret', async () => {
    const url = new URL(robot.url);
    url.port = '9';
    const delivery = await create(url.href, 1).deliver(createMessage(), createCall());
    expect(delivery).toMatchObject({ kind: 'retry', reason: 'network' });
    expect(JSON.stringify(delivery)).not.toContain(robotToken);
  });

  test('an answer that repeats the token and the URL is redacted', async () => {
    const said = { [code]: dead[0], [message]: `${robotToken} ${robot.url}` };
    const delivery = await answered({ status: 200, body: JSON.stringify(said) });
    expect(delivery).toMatchObject({ detail: expect.stringMatching(/, \*\*\* \*\*\*$/) });
  });

  test('stopping the notifier ends the call', async () => {
    robot.answers.push('hang');
    const stop = new AbortController();
    const delivery = create().deliver(createMessage(), createCall({ signal: stop.signal }));
    stop.abort();
    expect(await delivery).toMatchObject({ kind: 'retry', reason: 'network' });
  });
});
