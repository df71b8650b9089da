/** The real notifier process and a robot: crashes, duplicates, order, a locked disk, shutdown, secrets. */
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createAlert, createWebhook } from '../../support/alerting/alertmanager-webhook.ts';
import { until } from '../../support/until.ts';
import {
  robotToken,
  startDingTalkRobot,
} from '../../../alerting/notifier/channels/dingtalk/stand-in.ts';
import type { DingTalkRobot } from '../../../alerting/notifier/channels/dingtalk/stand-in.ts';
import { newOutboxPath, startNotifier } from '../../support/alerting/notifier.ts';
import type { Notifier } from '../../support/alerting/notifier.ts';

const secret = 'SECcanary';
const firing = createWebhook([createAlert()]);
const resolved = createWebhook([createAlert({ status: 'resolved' })]);
const busy = { status: 200, body: '{"errcode":-1,"errmsg":"busy"}' };

let robot: DingTalkRobot;
let settings: Record<string, string>;
let notifier: Notifier;

beforeEach(async () => {
  robot = await startDingTalkRobot(secret);
  settings = {
    NOTIFIER_DB: newOutboxPath(),
    NOTIFIER_LOCALE: 'en',
    DINGTALK_URL: robot.url,
    DINGTALK_SECRET: secret,
  };
  notifier = await startNotifier(settings);
});
afterEach(async () => {
  await notifier.stop('SIGKILL');
  await robot.close();
});

const titles = (): string[] => robot.received.map(({ title }) => title);

test('an alert reaches the robot, is counted, and is listed with its message', async () => {
  // The end of the start-up's own work may be a millisecond ago.
  expect(await notifier.sample('notifier_pending_age_seconds')).toBeLessThan(1);
  expect((await notifier.post(firing)).status).toBe(200);
  await until(() => titles().length === 1);
  await until(async () => (await notifier.list())[0]?.state === 'delivered');
  expect(await notifier.list()).toMatchObject([
    {
      channel: 'dingtalk',
      attempts: 1,
      message: { title: '[critical] Requests are failing (HighErrorRate)' },
    },
  ]);
  const delivered = 'notifier_notifications_total{channel="dingtalk",outcome="delivered"}';
  await until(async () => (await notifier.sample(delivered)) === 1);
  const refused =
    'notifier_notifications_total{channel="dingtalk",outcome="dead",reason="refused"}';
  expect(await notifier.sample(refused)).toBe(0);
});

test('killed between the 200 and the delivery, it delivers after a restart', async () => {
  robot.answers.push('hang');
  expect((await notifier.post(firing)).status).toBe(200);
  await until(() => robot.calls === 1);
  await notifier.stop('SIGKILL');
  expect(titles()).toEqual([]);
  notifier = await startNotifier(settings);
  await until(() => titles().length === 1);
});

test('a webhook that arrives twice at once is sent once', async () => {
  const answers = await Promise.all([notifier.post(firing), notifier.post(firing)]);
  expect(await Promise.all(answers.map((answer) => answer.json()))).toEqual(
    expect.arrayContaining([{ status: 'accepted' }, { status: 'duplicate' }]),
  );
  await notifier.post(resolved);
  await until(() => titles().length === 2);
  expect(titles()).toEqual([
    '[critical] Requests are failing (HighErrorRate)',
    '[resolved] Requests are failing (HighErrorRate), lasted 8m 12s',
  ]);
});

test('resolved is sent after firing, even when firing failed first', async () => {
  robot.answers.push(busy, 'reset');
  await notifier.post(firing);
  await notifier.post(resolved);
  await until(() => titles().length === 2);
  expect(titles()).toEqual([
    '[critical] Requests are failing (HighErrorRate)',
    '[resolved] Requests are failing (HighErrorRate), lasted 8m 12s',
  ]);
});

// Fault: another program locks the outbox.
test('answers 503 while the outbox is locked, and accepts the alert afterwards', async () => {
  const other = new DatabaseSync(settings['NOTIFIER_DB'] ?? '');
  other.exec('BEGIN EXCLUSIVE');
  expect((await notifier.post(firing)).status).toBe(503);
  other.exec('ROLLBACK');
  other.close();
  expect((await notifier.post(firing)).status).toBe(200);
  await until(() => titles().length === 1);
});

test('SIGTERM waits at most the grace period for a robot that hangs, and the notification stays pending', async () => {
  robot.answers.push('hang');
  await notifier.post(firing);
  await until(() => robot.calls === 1);
  expect(await notifier.stop()).toBe(0);
  notifier = await startNotifier(settings);
  await until(() => titles().length === 1);
});

test('no secret is in any log, list or metric, whatever the robot answers', async () => {
  const echo = JSON.stringify({ errcode: 310000, errmsg: `${robot.url} ${secret}` });
  robot.answers.push('reset', { status: 502, body: robot.url }, { status: 200, body: echo });
  await notifier.post(firing);
  await until(async () => (await notifier.list())[0]?.state === 'dead');
  await notifier.post(resolved);
  await until(() => titles().length === 1);
  const pages = await Promise.all(
    ['/api/notifications', '/metrics', '/readyz'].map(async (path) =>
      (await fetch(notifier.url + path)).text(),
    ),
  );
  await notifier.stop();
  const seen = [notifier.output(), ...pages].join('\n');
  expect(seen).toContain('DingTalk: errcode 310000, *** ***');
  for (const canary of [secret, robotToken, 'sign=']) expect(seen).not.toContain(canary);
});

test('invalid settings end it with one line each and no secret', async () => {
  const started = startNotifier({
    NOTIFIER_LOCALE: 'de',
    DINGTALK_URL: 'canary',
    NOTIFIER_PORT: 'x',
  });
  const error: unknown = await started.catch((reason: unknown) => reason);
  expect(String(error)).toMatch(/DINGTALK_URL: expected.*NOTIFIER_PORT: .*NOTIFIER_LOCALE: /s);
  expect(String(error)).not.toContain('canary');
});

test('a file that is not an outbox is named in the error', async () => {
  const path = newOutboxPath();
  const other = new DatabaseSync(path);
  other.exec('CREATE TABLE notifications (id)');
  other.close();
  await expect(startNotifier({ NOTIFIER_DB: path })).rejects.toThrow(
    /NOTIFIER_DB: cannot open .*notifier.db as an outbox: its version is 0, expected 1 to 5. Move the file away./,
  );
});
