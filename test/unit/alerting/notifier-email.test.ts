import { afterEach, beforeEach, expect, test } from 'vitest';
import { email } from '../../../alerting/notifier/channels/email/email.ts';
import type {
  CallOptions,
  Channel,
  Delivery,
} from '../../../alerting/notifier/channels/channel.ts';
import { createAlert } from '../../support/alerting/alertmanager-webhook.ts';
import { createCall, createChannel, createMessage } from '../../support/alerting/notifier-parts.ts';
import { startGreeter, startMailServer } from '../../support/alerting/smtp.ts';
import type { MailServer } from '../../support/alerting/smtp.ts';

const [ada, bob, eve] = ['ada@example.com', 'bob@example.com', 'eve@example.com'];

let server: MailServer;
const channels: Channel[] = [];
beforeEach(async () => {
  server = await startMailServer();
});
afterEach(async () => {
  for (const channel of channels.splice(0)) channel.close?.();
  await server.close();
});

function create(url = `smtp://127.0.0.1:${server.port}`, options: CallOptions = {}): Channel {
  const settings = { url, from: 'llamascope <alerts@example.com>', to: [ada, bob, eve] };
  const channel = createChannel(email, settings, options);
  channels.push(channel);
  return channel;
}

const recipients = (): string[][] => server.received.map((mail) => mail.recipients);
const deliver = (channel: Channel, progress: string | null = null): Promise<Delivery> =>
  channel.deliver(createMessage(), createCall({ progress }));

test('an email has a subject, text, HTML, and a Message-ID that every attempt shares', async () => {
  const channel = create();
  expect(await deliver(channel)).toMatchObject({ kind: 'delivered' });
  await deliver(channel);
  const [first, second] = server.received.map(({ mail }) => mail);
  expect(first?.subject).toBe('[critical] Requests are failing (HighErrorRate)');
  expect(first?.text).toContain('Started: 2026-04-26 03:21:41 (UTC)');
  expect(first?.text).toContain('Runbook http://127.0.0.1:8060/runbooks/HighErrorRate');
  expect(first?.html).toContain(
    '<a href="http://127.0.0.1:8060/runbooks/HighErrorRate?lang=en">Runbook</a>',
  );
  expect(first?.messageId).toBe('<llamascope-1@example.com>');
  expect(second?.messageId).toBe(first?.messageId);
  expect(server.connections).toBe(1);
});

test('text of an alert is escaped in the HTML', async () => {
  const alert = createAlert({ annotations: { summary: '<script>alert(1)</script>' } });
  await create().deliver(createMessage([alert]), createCall());
  expect(server.received[0]?.mail.html).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
});

test('a recipient that is rejected temporarily is retried alone', async () => {
  server.recipientErrors.set(bob, [450]);
  const channel = create();
  const first = await deliver(channel);
  expect(first).toMatchObject({
    kind: 'retry',
    reason: 'server_error',
    detail: 'SMTP: bob@example.com: 450 no',
  });
  expect(await deliver(channel, 'progress' in first ? first.progress : null)).toMatchObject({
    kind: 'delivered',
  });
  expect(recipients()).toEqual([[ada, eve], [bob]]);
});

test('a refused recipient makes the notification dead; a resend goes to that recipient alone', async () => {
  server.recipientErrors.set(eve, [550]);
  const channel = create();
  const first = await deliver(channel);
  expect(first).toMatchObject({
    kind: 'dead',
    reason: 'refused',
    detail: 'SMTP: not delivered to eve@example.com: 550 no',
  });
  expect(await deliver(channel, 'progress' in first ? first.progress : null)).toMatchObject({
    kind: 'delivered',
  });
  expect(recipients()).toEqual([[ada, bob], [eve]]);
});

// Fault: a mail server refuses one recipient, and one for now.
test('one recipient rejected temporarily and one refused: a retry for the first, then dead for the second', async () => {
  server.recipientErrors.set(bob, [451]).set(eve, [550]);
  const channel = create();
  const first = await deliver(channel);
  expect(first).toMatchObject({ kind: 'retry', detail: 'SMTP: bob@example.com: 451 no' });
  const second = await deliver(channel, 'progress' in first ? first.progress : null);
  expect(second).toMatchObject({
    kind: 'dead',
    detail: 'SMTP: not delivered to eve@example.com: refused at an earlier attempt',
  });
  expect(recipients()).toEqual([[ada], [bob]]);
});

test.each([
  [450, 'retry'],
  [550, 'dead'],
])('all recipients answered %i: %s', async (code, kind) => {
  for (const recipient of [ada, bob, eve]) server.recipientErrors.set(recipient, [code]);
  expect(await deliver(create())).toMatchObject({ kind });
  expect(server.received).toEqual([]);
});

test.each([
  [451, { kind: 'retry', reason: 'server_error', detail: 'SMTP: 451 not now' }],
  [552, { kind: 'dead', reason: 'refused', detail: 'SMTP: 552 not now' }],
])('%i at DATA', async (code, expected) => {
  server.dataErrors.push(code);
  expect(await deliver(create())).toMatchObject(expected);
});

test.each([
  ['a greeting of 421', '421 try later\r\n', { reason: 'server_error' }],
  ['a greeting that is not SMTP', 'HTTP/1.1 400\r\n\r\n', { reason: 'unexpected_answer' }],
  ['a hang', undefined, { reason: 'timeout' }],
])('%s is retried', async (_, greeting, expected) => {
  const greeter = await startGreeter(greeting);
  const channel = create(`smtp://127.0.0.1:${greeter.port}`, { timeoutSeconds: 0.3 });
  expect(await deliver(channel)).toMatchObject({ kind: 'retry', ...expected });
  await greeter.close();
});

test('a refused connection is retried', async () => {
  const delivery = await deliver(create('smtp://127.0.0.1:9'));
  expect(delivery).toMatchObject({ kind: 'retry', reason: 'network' });
});

test('stopping the notifier ends a call that hangs', async () => {
  const greeter = await startGreeter(undefined);
  const stop = new AbortController();
  const channel = create(`smtp://127.0.0.1:${greeter.port}`);
  const delivery = channel.deliver(createMessage(), createCall({ signal: stop.signal }));
  stop.abort();
  expect(await delivery).toMatchObject({ kind: 'retry', reason: 'network' });
  await greeter.close();
});

test('a refused password makes the notification dead and is not in the detail', async () => {
  const strict = await startMailServer({
    authOptional: false,
    allowInsecureAuth: true,
    onAuth: ({ password }, _, callback) =>
      callback(Object.assign(new Error(`no ${password}`), { responseCode: 535 })),
  });
  const url = `smtp://ada:canary-password@127.0.0.1:${strict.port}`;
  const delivery = await deliver(create(url));
  expect(delivery).toMatchObject({ kind: 'dead', reason: 'refused' });
  expect(JSON.stringify(delivery)).not.toContain('canary');
  await strict.close();
});

// Fault: a mail server has a self-signed certificate.
test('an untrusted TLS certificate is retried, not delivered', async () => {
  const secure = await startMailServer({ secure: true });
  const url = `smtps://127.0.0.1:${secure.port}`;
  expect(await deliver(create(url))).toMatchObject({
    kind: 'retry',
    reason: 'network',
    detail: expect.stringMatching(/^SMTP: certificate refused: .*NODE_EXTRA_CA_CERTS/),
  });
  expect(secure.received).toEqual([]);
  const optional = create(`${url}?tls=optional`);
  expect(await deliver(optional)).toMatchObject({ kind: 'delivered' });
  // The server waits for the pooled connection, which stays open for 30 s.
  optional.close?.();
  await secure.close();
});
