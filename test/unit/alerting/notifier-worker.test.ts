import { trace } from '@opentelemetry/api';
import { pino } from 'pino';
import { afterEach, expect, test, vi } from 'vitest';
import { dingtalk } from '../../../alerting/notifier/channels/dingtalk/dingtalk.ts';
import type { Clock } from '../../../alerting/notifier/clock.ts';
import type { Channel, Delivery, Rate } from '../../../alerting/notifier/channels/channel.ts';
import type { Due, Outbox } from '../../../alerting/notifier/outbox/outbox.ts';
import {
  backoffMillis,
  chooseNext,
  startWorker,
} from '../../../alerting/notifier/outbox/worker.ts';
import type { Worker, WorkerOptions } from '../../../alerting/notifier/outbox/worker.ts';
import { until } from '../../support/until.ts';
import { startDingTalkRobot } from '../../../alerting/notifier/channels/dingtalk/stand-in.ts';
import {
  addNotification,
  createChannel,
  createOutbox,
  createVirtualClock,
  english,
  virtualStart,
} from '../../support/alerting/notifier-parts.ts';

let running: Worker | undefined;
afterEach(() => running?.stop(0));

/** A worker whose channel gives these answers, then delivers; records every call. */
function run(
  outbox: Outbox,
  answers: (Delivery | Error)[],
  { channelRates = [], ...options }: Partial<WorkerOptions> & { channelRates?: Rate[] } = {},
): { sent: string[]; deliveries: Delivery[]; progress: (string | null)[] } {
  const sent: string[] = [];
  const deliveries: Delivery[] = [];
  const progress: (string | null)[] = [];
  const channel: Channel = {
    name: 'robot',
    rates: channelRates,
    deliver({ alerts }, call) {
      progress.push(call.progress);
      sent.push(alerts.map(({ labels }) => labels['alertname']).join(' '));
      const answer = answers.shift() ?? { kind: 'delivered' };
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    },
  };
  running = startWorker({
    channel,
    outbox,
    message: english,
    tracer: trace.getTracer('test'),
    onDelivery: ({ delivery }) => void deliveries.push(delivery),
    log: pino({ level: 'silent' }),
    clock: createVirtualClock(),
    random: () => 0,
    ...options,
  });
  return { sent, deliveries, progress };
}

const busy: Delivery = { kind: 'retry', reason: 'server_error', afterSeconds: 0, detail: 'busy' };
const isIdle = (outbox: Outbox) => () => outbox.oldestPendingAt() === undefined;

test('a resolved notification waits until its firing is delivered; another group does not', async () => {
  const outbox = createOutbox();
  addNotification(outbox, 'firing', { groupKey: 'group' });
  addNotification(outbox, 'resolved', { groupKey: 'group' });
  addNotification(outbox, 'other');
  const { sent } = run(outbox, [busy, busy]);
  await until(isIdle(outbox));
  expect(sent.indexOf('other')).toBeLessThan(sent.lastIndexOf('firing'));
  expect(sent.lastIndexOf('firing')).toBeLessThan(sent.indexOf('resolved'));
});

test('a dead firing does not block its resolved notification, and keeps the reason', async () => {
  const outbox = createOutbox();
  addNotification(outbox, 'firing', { groupKey: 'group' });
  addNotification(outbox, 'resolved', { groupKey: 'group' });
  const { sent } = run(outbox, [{ kind: 'dead', reason: 'refused', detail: 'sign not match' }]);
  await until(isIdle(outbox));
  expect(sent).toEqual(['firing', 'resolved']);
  expect(outbox.list(2)).toMatchObject([
    { state: 'delivered', lastReason: null },
    { state: 'dead', attempts: 1, lastReason: 'refused', lastDetail: 'sign not match' },
  ]);
});

test('the backoff doubles up to five minutes, with up to half of it as jitter', () => {
  const longest = [1, 2, 3, 9, 10, 99].map((attempts) => backoffMillis(attempts, () => 1));
  expect(longest).toEqual([1000, 2000, 4000, 256_000, 300_000, 300_000]);
  expect(backoffMillis(3, () => 0)).toBe(2000);
});

test.each<[string, Partial<Due>[], number, number[], boolean]>([
  ['nothing is due', [], 9, [], false],
  ['the rate has room for each', [{}, {}], 2, [1], false],
  ['the rate has no room for each: a new digest', [{}, {}], 1, [1, 2], true],
  ['a digest was begun', [{}, { digestId: 2 }, { digestId: 2 }], 9, [2, 3], false],
  ['the first one was in a refused digest', [{ isAlone: 1 }, {}, {}], 1, [1], false],
  ['a later one was in a refused digest', [{}, { isAlone: 1 }, {}], 1, [1, 3], true],
])('the next call when %s', (_, due, callsLeft, ids, isNewDigest) => {
  const all = due.map((one, index): Due => ({ id: index + 1, digestId: null, isAlone: 0, ...one }));
  expect(chooseNext(all, callsLeft)).toEqual({ ids, isNewDigest });
});

