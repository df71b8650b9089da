import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { pino } from 'pino';
import { afterEach, expect, test } from 'vitest';
import { createDingTalk } from '../../alerting/notifier/channels/dingtalk.ts';
import type { Clock } from '../../alerting/notifier/clock.ts';
import type { Channel, Delivery } from '../../alerting/notifier/delivery.ts';
import { openOutbox } from '../../alerting/notifier/outbox.ts';
import type { Outbox } from '../../alerting/notifier/outbox.ts';
import { backoffMillis, startWorker } from '../../alerting/notifier/worker.ts';
import type { Worker, WorkerOptions } from '../../alerting/notifier/worker.ts';
import { until } from '../support/chat-service.ts';
import { startDingTalkRobot } from '../support/dingtalk.ts';

const start = Date.UTC(2026, 3, 26);

/** Time passes only while a worker sleeps, and then at once. */
function createClock(): Clock {
  let now = start;
  return {
    now: () => now,
    async sleep(millis) {
      await setImmediate();
      now += millis;
    },
  };
}

function createOutbox(): Outbox {
  return openOutbox({ path: join(mkdtempSync(join(tmpdir(), 'notifier-worker-')), 'n.db') });
}

function add(outbox: Outbox, title: string, groupKey = title): void {
  const payload = title;
  outbox.accept({ route: 'default', key: title, groupKey, payload, channels: ['robot'] }, start);
}

let running: Worker | undefined;
afterEach(() => running?.stop(0));

/** A worker of a channel that answers as told and notes what it was given. */
function run(
  outbox: Outbox,
  answers: (Delivery | Error)[],
  options: Partial<WorkerOptions> = {},
): { sent: string[]; told: Delivery[] } {
  const sent: string[] = [];
  const told: Delivery[] = [];
  const channel: Channel = {
    name: 'robot',
    deliver({ title }) {
      sent.push(title);
      const answer = answers.shift() ?? { kind: 'delivered' };
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    },
  };
  running = startWorker({
    channel,
    outbox,
    render: (payload) => ({ title: payload, sections: [], more: String }),
    onDelivery: (_, delivery) => void told.push(delivery),
    log: pino({ level: 'silent' }),
    clock: createClock(),
    random: () => 0,
    ...options,
  });
  return { sent, told };
}

const busy: Delivery = { kind: 'retry', reason: 'server_error', afterSeconds: 0, detail: 'busy' };
const isDone = (outbox: Outbox) => () => outbox.oldestPendingAt() === undefined;

test('a resolved alert waits until its firing is through, another group does not', async () => {
  const outbox = createOutbox();
  add(outbox, 'firing', 'group');
  add(outbox, 'resolved', 'group');
  add(outbox, 'other');
  const { sent } = run(outbox, [busy, busy]);
  await until(isDone(outbox));
  expect(sent.indexOf('other')).toBeLessThan(sent.lastIndexOf('firing'));
  expect(sent.lastIndexOf('firing')).toBeLessThan(sent.indexOf('resolved'));
});

test('a dead firing does not hold its resolved back, and says why it is dead', async () => {
  const outbox = createOutbox();
  add(outbox, 'firing', 'group');
  add(outbox, 'resolved', 'group');
  const { sent } = run(outbox, [{ kind: 'dead', reason: 'refused', detail: 'sign not match' }]);
  await until(isDone(outbox));
  expect(sent).toEqual(['firing', 'resolved']);
  expect(outbox.list(2)).toMatchObject([
    { state: 'delivered', lastReason: null },
    { state: 'dead', attempts: 1, lastReason: 'refused', lastDetail: 'sign not match' },
  ]);
});

test('retries wait twice as long each time, up to five minutes, half of it at random', () => {
  const longest = [1, 2, 3, 9, 10, 99].map((attempts) => backoffMillis(attempts, () => 1));
  expect(longest).toEqual([1000, 2000, 4000, 256_000, 300_000, 300_000]);
  expect(backoffMillis(3, () => 0)).toBe(2000);
});

