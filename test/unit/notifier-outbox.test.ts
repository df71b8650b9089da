import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import type { Channel, Delivery } from '../../alerting/notifier/channels/channel.ts';
import { createNotifierApp } from '../../alerting/notifier/app.ts';
import { startDelivery } from '../../alerting/notifier/delivery.ts';
import { openOutbox, type Outbox } from '../../alerting/notifier/outbox.ts';
import { until } from '../support/chat-service.ts';

const newFile = () => path.join(mkdtempSync(path.join(tmpdir(), 'outbox-')), 'notifier.db');

const firing = {
  version: '4',
  groupKey: '{}:{alertname="HighLatency"}',
  status: 'firing',
  alerts: [
    {
      status: 'firing',
      labels: { alertname: 'HighLatency', severity: 'warning', instance: '127.0.0.1:8000' },
      annotations: {
        summary: 'Answers are slow',
        description: 'P99 is 7s',
        summary_zh: '回答变慢',
        description_zh: 'P99 为 7 秒',
        runbook_url: 'http://127.0.0.1:8060/runbooks/HighLatency',
      },
      startsAt: '2026-01-01T00:00:00Z',
      endsAt: '0001-01-01T00:00:00Z',
      fingerprint: 'f1',
    },
  ],
};
const resolved = {
  ...firing,
  status: 'resolved',
  alerts: [{ ...firing.alerts[0], status: 'resolved', endsAt: '2026-01-01T00:02:05Z' }],
};

function createDoor(outbox: Outbox, locale: 'en' | 'zh-CN' = 'en') {
  const app = createNotifierApp({
    outbox,
    locale,
    timeZone: 'Asia/Shanghai',
    token: undefined,
    channels: ['robot'],
    telemetry: { scrape: () => Promise.reject(new Error('not scraped here')) },
    onAdded() {},
  });
  return (body: unknown) =>
    app.request('/alerts/default', { method: 'POST', body: JSON.stringify(body) });
}

test('keeps a webhook that came twice once, and firing apart from resolved', async () => {
  const outbox = openOutbox(newFile());
  const post = createDoor(outbox);
  expect(await (await post(firing)).json()).toEqual({ added: true });
  expect(await (await post(firing)).json()).toEqual({ added: false });
  expect(await (await post(resolved)).json()).toEqual({ added: true });
  expect(outbox.list(10).map(({ title }) => title)).toEqual([
    '✅ Resolved: HighLatency',
    '🔥 Firing: HighLatency',
  ]);
});

test.each([
  ['en', '**Answers are slow** (warning)', 'P99 is 7s', 'Since Jan 1, 2026, 08:00:00'],
  ['zh-CN', '**回答变慢** (warning)', 'P99 为 7 秒', '开始于 2026年1月1日 08:00:00'],
] as const)('tells in %s what broke and since when', async (locale, ...parts) => {
  const outbox = openOutbox(newFile());
  await createDoor(outbox, locale)(firing);
  const [notification] = outbox.list(1);
  for (const part of parts) expect(notification?.text).toContain(part);
  expect(notification?.text).not.toContain('0001');
});

test('tells how long a resolved alert lasted, and not the value it had', async () => {
  const outbox = openOutbox(newFile());
  await createDoor(outbox)(resolved);
  const [notification] = outbox.list(1);
  expect(notification?.text).toContain('Lasted 2m 5s');
  expect(notification?.text).not.toContain('P99 is 7s');
});

test('answers garbage with 400 and what was expected', async () => {
  const response = await createDoor(openOutbox(newFile()))({ version: '3' });
  expect(response.status).toBe(400);
  expect(await response.text()).toContain("Alertmanager's webhook payload, version 4");
});

test('answers 503 when it cannot store, so that Alertmanager tries again', async () => {
  const outbox = openOutbox(newFile());
  outbox.close();
  expect((await createDoor(outbox)(firing)).status).toBe(503);
});

test('delivers in order, after a failure, and after a restart', async () => {
  const file = newFile();
  const before = openOutbox(file);
  const post = createDoor(before);
  await post(firing);
  await post(resolved);
  before.close();
  const outbox = openOutbox(file);
  const delivered: string[] = [];
  const answers: Delivery[] = [{ kind: 'retry', reason: 'reset', afterSeconds: 0 }];
  const channel: Channel = {
    name: 'robot',
    perMinute: 600,
    deliver(message) {
      const answer = answers.shift() ?? { kind: 'delivered' };
      if (answer.kind === 'delivered') delivered.push(message.title);
      return Promise.resolve(answer);
    },
  };
  const outcomes: string[] = [];
  const loop = startDelivery({
    outbox,
    channels: [channel],
    onOutcome: (_, outcome) => outcomes.push(outcome),
  });
  await until(() => delivered.length === 2);
  await loop.stop();
  expect(delivered).toEqual(['🔥 Firing: HighLatency', '✅ Resolved: HighLatency']);
  expect(outcomes).toEqual(['retried', 'delivered', 'delivered']);
  expect(outbox.list(2).map(({ attempts }) => attempts)).toEqual([1, 2]);
});

test('says which file it is when the database is none', () => {
  const file = newFile();
  writeFileSync(file, 'this is no database'.repeat(100));
  expect(() => openOutbox(file)).toThrow('file is not a database');
});
