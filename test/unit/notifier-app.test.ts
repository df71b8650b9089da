import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { createApp } from '../../alerting/notifier/app.ts';
import type { AppDeps } from '../../alerting/notifier/app.ts';
import { renderMessage } from '../../alerting/notifier/message.ts';
import { openOutbox } from '../../alerting/notifier/outbox.ts';
import { parseWebhook } from '../../alerting/notifier/webhook.ts';
import { createAlert, createWebhook } from '../support/alertmanager-webhook.ts';

const firing = createWebhook([createAlert()]);

function startApp(options: Partial<AppDeps> = {}) {
  const path = join(mkdtempSync(join(tmpdir(), 'notifier-app-')), 'notifier.db');
  const outbox = options.outbox ?? openOutbox({ path });
  const woken: string[] = [];
  const app = createApp({
    outbox,
    routes: new Map([['default', ['robot', 'inbox']]]),
    token: undefined,
    render(payload) {
      const parsed = parseWebhook(payload);
      if (parsed.kind === 'refused') throw new Error(parsed.sentence);
      return renderMessage(parsed.payload, { locale: 'en', timeZone: 'UTC' });
    },
    onAccepted: (channels) => void woken.push(...channels),
    telemetry: { scrape: () => Promise.resolve({ status: 200, headers: {}, body: 'scraped' }) },
    log: pino({ level: 'silent' }),
    draining: () => false,
    ...options,
  });
  const post = async (body: unknown, headers: Record<string, string> = {}, route = 'default') => {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const response = await app.request(`/alerts/${route}`, { method: 'POST', body: text, headers });
    return { status: response.status, answer: (await response.json()) as Record<string, string> };
  };
  const list = async (query = '') => {
    const response = await app.request(`/api/notifications${query}`);
    return (await response.json()) as {
      watchdog: { lastSeenAt: string | null };
      notifications: Record<string, unknown>[];
    };
  };
  return { app, outbox, woken, post, list };
}

test('an accepted webhook is owed to every channel of its route', async () => {
  const { post, list, woken } = startApp({ now: () => Date.UTC(2026, 3, 26) });
  expect(await post(firing)).toEqual({ status: 200, answer: { status: 'accepted' } });
  expect(woken).toEqual(['robot', 'inbox']);
  const { notifications } = await list();
  expect(notifications.map(({ channel }) => channel)).toEqual(['inbox', 'robot']);
  expect(notifications[0]).toMatchObject({
    route: 'default',
    state: 'pending',
    attempts: 0,
    receivedAt: '2026-04-26T00:00:00.000Z',
    finishedAt: null,
    message: { title: '🔥 Firing: HighErrorRate', text: expect.stringContaining('12.3%') },
  });
});

test('the same alerts in another order are the same news', async () => {
  const alerts = [createAlert(), createAlert({ fingerprint: 'c0ffee0000000002' })];
  const { post, list } = startApp();
  await post(createWebhook(alerts));
  expect((await post(createWebhook(alerts.toReversed()))).answer).toEqual({ status: 'duplicate' });
  expect((await list()).notifications).toHaveLength(2);
});

test.each([
  ['another state', createWebhook([createAlert({ status: 'resolved' })])],
  ['another start', createWebhook([createAlert({ startsAt: '2026-05-01T00:00:00Z' })])],
  ['another group', createWebhook([createAlert()], '{}:{alertname="Other"}')],
])('%s is other news', async (_, other) => {
  const { post } = startApp();
  await post(firing);
  expect((await post(other)).answer).toEqual({ status: 'accepted' });
});

test('what comes again hours later is Alertmanager’s reminder', async () => {
  let now = Date.UTC(2026, 3, 26);
  const { post } = startApp({ now: () => now });
  await post(firing);
  now += 4 * 3600 * 1000;
  expect((await post(firing)).answer).toEqual({ status: 'accepted' });
});

test('the watchdog is noted and wakes nobody', async () => {
  const watchdog = createAlert({ labels: { alertname: 'Watchdog', severity: 'none' } });
  const { post, list, woken } = startApp({ now: () => Date.UTC(2026, 3, 26) });
  expect((await list()).watchdog).toEqual({ lastSeenAt: null });
  expect((await post(createWebhook([watchdog]))).status).toBe(200);
  expect(woken).toEqual([]);
  expect(await list()).toEqual({
    watchdog: { lastSeenAt: '2026-04-26T00:00:00.000Z' },
    notifications: [],
  });
});

