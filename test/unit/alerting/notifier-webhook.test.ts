import { afterEach, beforeEach, expect, test } from 'vitest';
import { webhook } from '../../../alerting/notifier/channels/webhook/webhook.ts';
import { table } from '../../../alerting/notifier/channels/webhook/table.ts';
import { createCall, createChannel, createMessage } from '../../support/alerting/notifier-parts.ts';
import { startWebhookReceiver } from '../../support/alerting/webhook-receiver.ts';
import type { WebhookReceiver } from '../../support/alerting/webhook-receiver.ts';

let receiver: WebhookReceiver;
beforeEach(async () => {
  receiver = await startWebhookReceiver();
});
afterEach(() => receiver.close());

test('sends the message and its alerts, the token, and a key that every attempt shares', async () => {
  const channel = createChannel(webhook, { url: receiver.url, token: 'secret' });
  const delivery = await channel.deliver(createMessage(), createCall());
  await channel.deliver(createMessage(), createCall());
  expect(delivery).toEqual({ kind: 'delivered', detail: 'HTTP 200' });
  const [first, second] = receiver.received;
  expect(first).toMatchObject({
    key: 'llamascope-1',
    authorization: 'Bearer secret',
    body: {
      status: 'firing',
      title: '[critical] Requests are failing (HighErrorRate)',
      text: expect.stringContaining('12.3%'),
      alerts: [{ status: 'firing', labels: { alertname: 'HighErrorRate' } }],
    },
  });
  expect(second?.key).toBe(first?.key);
});

// Fault: the URL of a webhook is `http://user:pa%40ss@host/`.
test.each([
  ['pa%40ss', 'pa@ss'],
  ['100%', '100%'],
])('credentials in the URL become Basic authorization: %s', async (given, password) => {
  const url = receiver.url.replace('http://', `http://user:${given}@`);
  const channel = createChannel(webhook, { url });
  expect(await channel.deliver(createMessage(), createCall())).toMatchObject({ kind: 'delivered' });
  const expected = `Basic ${Buffer.from(`user:${password}`).toString('base64')}`;
  expect(receiver.received[0]?.authorization).toBe(expected);
});

test.each([
  [204, { kind: 'delivered' }],
  [400, { kind: 'dead', reason: 'refused' }],
  [404, { kind: 'retry', reason: 'server_error' }],
  [410, { kind: 'dead', reason: 'refused' }],
  [301, { kind: 'retry', reason: 'unexpected_answer' }],
  [422, { kind: 'dead', reason: 'refused', detail: 'HTTP 422' }],
  [429, { kind: 'retry', reason: 'rate_limited' }],
  [502, { kind: 'retry', reason: 'server_error' }],
])('the outcome of HTTP %i', async (status, expected) => {
  receiver.statuses.push(status);
  const channel = createChannel(webhook, { url: receiver.url });
  expect(await channel.deliver(createMessage(), createCall())).toMatchObject(expected);
});

// Fault: the receiver of a webhook is in a deployment (404), or gone (410). Result: retried; dead.
test.each(table.rows)(
  'HTTP $code is judged as the table says: $meaning',
  async ({ code, meaning }) => {
    // `fetch` itself repeats a 421 once.
    receiver.statuses.push(code, code);
    const channel = createChannel(webhook, { url: receiver.url });
    const { kind } = await channel.deliver(createMessage(), createCall());
    const kinds = { delivered: 'delivered', their_fault: 'retry', slow_down: 'retry' } as const;
    expect(kind).toBe(meaning in kinds ? kinds[meaning as keyof typeof kinds] : 'dead');
  },
);
