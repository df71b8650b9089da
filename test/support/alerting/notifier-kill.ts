/**
 * Kills the notifier with SIGKILL at a step of a delivery that the seed chooses, repeatedly on one outbox, and compares the
 * raised notifications with the received notifications. Used by a test with few seeds and by `make chaos` with many.
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createAlert, createWebhook } from './alertmanager-webhook.ts';
import { until } from '../until.ts';
import { startFeishuRobot } from '../../../alerting/notifier/channels/feishu/stand-in.ts';
import type { Robot } from '../../../alerting/notifier/channels/stand-in.ts';
import { newOutboxPath, startNotifier } from './notifier.ts';
import type { Notifier } from './notifier.ts';
import { createRandom } from '../random.ts';
import { startWebhookReceiver } from './webhook-receiver.ts';
import type { WebhookReceiver } from './webhook-receiver.ts';

/** The step of a delivery at which the process is killed. */
export const steps = ['posting', 'persisted', 'called', 'accepted', 'answered', 'settled'] as const;
type Step = (typeof steps)[number];

export interface KillReport {
  killed: Record<Step, number>;
  raised: number;
  /** Notifications that the robot, which cannot recognise a repeat, received twice: the kill came before its answer was stored. */
  repeats: number;
  /** Notifications that were lost, repeated or out of order; expected to be empty. */
  faults: string[];
}

type Status = 'firing' | 'resolved';

/** Long enough for the waits of the rate limit and the backoff over many kills. */
const settleSeconds = 120;

export async function killAtEveryStep(seeds: readonly number[]): Promise<KillReport> {
  const robot = await startFeishuRobot('SECtest', { perMinute: Number.POSITIVE_INFINITY });
  const receiver = await startWebhookReceiver();
  const settings = writeSettings(robot, receiver);
  const killed = Object.fromEntries(steps.map((step) => [step, 0])) as Record<Step, number>;
  /** Notifications without a 200 so far, in order. Like Alertmanager, the test sends them again. */
  const unanswered: [number, Status][] = [];
  try {
    for (const seed of seeds) {
      const random = createRandom(seed * 2_654_435_761);
      const step = steps[Math.floor(random() * steps.length)] ?? 'posting';
      const side = random() < 0.5 ? robot : receiver;
      const notifier = await startNotifier(settings);
      unanswered.push([seed, 'firing']);
      await killAt(notifier, step, { robot, receiver, side, random, unanswered });
      killed[step] += 1;
      unanswered.push([seed, 'resolved']);
    }
    const notifier = await startNotifier(settings);
    await postAll(notifier, unanswered);
    await until(
      async () => (await notifier.sample('notifier_pending_age_seconds')) === 0,
      settleSeconds,
    );
    await notifier.stop();
  } finally {
    await robot.close();
    await receiver.close();
  }
  return { killed, raised: 2 * seeds.length, ...compare(seeds, robot, receiver) };
}

interface Scene {
  robot: Robot;
  receiver: WebhookReceiver;
  side: Robot | WebhookReceiver;
  random: () => number;
  unanswered: [number, Status][];
}

async function killAt(notifier: Notifier, step: Step, scene: Scene): Promise<void> {
  const { robot, receiver, side, random, unanswered } = scene;
  const kill = (): Promise<number | null> => notifier.stop('SIGKILL');
  const posting = (): Promise<unknown> => postAll(notifier, unanswered).catch(() => undefined);
  const once = (act: () => Promise<void> | void): Promise<void> =>
    new Promise((resolve, reject) => {
      side.beforeAnswer = () => {
        side.beforeAnswer = () => undefined;
        const acted = Promise.resolve(act());
        acted.then(resolve, reject);
        return acted;
      };
    });

  if (step === 'posting') {
    const posted = posting();
    await delay(random() * 15);
    await kill();
    await posted;
  } else if (step === 'persisted') {
    await posting();
    await delay(random() * 5);
    await kill();
  } else if (step === 'called') {
    const before = robot.calls;
    robot.answers.push('hang');
    await posting();
    await until(() => robot.calls > before);
    await kill();
  } else if (step === 'accepted') {
    const accepted = once(async () => void (await kill()));
    await posting();
    await accepted;
  } else if (step === 'answered') {
    const answered = once(() => undefined);
    await posting();
    await answered;
    await delay(random() * 4);
    await kill();
  } else {
    await posting();
    await until(
      async () => (await notifier.list()).every(({ state }) => state === 'delivered'),
      settleSeconds,
    );
    await kill();
  }
  robot.beforeAnswer = receiver.beforeAnswer = () => undefined;
}

