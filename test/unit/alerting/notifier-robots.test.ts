/** One table for all robots: how each answer is judged. */
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { dingtalk } from '../../../alerting/notifier/channels/dingtalk/dingtalk.ts';
import { feishu } from '../../../alerting/notifier/channels/feishu/feishu.ts';
import { wecom } from '../../../alerting/notifier/channels/wecom/wecom.ts';
import { table as dingtalkTable } from '../../../alerting/notifier/channels/dingtalk/table.ts';
import { table as emailTable } from '../../../alerting/notifier/channels/email/table.ts';
import { table as feishuTable } from '../../../alerting/notifier/channels/feishu/table.ts';
import type { VendorRow, VendorTable } from '../../../alerting/notifier/channels/vendor-table.ts';
import { writeTable } from '../../../alerting/notifier/channels/vendor-table.ts';
import { table as webhookTable } from '../../../alerting/notifier/channels/webhook/table.ts';
import { table as wecomTable } from '../../../alerting/notifier/channels/wecom/table.ts';
import type {
  Channel,
  ChannelKind,
  Delivery,
} from '../../../alerting/notifier/channels/channel.ts';
import { startDingTalkRobot } from '../../../alerting/notifier/channels/dingtalk/stand-in.ts';
import { startFeishuRobot } from '../../../alerting/notifier/channels/feishu/stand-in.ts';
import { createCall, createChannel, createMessage } from '../../support/alerting/notifier-parts.ts';
import { robotToken } from '../../../alerting/notifier/channels/stand-in.ts';
import type { Robot, RobotAnswer } from '../../../alerting/notifier/channels/stand-in.ts';
import { startWeComRobot } from '../../../alerting/notifier/channels/wecom/stand-in.ts';

const secret = 'SECtest';
const html = '<html>Bad Gateway</html>';

interface Vendor {
  vendor: string;
  start: () => Promise<Robot>;
  kind: ChannelKind;
  settings: object;
  table: VendorTable;
}

const vendors: Vendor[] = [
  {
    vendor: 'DingTalk',
    start: () => startDingTalkRobot(secret),
    kind: dingtalk,
    settings: { secret },
    table: dingtalkTable,
  },
  {
    vendor: 'WeCom',
    start: () => startWeComRobot(),
    kind: wecom,
    settings: {},
    table: wecomTable,
  },
  {
    vendor: 'Feishu',
    start: () => startFeishuRobot(secret),
    kind: feishu,
    settings: { secret },
    table: feishuTable,
  },
];

const retry = { kind: 'retry' } as const;
const dead = { kind: 'dead', reason: 'refused' };
/** By the meaning in a vendor's table. The stand-in's clock is right, so an unclear signature is a wrong secret. */
const outcomes: Record<VendorRow['meaning'], object> = {
  delivered: { kind: 'delivered' },
  slow_down: { ...retry, reason: 'rate_limited' },
  content: dead,
  mention: { ...dead, isMention: true },
  credentials: dead,
  signature: dead,
  clock: { ...retry, reason: 'clock' },
  their_fault: { ...retry, reason: 'server_error', isRefusal: true },
};

test.each([
  ...vendors.map(({ kind, table }) => [kind.kind, table] as const),
  ['email', emailTable] as const,
  ['webhook', webhookTable] as const,
])('the page of %s lists its table in both languages', (kind, table) => {
  const folder = new URL(`../../../alerting/notifier/channels/${kind}/`, import.meta.url);
  const page = readFileSync(new URL('README.md', folder), 'utf8');
  for (const language of ['en', 'zh'] as const) {
    const [, ...rows] = writeTable(table, language).split('\n');
    expect(page).toContain(rows.join('\n'));
  }
});

/** Written out: the tests below read the tables themselves, so that a row that is lost or changed would change them too. */
const known: [string, VendorRow['meaning'], VendorTable, [number, string][]][] = [
  [
    'Feishu',
    'content',
    feishuTable,
    [
      [11_246, 'invalid card content'],
      [230_099, 'Failed to create card content'],
      [200_570, 'card contains invalid image keys'],
      [19_036, 'message content is refused'],
      [9499, 'Bad Request'],
    ],
  ],
  ['Feishu', 'mention', feishuTable, [[11_246, 'there is an invalid user resource (at/person)']]],
  ['Feishu', 'slow_down', feishuTable, [[9499, 'too many request']]],
  [
    'Feishu',
    'signature',
    feishuTable,
    [[19_021, 'sign match fail or timestamp is not within one hour from current time']],
  ],
  [
    'DingTalk',
    'content',
    dingtalkTable,
    [
      [101_002, '消息内容不合法'],
      [400_403, '消息内容被拒绝'],
    ],
  ],
  ['DingTalk', 'clock', dingtalkTable, [[310_000, '签名过期']]],
  ['WeCom', 'content', wecomTable, [[40_008, 'invalid message type']]],
];

// Fault: a robot refuses the text, the mention or the time of a message. Result: dead, sent without the mention, or signed anew.
test.each(known)('%s: these codes mean %s', (_, meaning, { rows }, answers) => {
  const found = answers.map(
    ([code, sentence]) =>
      rows.find((row) => row.code === code && (row.only?.test(sentence) ?? true))?.meaning,
  );
  expect(found).toEqual(answers.map(() => meaning));
});

describe.each(vendors)('$vendor', (vendor) => {
  const { start, table } = vendor;
  const { codeField: code, messageField: message } = table;
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
  const coded = (number: number, sentence: string, status = 200): RobotAnswer => ({
    status,
    body: JSON.stringify({ [code]: number, [message]: sentence }),
  });

  // Fault: a robot answers with a code of its vendor, with HTTP 200 or 400. Result: retried, paused, dead, or sent without the mention, as the table of the vendor says.
  test.each(table.rows)(`$code "$sentence" means $meaning`, async (row) => {
    const { code, sentence, meaning, afterSeconds } = row;
    const meant = { ...outcomes[meaning], ...(afterSeconds !== undefined && { afterSeconds }) };
    // A message without its mention is sent once more.
    const expected = meaning === 'mention' ? { kind: 'partial' } : meant;
    // Some errors come with HTTP 400.
    expect(await answered(coded(code, sentence))).toMatchObject(expected);
    expect(await answered(coded(code, sentence, 400))).toMatchObject(expected);
  });

  test.each(table.rows)(`the row of $code "$sentence" is reached, and has a source`, (row) => {
    const { code, sentence, source } = row;
    const found = table.rows.find(
      (each) => each.code === code && (each.only?.test(sentence) ?? true),
    );
    expect(found).toBe(row);
    expect(source).toMatch(/^https:/);
  });

  // Fault: a robot answers with a code that nobody documents.
  test('a code that is in no table is retried, and counts against the content', async () => {
    const expected = { kind: 'retry', reason: 'server_error', isRefusal: true };
    expect(await answered(coded(999_999, 'new'))).toMatchObject(expected);
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
    const said = { [code]: 999_999, [message]: `${robotToken} ${robot.url}` };
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
