/** `make notify-test` against the notifier's routes, with a worker for each channel. */
import { trace } from '@opentelemetry/api';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { createApp } from '../../../alerting/notifier/app.ts';
import { inbox } from '../../../alerting/notifier/channels/inbox/inbox.ts';
import { webhook } from '../../../alerting/notifier/channels/webhook/webhook.ts';
import type { Channel, Delivery } from '../../../alerting/notifier/channels/channel.ts';
import { createIntake } from '../../../alerting/notifier/intake.ts';
import { sendTest } from '../../../alerting/notifier/notify-test.ts';
import { createGate } from '../../../src/kit/gate.ts';
import { startWorker } from '../../../alerting/notifier/outbox/worker.ts';
import { createChannel, createOutbox, english } from '../../support/alerting/notifier-parts.ts';
import { freePort } from '../../support/free-ports.ts';

const url = 'http://notifier';

/** A notifier with these channels, and the terminal of `make notify-test`. */
function startNotifier(
  channels: readonly Channel[],
  { token, warnings = [] }: { token?: string; warnings?: string[] } = {},
) {
  const outbox = createOutbox();
  const tracer = trace.getTracer('test');
  const log = pino({ level: 'silent' });
  const workers = new Map(
    channels.map((channel) => [
      channel.name,
      startWorker({ channel, outbox, message: english, tracer, onDelivery() {}, log }),
    ]),
  );
  onTestFinished(() =>
    Promise.all([...workers.values()].map((worker) => worker.stop(0))).then(() => {}),
  );
  const options = {
    outbox,
    routes: [],
    channels: channels.map(({ name }) => name),
    tracer,
    onAccepted: (names: readonly string[]) => names.forEach((name) => workers.get(name)?.wake()),
    now: Date.now,
  };
  const app = createApp({
    gate: createGate({ names: ['notifier'], setting: 'NOTIFIER_PUBLIC_HOST' }),
    outbox,
    intake: createIntake(options),
    channels,
    routes: [],
    test: {
      warnings,
      intakeOf: (channel) => createIntake({ ...options, channels: [channel] }),
    },
    watchdog: { received() {}, lastSeenAt: () => undefined },
    token,
    message: english,
    onResent() {},
    telemetry: { scrape: () => Promise.resolve({ status: 200, headers: {}, body: '' }) },
    log,
    draining: () => false,
  });
  return {
    outbox,
    notifyTest: async (
      channel?: string,
      { given = token, template }: { given?: string | undefined; template?: string } = {},
    ) => {
      const said: string[] = [];
      const code = await sendTest({
        url,
        token: given,
        channel,
        template,
        say: ({ en }) => void said.push(en),
        request: (to, init) => app.request(to.slice(url.length), init),
      });
      return {
        code,
        said: said
          .join('\n')
          .replaceAll(/\d+ ms/g, '9 ms')
          .replace(/Started: .*/, 'Started: now'),
      };
    },
  };
}

function answering(name: string, delivery: Delivery): Channel & { received: string[] } {
  const received: string[] = [];
  return {
    name,
    received,
    deliver(message) {
      received.push(message.title);
      return Promise.resolve(delivery);
    },
  };
}

/** The test message as markdown; its time varies. */
const shown = `
### [info] Test message: nothing is wrong (NotifierTest)

Started: now

If you can read this, you will receive alerts here.

Sent by the notifier itself`;

test('goes through the outbox of the running notifier to one channel, and is listed', async () => {
  const dingtalk = answering('dingtalk', { kind: 'delivered' });
  const wecom = answering('wecom', { kind: 'delivered' });
  const { notifyTest, outbox } = startNotifier([dingtalk, wecom]);
  expect(await notifyTest('wecom')).toEqual({
    code: 0,
    said: `wecom: delivered in 9 ms (notification 1).\n${shown}`,
  });
  expect([dingtalk.received.length, wecom.received.length]).toEqual([0, 1]);
  expect(outbox.list(10)).toMatchObject([{ channel: 'wecom', route: 'test', state: 'delivered' }]);
  // A second test is not a duplicate of the first.
  expect((await notifyTest('wecom')).code).toBe(0);
});