async function postAll(notifier: Notifier, unanswered: [number, Status][]): Promise<void> {
  for (let next = unanswered[0]; next !== undefined; next = unanswered[0]) {
    const [seed, status] = next;
    const alert = createAlert({
      status,
      labels: { alertname: `Kill-${seed}` },
      fingerprint: `${seed}`,
    });
    const response = await notifier.post(createWebhook([alert], `kill ${seed}`));
    if (response.status !== 200) throw new Error(`expected 200, got ${response.status}`);
    unanswered.shift();
  }
}

function compare(
  seeds: readonly number[],
  robot: Robot,
  receiver: WebhookReceiver,
): Pick<KillReport, 'repeats' | 'faults'> {
  // One list per message, because a digest contains several notifications.
  const byRobot = robot.received.map(({ title, text }) => {
    // A digest has a line for each alert.
    const lines = text.includes('(Kill-') ? text : title;
    return [...lines.matchAll(/\[(\w+)\] [^\n(]*\((Kill-\d+)\)/g)].map(
      ([, state, name]) => `${name} ${state === 'resolved' ? 'resolved' : 'firing'}`,
    );
  });
  // The receiver recognises a repeat by its key.
  const byKey = new Map(receiver.received.map(({ key, body }) => [key, body]));
  const byReceiver = [...byKey.values()].map(({ alerts }) =>
    alerts.map(({ status, labels }) => `${labels['alertname']} ${status}`),
  );
  const faults = seeds.flatMap((seed) => [
    ...faultsOf(`Kill-${seed}`, byRobot).map((fault) => `robot: ${fault}`),
    ...faultsOf(`Kill-${seed}`, byReceiver).map((fault) => `receiver: ${fault}`),
  ]);
  if (repeatsOf(byReceiver) > 0) faults.push('receiver: a repeat');
  return { repeats: repeatsOf(byRobot), faults };
}

function faultsOf(name: string, messages: readonly string[][]): string[] {
  const [firing, resolved] = [`${name} firing`, `${name} resolved`];
  const lost = [firing, resolved].filter((notification) => !messages.flat().includes(notification));
  const endedIn = messages.findIndex((message) => message.includes(resolved));
  const late = messages.findIndex((message, index) => {
    const isAfter = index >= endedIn && message.includes(firing);
    return isAfter && message.lastIndexOf(firing) > message.lastIndexOf(resolved);
  });
  return [
    ...lost.map((notification) => `${notification} is lost`),
    ...(lost.length === 0 && late !== -1 ? [`${firing} arrived after its resolved`] : []),
  ];
}

function repeatsOf(messages: readonly string[][]): number {
  return messages.flat().length - new Set(messages.flat()).size;
}

function writeSettings(robot: Robot, receiver: WebhookReceiver): Record<string, string> {
  const config = join(mkdtempSync(join(tmpdir(), 'notifier-kill-')), 'config.yml');
  const channels = [
    { name: 'robot', kind: 'feishu', url: robot.url, secret: 'SECtest' },
    { name: 'receiver', kind: 'webhook', url: receiver.url },
  ];
  // JSON is YAML.
  writeFileSync(config, JSON.stringify({ channels }));
  return {
    NOTIFIER_CONFIG: config,
    NOTIFIER_DB: newOutboxPath(),
    NOTIFIER_LOCALE: 'en',
    OTEL_TRACES_EXPORTER: 'none',
  };
}
