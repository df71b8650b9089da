import { trace } from '@opentelemetry/api';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { createApp } from '../../../alerting/notifier/app.ts';
import type { AppDeps } from '../../../alerting/notifier/app.ts';
import { createIntake } from '../../../alerting/notifier/intake.ts';
import { parseMatchers } from '../../../alerting/notifier/routes.ts';
import type { Route } from '../../../alerting/notifier/routes.ts';
import { createGate } from '../../../src/kit/gate.ts';
import { createWatchdog } from '../../../alerting/notifier/watch/watchdog.ts';
import { createAlert, createWebhook } from '../../support/alerting/alertmanager-webhook.ts';
import { createOutbox, english } from '../../support/alerting/notifier-parts.ts';

const firing = createWebhook([createAlert()]);

interface Options extends Omit<Partial<AppDeps>, 'channels' | 'routes'> {
  channels?: string[];
  routes?: Route[];
}

function startApp({ channels = ['robot', 'inbox'], routes = [], ...options }: Options = {}) {
  const { outbox = createOutbox(), now = Date.now } = options;
  const woken: string[] = [];
  const tracer = trace.getTracer('test');
  const onAccepted = (accepted: readonly string[]): void => void woken.push(...accepted);
  const intakeOptions = { outbox, routes, channels, tracer, onAccepted, now };
  const intake = createIntake(intakeOptions);
  const { marks } = outbox;
  const app = createApp({
    gate: createGate({ names: ['notifier'], setting: 'NOTIFIER_PUBLIC_HOST' }),
    outbox,
    intake,
    watchdog: createWatchdog({
      marks,
      intake,
      silenceSeconds: 300,
      runbookUrl: '',
      now,
      elapsed: now,
    }),
    token: undefined,
    message: english,
    channels: channels.map((name) => ({ name })),
    routes,
    test: {
      warnings: [],
      intakeOf: (channel) => createIntake({ ...intakeOptions, channels: [channel] }),
    },
    onResent: (channel) => void woken.push(channel),
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

test('a webhook creates a pending notification for every channel of its route', async () => {
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
    message: {
      title: '[critical] Requests are failing (HighErrorRate)',
      text: expect.stringContaining('12.3%'),
    },
  });
});

test('the same alerts in another order are a duplicate', async () => {
  const alerts = [createAlert(), createAlert({ fingerprint: 'c0ffee0000000002' })];
  const { post, list } = startApp();
  await post(createWebhook(alerts));
  expect((await post(createWebhook(alerts.toReversed()))).answer).toEqual({ status: 'duplicate' });
  expect((await list()).notifications).toHaveLength(2);
});

test('another state is news; a firing that was already told is not, whatever its start and its group', async () => {
  const { post } = startApp();
  await post(firing);
  const echoes = [
    createWebhook([createAlert({ startsAt: '2026-05-01T00:00:00Z' })]),
    createWebhook([createAlert()], '{}:{alertname="Other"}'),
  ];
  for (const echo of echoes) expect((await post(echo)).answer).toEqual({ status: 'duplicate' });
  const ended = createWebhook([createAlert({ status: 'resolved' })]);
  expect((await post(ended)).answer).toEqual({ status: 'accepted' });
});

test('the Watchdog is recorded and sent to no channel', async () => {
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

test('an alert for a path without a route goes to every channel', async () => {
  const { post, list } = startApp();
  expect((await post(firing, {}, 'typo')).status).toBe(200);
  expect((await list()).notifications).toHaveLength(2);
});

test('each channel gets the alerts that its routes match; an alert without a match goes to every channel', async () => {
  const route = (channel: string, ...match: string[]): Route => ({
    path: undefined,
    match: match.flatMap(parseMatchers),
    channels: [channel],
    continue: false,
  });
  const routes = [route('robot', 'severity="critical"'), route('inbox', 'severity=~"info|none"')];
  const named = (alertname: string, severity: string) =>
    createAlert({ labels: { alertname, severity }, annotations: {}, fingerprint: alertname });
  const { post, list } = startApp({ routes });
  await post(createWebhook([named('A', 'critical'), named('B', 'info'), named('C', 'warning')]));
  const { notifications } = await list();
  expect(notifications.map(({ channel, message }) => [channel, message])).toMatchObject([
    ['inbox', { title: '[warning] firing 2: B, C' }],
    ['robot', { title: '[critical] firing 2: A, C' }],
  ]);
});

test('a dead notification is listed by its state and can be resent', async () => {
  const { app, outbox, post, list, woken } = startApp({ channels: ['robot'] });
  await post(firing);
  const resend = (id: number) => app.request(`/api/notifications/${id}/resend`, { method: 'POST' });
  expect(await (await resend(1)).json()).toEqual({ error: 'state: expected dead, got pending.' });
  outbox.settle([1], { kind: 'dead', reason: 'refused', detail: 'no' }, Date.now(), 0);
  expect((await list('?state=pending')).notifications).toEqual([]);
  expect((await list('?state=dead')).notifications).toMatchObject([{ id: 1, state: 'dead' }]);
  expect(outbox.deadLetters()).toEqual(new Map([['robot', 1]]));
  woken.length = 0;
  expect((await resend(1)).status).toBe(202);
  expect(woken).toEqual(['robot']);
  expect((await list('?state=pending')).notifications).toHaveLength(1);
  expect((await resend(7)).status).toBe(404);
  expect((await app.request('/api/notifications?state=lost')).status).toBe(400);
});

test('a webhook cannot claim to come from the reconciliation', async () => {
  const { post, list } = startApp();
  await post({ ...firing, origin: 'missed' });
  expect(JSON.stringify(await list())).not.toContain('reconciliation');
});

test.each([
  ['text', 'alert!', 'version 4 (the body is not JSON)'],
  ['a list', '[]', 'Not a webhook payload of Alertmanager, version 4 (body: '],
  ['version 3', { ...firing, version: '3' }, '(version: '],
  ['an alert without a status', createWebhook([{} as never]), '(alerts.0.status: '],
])('%s is rejected with a reason', async (_, body, sentence) => {
  const { status, answer } = await startApp().post(body);
  expect(status).toBe(400);
  expect(answer['error']).toContain(sentence);
});

// Fault: the disk is full.
test('a full disk is answered with 503, and stored notifications stay', async () => {
  const { post, list } = startApp({ outbox: createOutbox({ maxBytes: 160 * 1024 }) });
  expect((await post(firing)).status).toBe(200);
  const huge = createAlert({ fingerprint: 'huge', annotations: { summary: 'x'.repeat(200_000) } });
  const { status, answer } = await post(createWebhook([huge]));
  expect({ status, answer }).toEqual({
    status: 503,
    answer: { error: 'Cannot store the alert. Check the disk, then send it again.' },
  });
  expect((await list()).notifications).toHaveLength(2);
  expect((await post(createWebhook([createAlert({ status: 'resolved' })]))).status).toBe(200);
});

test('without the token nothing is accepted and nothing is shown', async () => {
  const { app, post } = startApp({ token: 'secret' });
  expect(await post(firing)).toMatchObject({ status: 401 });
  expect(await post(firing, { authorization: 'Bearer wrong' })).toMatchObject({ status: 401 });
  const resend = await app.request('/api/notifications/1/resend', { method: 'POST' });
  expect(resend.status).toBe(401);
  expect((await app.request('/api/notifications')).status).toBe(401);
  expect(await post(firing, { authorization: 'Bearer secret' })).toMatchObject({ status: 200 });
});

test('a page cannot send alerts', async () => {
  const { post } = startApp();
  expect(await post(firing, { origin: 'http://evil.example' })).toMatchObject({ status: 403 });
});

test('the list is bounded and newest first', async () => {
  const { post, list } = startApp();
  for (const fingerprint of ['a', 'b', 'c'])
    await post(createWebhook([createAlert({ fingerprint })]));
  const ids = async (query: string) => (await list(query)).notifications.map(({ id }) => id);
  expect(await ids('')).toEqual([6, 5, 4, 3, 2, 1]);
  expect(await ids('?limit=2')).toEqual([6, 5]);
  expect(await ids('?limit=0')).toEqual([6, 5, 4, 3, 2, 1]);
  expect(await ids('?limit=nonsense')).toHaveLength(6);
});

test('old finished webhooks are deleted, pending and dead ones are kept', async () => {
  const outbox = createOutbox({ keep: 10 });
  const { post, list } = startApp({ outbox, channels: ['robot'] });
  const named = (fingerprint: string) => createWebhook([createAlert({ fingerprint })], fingerprint);
  const settle = (delivery: Parameters<typeof outbox.settle>[1]): void => {
    const [{ id } = { id: 0 }] = outbox.list(1);
    outbox.settle([id], delivery, Date.now(), 0);
  };
  await post(named('pending'));
  await post(named('dead'));
  settle({ kind: 'dead', reason: 'refused', detail: '' });
  for (let group = 3; group <= 50; group += 1) {
    await post(named(`alert ${group}`));
    settle({ kind: 'delivered' });
  }
  const ids = (await list('?limit=500')).notifications.map(({ id }) => id);
  expect(ids).toEqual([50, 49, 48, 47, 46, 45, 44, 43, 42, 41, 2, 1]);
});

test('runbooks are served, and no other files', async () => {
  const { app } = startApp();
  expect(await (await app.request('/runbooks/HighLatency')).text()).toContain('# HighLatency');
  expect(await (await app.request('/runbooks')).text()).toContain('/runbooks/HighLatency\n');
  expect((await app.request('/runbooks/Nothing')).status).toBe(404);
  expect((await app.request('/runbooks/..%2Frules')).status).toBe(404);
});

test('a browser gets a runbook as a page in the language of the message', async () => {
  const { app } = startApp();
  const chinese = await app.request('/runbooks/HighLatency?lang=zh');
  expect(chinese.headers.get('content-type')).toContain('text/html');
  const page = await chinese.text();
  expect(page).toContain('<strong>含义：</strong>');
  expect(page).not.toContain('Means:');
  const headers = { accept: 'text/html,*/*' };
  const english = await (await app.request('/runbooks/HighLatency', { headers })).text();
  expect(english).toContain('<strong>Means:</strong>');
  expect(english).not.toContain('含义');
});

test('while draining, /readyz fails and /healthz does not', async () => {
  const { app } = startApp({ draining: () => true });
  expect((await app.request('/readyz')).status).toBe(503);
  expect((await app.request('/healthz')).status).toBe(200);
});

test('without the token it answers under its own names only; a proxy may ask /healthz under any', async () => {
  const { app, post } = startApp();
  const get = async (path: string, host: string) =>
    (await app.request(path, { headers: { host } })).status;
  const paths = [
    '/api/notifications',
    '/runbooks',
    '/runbooks/QueueBacklog',
    '/readyz',
    '/metrics',
  ];
  for (const path of paths) {
    expect(await get(path, 'evil.example:8060')).toBe(403);
    expect(await get(path, '127.0.0.999')).toBe(400);
    for (const host of ['notifier:8060', 'localhost', '10.0.0.7']) {
      expect(await get(path, host)).toBe(200);
    }
  }
  expect(await get('/healthz', 'evil.example')).toBe(200);
  expect((await post(firing, { host: 'evil.example' })).status).toBe(403);
  const guarded = startApp({ token: 'secret' });
  const headers = { host: 'alerts.example', authorization: 'Bearer secret' };
  expect((await guarded.post(firing, headers)).status).toBe(200);
  expect((await guarded.post(firing, { ...headers, host: '127.0..1' })).status).toBe(400);
});