test('the inbox is not "delivered"', async () => {
  const { notifyTest } = startNotifier([createChannel(inbox, {})]);
  const { code, said } = await notifyTest();
  expect(said).toBe(
    `robot: stored, nobody was notified: no robot or mail server is configured. It is listed at http://notifier/api/notifications.\n${shown}`,
  );
  expect(code).toBe(0);
});

test.each<[Delivery, string]>([
  [
    { kind: 'dead', reason: 'refused', detail: 'DingTalk: errcode 310000' },
    `dingtalk: not delivered (refused, DingTalk: errcode 310000).\n${shown}`,
  ],
  [
    { kind: 'retry', reason: 'network', afterSeconds: 60, detail: 'ECONNREFUSED' },
    `dingtalk: not delivered yet (network, ECONNREFUSED). The notifier tries again; see http://notifier/api/notifications.\n${shown}`,
  ],
])('a channel that answers %j: exit code 1', async (delivery, said) => {
  const { notifyTest } = startNotifier([answering('dingtalk', delivery)]);
  expect(await notifyTest('dingtalk')).toEqual({ code: 1, said });
});

test.each([
  [undefined, 'none'],
  ['feishu', '"feishu"'],
])('the channel %s of two others: exit code 2 and their names', async (channel, got) => {
  const two = ['dingtalk', 'wecom'].map((name) => answering(name, { kind: 'delivered' }));
  const { notifyTest, outbox } = startNotifier(two);
  expect(await notifyTest(channel)).toEqual({
    code: 2,
    said: `CHANNEL: expected one of dingtalk, wecom, got ${got}. How to configure a channel: alerting/notifier/README.md`,
  });
  expect(outbox.list(10)).toEqual([]);
});

test('without the token: exit code 1 and what is expected', async () => {
  const { notifyTest } = startNotifier([createChannel(inbox, {})], { token: 'secret' });
  const { code, said } = await notifyTest(undefined, { given: 'canary' });
  expect(said).toMatch(/^Not sent: .*authorization: expected "Bearer <NOTIFIER_TOKEN>"/);
  expect(said).not.toContain('canary');
  expect(code).toBe(1);
  expect((await notifyTest()).code).toBe(0);
});

// Fault: `make notify-test` while no notifier runs.
test('with the stack down nothing is "delivered"', async () => {
  const said: string[] = [];
  const down = `http://127.0.0.1:${await freePort()}`;
  expect(await sendTest({ url: down, say: ({ en }) => void said.push(en) })).toBe(1);
  expect(said).toEqual([
    `Not sent: no notifier answers at ${down} (ECONNREFUSED). Start it with \`make up\`.`,
  ]);
});

test('TEMPLATE renders the message, and sends nothing; a wrong one is an error', async () => {
  const dingtalk = answering('dingtalk', { kind: 'delivered' });
  const { notifyTest, outbox } = startNotifier([dingtalk], {
    warnings: ['links point to 127.0.0.1'],
  });
  const template = '{{ alerts[0].name }}: {{ severity }}';
  expect(await notifyTest('dingtalk', { template })).toEqual({
    code: 0,
    said: `dingtalk: rendered, not sent.

### [info] Test message: nothing is wrong (NotifierTest)

NotifierTest: info

Warning: links point to 127.0.0.1`,
  });
  for (const [wrong, reason] of [
    ['{{ typo }}', 'undefined variable: typo, line:1, col:4'],
    ['{{ title', 'output "{{ title" not closed, line:1, col:1'],
  ]) {
    const { code, said } = await notifyTest('dingtalk', { template: wrong ?? '' });
    expect(said).toContain(reason);
    expect(code).toBe(1);
  }
  expect(outbox.list(9)).toEqual([]);
  expect(dingtalk.received).toEqual([]);
});

test('TEMPLATE for a webhook gives its JSON', async () => {
  const { notifyTest } = startNotifier([createChannel(webhook, { url: 'http://127.0.0.1:1/' })]);
  const template = '{"text": {{ title | json }}}';
  const { said } = await notifyTest('robot', { template });
  expect(said).toContain('"text": "[info] Test message: nothing is wrong (NotifierTest)"');
  expect((await notifyTest('robot', { template: 'no JSON {{ title }}' })).code).toBe(1);
});