test('a fault in a channel is tried again, and its message is told to nobody', async () => {
  const outbox = createOutbox();
  add(outbox, 'firing');
  const { told } = run(outbox, [new TypeError('canary-token')]);
  await until(isDone(outbox));
  expect(told.map(({ kind }) => kind)).toEqual(['retry', 'delivered']);
  expect(JSON.stringify(told)).not.toContain('canary');
});

test('after three days of failures a notification is dead, not forgotten', async () => {
  const outbox = createOutbox();
  add(outbox, 'firing');
  const answers = Array.from({ length: 5000 }, () => busy);
  run(outbox, answers, { random: () => 0.999 });
  await until(isDone(outbox));
  expect(outbox.list(1)).toMatchObject([
    { state: 'dead', lastReason: 'expired', lastDetail: 'busy' },
  ]);
});

test('50 alerts at once never trip a robot that blocks after 20 in a minute', async () => {
  const clock = createClock();
  const robot = await startDingTalkRobot('SECtest', { now: clock.now });
  const outbox = createOutbox();
  for (let index = 0; index < 50; index += 1) add(outbox, `alert ${index}`);
  const url = new URL(robot.url);
  const channel = createDingTalk({ name: 'robot', url, secret: 'SECtest', now: clock.now });
  const { told } = run(outbox, [], { channel, clock });
  await until(isDone(outbox));
  expect(told.filter(({ kind }) => kind !== 'delivered')).toEqual([]);
  expect(robot.received.map(({ title }) => title)).toEqual(
    Array.from({ length: 50 }, (_, index) => `alert ${index}`),
  );
  await robot.close();
});

test('a restarted notifier remembers what its robot has left of the minute', async () => {
  const clock = createClock();
  const robot = await startDingTalkRobot('SECtest', { now: clock.now });
  const outbox = createOutbox();
  const url = new URL(robot.url);
  const channel = createDingTalk({ name: 'robot', url, secret: 'SECtest', now: clock.now });
  let delivered = 0;
  // Stopped in the moment of its last delivery: an idle worker's sleep would let the minute pass.
  const onDelivery = (): void => {
    delivered += 1;
    if (delivered % 15 === 0) void running?.stop(0);
  };
  for (let life = 1; life <= 3; life += 1) {
    for (let index = 0; index < 15; index += 1) add(outbox, `alert ${life}.${index}`);
    run(outbox, [], { channel, clock, onDelivery });
    await until(() => delivered === 15 * life);
    await running?.stop(0);
  }
  expect(robot.received).toHaveLength(45);
  expect(robot.calls).toBe(45);
  await robot.close();
});

test('a blocked robot is left alone for the ten minutes, whatever else is due', async () => {
  const clock = createClock();
  const robot = await startDingTalkRobot('SECtest', { now: clock.now, perMinute: 2 });
  const outbox = createOutbox();
  for (let index = 0; index < 5; index += 1) add(outbox, `alert ${index}`);
  const url = new URL(robot.url);
  const channel = createDingTalk({ name: 'robot', url, secret: 'SECtest', now: clock.now });
  // This robot allows less than the vendor says: only its block teaches us.
  const { told } = run(outbox, [], { channel, clock });
  await until(isDone(outbox));
  expect(robot.received).toHaveLength(5);
  expect(told.filter(({ kind }) => kind === 'retry')).toHaveLength(robot.calls - 5);
  expect(robot.calls).toBeLessThanOrEqual(7);
  await robot.close();
});

test('what waits for a channel that is no longer set is dead and listed', () => {
  const outbox = createOutbox();
  add(outbox, 'firing');
  expect(outbox.retire(['inbox'], start)).toBe(1);
  expect(outbox.list(1)).toMatchObject([{ state: 'dead', lastReason: 'channel_removed' }]);
  expect(outbox.retire(['inbox'], start)).toBe(0);
});