test('an alert for a route that nobody configured takes the default way', async () => {
  const { post, list } = startApp();
  expect((await post(firing, {}, 'typo')).status).toBe(200);
  expect((await list()).notifications).toHaveLength(2);
});

test.each([
  ['no JSON', 'alert!', 'body: expected JSON webhook payload'],
  ['a list', '[]', "body: expected Alertmanager's webhook payload, version 4"],
  ['version 3', { ...firing, version: '3' }, 'version: expected Alertmanager'],
  ['an alert without a start', createWebhook([{} as never]), 'alerts.0.status: expected'],
])('%s is refused with a sentence', async (_, body, sentence) => {
  const { status, answer } = await startApp().post(body);
  expect(status).toBe(400);
  expect(answer['error']).toContain(sentence);
});

test('a full disk is 503, and what was there before stays', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'notifier-app-')), 'notifier.db');
  const { post, list } = startApp({ outbox: openOutbox({ path, maxBytes: 128 * 1024 }) });
  expect((await post(firing)).status).toBe(200);
  const huge = createAlert({ fingerprint: 'huge', annotations: { summary: 'x'.repeat(200_000) } });
  const { status, answer } = await post(createWebhook([huge]));
  expect({ status, answer }).toEqual({
    status: 503,
    answer: { error: 'The alert cannot be persisted now. Free the disk; send it again.' },
  });
  expect((await list()).notifications).toHaveLength(2);
  expect((await post(createWebhook([createAlert({ status: 'resolved' })]))).status).toBe(200);
});

test('without the token nothing is taken and nothing shown', async () => {
  const { app, post } = startApp({ token: 'hush' });
  expect(await post(firing)).toMatchObject({ status: 401 });
  expect(await post(firing, { authorization: 'Bearer wrong' })).toMatchObject({ status: 401 });
  expect((await app.request('/api/notifications')).status).toBe(401);
  expect(await post(firing, { authorization: 'Bearer hush' })).toMatchObject({ status: 200 });
});

test('a page cannot send alerts', async () => {
  const { post } = startApp();
  expect(await post(firing, { origin: 'http://evil.example' })).toMatchObject({ status: 403 });
});

test('the list is bounded and newest first', async () => {
  const { post, list } = startApp();
  for (const group of ['a', 'b', 'c']) await post(createWebhook([createAlert()], group));
  const ids = async (query: string) => (await list(query)).notifications.map(({ id }) => id);
  expect(await ids('')).toEqual([6, 5, 4, 3, 2, 1]);
  expect(await ids('?limit=2')).toEqual([6, 5]);
  expect(await ids('?limit=0')).toEqual([6, 5, 4, 3, 2, 1]);
  expect(await ids('?limit=nonsense')).toHaveLength(6);
});

test('old finished webhooks are forgotten, pending ones never', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'notifier-app-')), 'notifier.db');
  const outbox = openOutbox({ path, keep: 2 });
  const { post, list } = startApp({ outbox, routes: new Map([['default', ['robot']]]) });
  await post(createWebhook([createAlert()], 'pending'));
  for (const group of ['a', 'b', 'c', 'd']) {
    await post(createWebhook([createAlert()], group));
    const [{ id } = { id: 0 }] = outbox.list(1);
    outbox.settle(id, { kind: 'delivered' }, Date.now(), 0);
  }
  const { notifications } = await list();
  expect(notifications.map(({ id, state }) => [id, state])).toEqual([
    [5, 'delivered'],
    [4, 'delivered'],
    [1, 'pending'],
  ]);
});

test('runbook pages are served, and only those', async () => {
  const { app } = startApp();
  expect(await (await app.request('/runbooks/HighLatency')).text()).toContain('# HighLatency');
  expect((await app.request('/runbooks/Nothing')).status).toBe(404);
  expect((await app.request('/runbooks/..%2Frules')).status).toBe(404);
});

test('a draining notifier is not ready but alive', async () => {
  const { app } = startApp({ draining: () => true });
  expect((await app.request('/readyz')).status).toBe(503);
  expect((await app.request('/healthz')).status).toBe(200);
});