test('an exception in a channel is retried, and its message is not logged', async () => {
  const outbox = createOutbox();
  addNotification(outbox, 'firing');
  const { deliveries } = run(outbox, [new TypeError('canary-token')]);
  await until(isIdle(outbox));
  expect(deliveries.map(({ kind }) => kind)).toEqual(['retry', 'delivered']);
  expect(JSON.stringify(deliveries)).not.toContain('canary');
});

// Fault: a template of NOTIFIER_CONFIG fails.
test('a template that fails: the built-in text is sent, counted, and said once in the log', async () => {
  const outbox = createOutbox();
  for (const name of ['a', 'b']) addNotification(outbox, name);
  const lines: string[] = [];
  const titles: string[] = [];
  let failed = 0;
  run(outbox, [], {
    channel: {
      name: 'robot',
      texts: { title: '{{ typo }}' },
      deliver({ title }) {
        titles.push(title);
        return Promise.resolve({ kind: 'delivered' });
      },
    },
    onDelivery: ({ failures }) => void (failed += failures),
    log: pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) }),
  });
  await until(isIdle(outbox));
  expect(titles).toEqual([
    '[firing] Requests are failing (a)',
    '[firing] Requests are failing (b)',
  ]);
  expect(failed).toBe(2);
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain('undefined variable: typo, line:1, col:4; the built-in text was sent');
});

test('a mention that is refused for each message is said once in the log', async () => {
  const outbox = createOutbox();
  for (const name of ['a', 'b']) addNotification(outbox, name);
  const lines: string[] = [];
  const log = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) });
  const partial: Delivery = { kind: 'partial', progress: '0', notice: 'mention refused' };
  run(outbox, [partial, { kind: 'delivered' }, partial], { log });
  await until(isIdle(outbox));
  expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual([
    'mention refused',
  ]);
});

test('after three days of failures a notification is dead and still listed', async () => {
  const outbox = createOutbox();
  addNotification(outbox, 'firing');
  // An hour between attempts, so that three days take few of them.
  const answers = Array.from({ length: 99 }, () => ({ ...busy, afterSeconds: 3600 }));
  run(outbox, answers, { random: () => 0.999 });
  await until(isIdle(outbox));
  expect(outbox.list(1)).toMatchObject([
    { state: 'dead', lastReason: 'expired', lastDetail: 'busy' },
  ]);
});

test('notifications within the rate are sent one by one', async () => {
  const outbox = createOutbox();
  for (let index = 0; index < 18; index += 1) addNotification(outbox, `alert ${index}`);
  const { sent } = run(outbox, [], { channelRates: [{ count: 18, perSeconds: 60 }] });
  await until(isIdle(outbox));
  expect(sent).toEqual(Array.from({ length: 18 }, (_, index) => `alert ${index}`));
});

