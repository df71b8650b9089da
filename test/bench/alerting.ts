/**
 * `node test/bench/alerting.ts`: how fast an alert is kept, and how fast it is told. Real Prometheus, Alertmanager and
 * notifier against a robot that checks signatures. Fails when a goal is missed: 50 ms at p99 to keep a webhook, 1.2
 * times Alertmanager's own webhook (p50, same run) from the metric's crossing to the robot's acceptance.
 */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, writeSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createAlert, createWebhook } from '../support/alerting/alertmanager-webhook.ts';
import { until } from '../support/until.ts';
import { startFeishuRobot } from '../support/alerting/feishu.ts';
import { startAlerting } from '../support/alerting/notifier-alerting.ts';
import { startNotifier } from '../support/alerting/notifier.ts';

const keepGoalMillis = 50;
const tellGoalRatio = 1.2;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

function summarise(values: readonly number[], unit: string, digits: number): string {
  const at = (share: number): string => quantile(values, share).toFixed(digits);
  return `p50 ${at(0.5)}  p90 ${at(0.9)}  p99 ${at(0.99)}  max ${at(1)} ${unit} (n = ${values.length})`;
}

/** Webhooks one after another, as Alertmanager sends those of a group, while the worker delivers. */
async function measureKeeping(count: number): Promise<boolean> {
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
    // What the disk alone takes for as much, in the same moments.
    const probedAt = performance.now();
    writeSync(probe, page);
    fdatasyncSync(probe);
    diskMillis.push(performance.now() - probedAt);
  }
  closeSync(probe);
  await notifier.stop();
  // Where the disk alone is slower than the goal, the goal is to add little to it.
  const isGood = quantile(millis, 0.99) < Math.max(keepGoalMillis, 2 * quantile(diskMillis, 0.99));
  say(`kept on disk and answered: ${summarise(millis, 'ms', 1)}; goal p99 < ${keepGoalMillis} ms`);
  say(`one write and fdatasync alone: ${summarise(diskMillis, 'ms', 1)}`);
  return isGood;
}

/** A metric that crosses again and again; each crossing is seen by a bare webhook and by the robot behind the notifier. */
async function measureTelling(count: number): Promise<boolean> {
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
  const toldAt: number[] = [];
  robot.beforeAnswer = () => void toldAt.push(performance.now());
  const floorSeconds: number[] = [];
  const toldSeconds: number[] = [];
  try {
    for (let round = 0; round < count; round += 1) {
      // Somewhere in the second of the scrape, as a real crossing is.
      await new Promise((resolve) => setTimeout(resolve, 1000 + ((round * 137) % 1000)));
      const before = { floor: floorAt.length, told: toldAt.length };
      const crossedAt = performance.now();
      alerting.setMetric(`round-${round}`, 1);
      await until(() => floorAt.length > before.floor && toldAt.length > before.told);
      floorSeconds.push(((floorAt[before.floor] ?? 0) - crossedAt) / 1000);
      toldSeconds.push(((toldAt[before.told] ?? 0) - crossedAt) / 1000);
    }
  } finally {
    await alerting.stop();
    await notifier.stop();
    await robot.close();
    floor.close();
  }
  const ratio = quantile(toldSeconds, 0.5) / quantile(floorSeconds, 0.5);
  say(`Alertmanager's own webhook: ${summarise(floorSeconds, 's', 2)}`);
  say(`accepted by the robot:      ${summarise(toldSeconds, 's', 2)}`);
  say(`ratio at p50: ${ratio.toFixed(3)}; goal <= ${tellGoalRatio}`);
  return ratio <= tellGoalRatio;
}

const { values } = parseArgs({
  options: {
    webhooks: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '25' },
  },
});
const isKept = await measureKeeping(Number(values.webhooks));
const isTold = await measureTelling(Number(values.rounds));
process.exitCode = isKept && isTold ? 0 : 1;