// Fault: 1,000 alerts in a minute, and a robot of 20 calls a minute. Alone: the robot is blocked for 10 minutes, again and again.
test('1,000 alerts in a minute reach a robot of 20 calls a minute, each once, and never exceed its rate', async () => {
  const time = createVirtualClock();
  const robot = await startDingTalkRobot('SECtest', { now: time.now });
  // In memory: a thousand transactions on a disk take most of a minute.
  const outbox = createOutbox({ path: ':memory:' });
  let raised = 0;
  const clock: Clock = {
    now: time.now,
    elapsed: time.elapsed,
    async sleep(millis, signal) {
      // While the worker sleeps, an alert arrives every 60 ms.
      await time.sleep(Math.min(millis, 60), signal);
      for (; raised < 1000 && raised * 60 <= time.now() - virtualStart; raised += 1) {
        addNotification(outbox, `alert-${raised}`, { now: time.now() });
      }
    },
  };
  const settings = { url: robot.url, secret: 'SECtest' };
  const channel = createChannel(dingtalk, settings, { now: time.now });
  const deliveries: Delivery[] = [];
  let lastAt = 0;
  const onDelivery: WorkerOptions['onDelivery'] = ({ delivery }) => {
    deliveries.push(delivery);
    lastAt = time.now();
  };
  run(outbox, [], { channel, clock, onDelivery });
  await until(() => raised === 1000 && isIdle(outbox)());
  expect(deliveries.filter(({ kind }) => kind === 'retry' || kind === 'dead')).toEqual([]);
  const text = robot.received.map((message) => message.text).join('\n');
  const names = [...text.matchAll(/^(?:### |- 🔥 ).*\(alert-(\d+)\)/gm)].map(([, name]) =>
    Number(name),
  );
  expect(names).toEqual(Array.from({ length: 1000 }, (_, index) => index));
  expect(robot.calls).toBe(robot.received.length);
  expect(lastAt - virtualStart).toBeLessThan(180_000);
  await robot.close();
});

// Fault: the notifier restarts while a digest waits.
test('after a restart a digest is retried with the same notifications', async () => {
  const outbox = createOutbox();
  for (const name of ['a', 'b', 'c']) addNotification(outbox, name);
  const rate = { channelRates: [{ count: 2, perSeconds: 60 }] };
  let calls = 0;
  const onDelivery = (): void => {
    calls += 1;
    if (calls === 1) void running?.stop(0);
  };
  const { sent: first } = run(outbox, [busy], { ...rate, onDelivery });
  await until(() => calls === 1);
  await running?.stop(0);
  addNotification(outbox, 'd');
  const { sent: second } = run(outbox, [], rate);
  await until(isIdle(outbox));
  expect(first).toEqual(['a b c']);
  expect(second.toSorted()).toEqual(['a b c', 'd']);
});

const refused: Delivery = { kind: 'dead', reason: 'refused', detail: 'sensitive words' };
const unknown: Delivery = { ...busy, detail: 'code 4711', isRefusal: true };

/** A channel that answers with `answer` to every message that contains the alert `bad`. */
function runWithCulprit(outbox: Outbox, count: number, answer: Delivery) {
  for (let index = 0; index < count; index += 1) {
    addNotification(outbox, index === 5 ? 'bad' : `alert ${index}`);
  }
  const sent: string[] = [];
  const dead: string[] = [];
  const channel: Channel = {
    name: 'robot',
    rates: [{ count: 2, perSeconds: 60 }],
    deliver({ alerts }) {
      const names = alerts.map(({ labels }) => labels['alertname'] ?? '');
      if (names.includes('bad')) return Promise.resolve(answer);
      sent.push(...names);
      return Promise.resolve({ kind: 'delivered' });
    },
  };
  const calls: number[] = [];
  const onDelivery: WorkerOptions['onDelivery'] = ({ delivery, notifications }) =>
    void calls.push(delivery.kind === 'dead' ? notifications.length : 0);
  run(outbox, [], { channel, onDelivery, onDead: (_, detail) => void dead.push(detail) });
  return { sent, dead, calls };
}

// Fault: one of 83 alerts in a digest is refused, or answered three times with an unknown code. Result: the digest is halved until the culprit is alone; 82 arrive.
test.each([
  ['refused', refused, 20],
  ['answered three times with an unknown code', unknown, 45],
])('a digest of 83 that is %s is halved until the culprit is alone', async (_, answer, most) => {
  const outbox = createOutbox();
  const { sent, dead, calls } = runWithCulprit(outbox, 83, answer);
  await until(isIdle(outbox));
  expect(new Set(sent).size).toBe(82);
  expect(sent).toHaveLength(82);
  const [letter, ...others] = outbox.list(99, 'dead');
  expect(letter?.payload.alerts[0]?.labels).toEqual({ alertname: 'bad' });
  expect(others).toEqual([]);
  expect(dead).toHaveLength(1);
  expect(calls.reduce((sum, count) => sum + count)).toBe(1);
  expect(calls.length).toBeLessThan(most);
});

// Fault: a receiver is being deployed: for a minute some of its calls are answered 404.
test('an error that passes within two minutes does not kill a notification, although others arrive', async () => {
  const outbox = createOutbox();
  for (const name of ['a', 'b']) addNotification(outbox, name);
  const clock = createVirtualClock();
  const channel: Channel = {
    name: 'robot',
    deliver({ alerts }) {
      const isDeployed = clock.now() >= virtualStart + 90_000;
      const isRefused = alerts[0]?.labels['alertname'] === 'a' && !isDeployed;
      return Promise.resolve(isRefused ? unknown : { kind: 'delivered' });
    },
  };
  run(outbox, [], { channel, clock });
  await until(isIdle(outbox));
  expect(outbox.list(9).map(({ state }) => state)).toEqual(['delivered', 'delivered']);
});

// Fault: the robot refuses every message with an unknown code.
test('an unknown code for every content is the vendor’s fault: nothing is dead', async () => {
  const outbox = createOutbox();
  for (const name of ['a', 'b']) addNotification(outbox, name);
  const { deliveries } = run(
    outbox,
    Array.from({ length: 30 }, () => unknown),
  );
  await until(isIdle(outbox));
  expect(deliveries.filter(({ kind }) => kind === 'dead')).toEqual([]);
  expect(deliveries.filter(({ kind }) => kind === 'delivered')).toHaveLength(2);
});

test('a long message continues with its next part after a failure', async () => {
  const outbox = createOutbox();
  addNotification(outbox, 'long');
  const { progress } = run(outbox, [
    { kind: 'partial', progress: '1' },
    busy,
    { kind: 'partial', progress: '2' },
  ]);
  await until(isIdle(outbox));
  expect(progress).toEqual([null, '1', '1', '2']);
  expect(outbox.list(1)).toMatchObject([{ state: 'delivered', attempts: 2 }]);
});

test('after a restart the calls of the last minute still count', async () => {
  const clock = createVirtualClock();
  const robot = await startDingTalkRobot('SECtest', { now: clock.now });
  const outbox = createOutbox();
  const settings = { url: robot.url, secret: 'SECtest' };
  const channel = createChannel(dingtalk, settings, { now: clock.now });
  let delivered = 0;
  // Stopped at its last delivery: the virtual clock would let the minute pass while an idle worker sleeps.
  const onDelivery: WorkerOptions['onDelivery'] = ({ notifications }) => {
    delivered += notifications.length;
    if (delivered % 15 === 0) void running?.stop(0);
  };
  for (let life = 1; life <= 3; life += 1) {
    for (let index = 0; index < 15; index += 1) addNotification(outbox, `alert ${life}.${index}`);
    run(outbox, [], { channel, clock, onDelivery });
    await until(() => delivered === 15 * life);
    await running?.stop(0);
  }
  expect(robot.received.map(({ title }) => title).slice(14)).toEqual([
    '[firing] Requests are failing (alert 1.14)',
    '[firing] firing 15: Requests are failing',
    '[firing] firing 15: Requests are failing',
  ]);
  await robot.close();
});

// Fault: the notifier restarts while a robot is blocked.
test('after a restart a blocked robot stays blocked', async () => {
  const clock = createVirtualClock();
  const outbox = createOutbox();
  addNotification(outbox, 'first');
  const limited = { kind: 'retry', reason: 'rate_limited', afterSeconds: 600, detail: '' } as const;
  run(outbox, [limited], { clock, onDelivery: () => void running?.stop(0) });
  await until(() => outbox.calls.blockedFor('robot', clock.now()) > 0);
  await running?.stop(0);
  const blockedAt = clock.now();
  addNotification(outbox, 'second');
  let calledAt = 0;
  run(outbox, [], { clock, onDelivery: () => void (calledAt ||= clock.now()) });
  await until(isIdle(outbox));
  expect(calledAt - blockedAt).toBeGreaterThanOrEqual(600_000);
});

test('a blocked robot is not called for ten minutes, whatever is due', async () => {
  const clock = createVirtualClock();
  const robot = await startDingTalkRobot('SECtest', { now: clock.now, perMinute: 2 });
  const outbox = createOutbox();
  for (let index = 0; index < 5; index += 1) addNotification(outbox, `alert ${index}`);
  const settings = { url: robot.url, secret: 'SECtest' };
  const channel = createChannel(dingtalk, settings, { now: clock.now });
  // This robot allows less than its vendor documents.
  const { deliveries } = run(outbox, [], { channel, clock });
  await until(isIdle(outbox));
  expect(robot.received.map(({ title }) => title)).toEqual([
    '[firing] Requests are failing (alert 0)',
    '[firing] Requests are failing (alert 1)',
    '[firing] Requests are failing (alert 2)',
    '[firing] Requests are failing (alert 3)',
    '[firing] Requests are failing (alert 4)',
  ]);
  expect(deliveries.filter(({ kind }) => kind === 'retry')).toHaveLength(robot.calls - 5);
  expect(robot.calls).toBeLessThanOrEqual(7);
  await robot.close();
});

// Fault: the disk is full when the block of a robot is stored.
test('a write that fails after an attempt does not count the attempt again', async () => {
  const outbox = createOutbox();
  vi.spyOn(outbox.calls, 'block').mockImplementationOnce(() => {
    throw new Error('database or disk is full');
  });
  addNotification(outbox, 'firing');
  run(outbox, [{ ...busy, reason: 'rate_limited' }]);
  await until(isIdle(outbox));
  expect(outbox.list(1)).toMatchObject([{ state: 'delivered', attempts: 2 }]);
});
