/**
 * A world for the property test of the order: a pair of Alertmanagers with delays, gossip and restarts, the real outbox with its
 * model of what was told, and a channel that fails or dies. Each step is chosen by two numbers of fast-check.
 */
import { openOutbox } from '../../../alerting/notifier/outbox/outbox.ts';
import type { Notification, Outbox } from '../../../alerting/notifier/outbox/outbox.ts';
import { chooseNext } from '../../../alerting/notifier/outbox/worker.ts';
import { createUntold, findNotResolved } from '../../../alerting/notifier/watch/reconcile.ts';
import { ownPayload } from '../../../alerting/notifier/webhook.ts';
import type { Alert } from '../../../alerting/notifier/webhook.ts';
import { createAlert, createWebhook } from './alertmanager-webhook.ts';

export interface Word {
  fingerprint: string;
  status: Alert['status'];
  startsAt: string;
  at: number;
  /** Number of times that the clock was set back before. */
  epoch: number;
  /** The channel accepted it, and the notifier died before it stored that. */
  isRepeat: boolean;
}

type State = Alert['status'] | undefined;

/** One group in one Alertmanager: its alerts, its log of sent notifications, and at most one webhook on its way. */
interface Group {
  key: string;
  alerts: number[];
  view: State[];
  sent: State[];
  sentAt: number;
  onItsWay: { alerts: Alert[]; states: State[] } | undefined;
}

const second = 1000;

/** Opening an outbox takes longer than a whole run, so fifty worlds share one, each with a channel and alerts of its own. */
const worldsPerOutbox = 50;
let worlds = 0;
let outbox: Outbox;

export function createWorld() {
  if (worlds % worldsPerOutbox === 0) outbox = openOutbox({ path: ':memory:' });
  worlds += 1;
  const channel = `robot-${worlds}`;
  let now = Date.UTC(2026, 3, 26);
  let epoch = 0;
  const truth = [0, 1].map((index) => ({
    fingerprint: `alert-${index}-${channel}`,
    isFiring: false,
    startsAt: now,
    endsAt: now,
  }));
  // The second alert of the first group is also in a group of its own, as with `continue: true`.
  const createGroup = (key: string, alerts: number[]): Group => {
    const nothing = alerts.map(() => undefined);
    return { key, alerts, view: nothing, sent: nothing, sentAt: 0, onItsWay: undefined };
  };
  const createGroups = () => [
    createGroup(`both ${channel}`, [0, 1]),
    createGroup(`one ${channel}`, [1]),
  ];
  const pair = [createGroups(), createGroups()];
  const words: Word[] = [];
  const repeated = new Set<number>();
  const groupOf = (choice: number): Group => pair[choice % 2]?.[(choice >> 1) % 2] as Group;

  function flip(choice: number): void {
    const alert = truth[choice % 2];
    if (alert === undefined) return;
    alert.isFiring = !alert.isFiring;
    // A sender that was late goes on with the same start.
    if (alert.isFiring && choice % 3 !== 0) alert.startsAt = now;
    if (!alert.isFiring) alert.endsAt = now;
  }

  function update(group: Group): void {
    group.view = group.alerts.map((index, position) => {
      if (truth[index]?.isFiring) return 'firing';
      return group.view[position] === undefined ? undefined : 'resolved';
    });
  }

  function toAlert(index: number, status: Alert['status']): Alert {
    const { fingerprint = '', startsAt = 0, endsAt = 0 } = truth[index] ?? {};
    return createAlert({
      status,
      fingerprint,
      labels: { alertname: fingerprint },
      startsAt: new Date(startsAt).toISOString(),
      ...(status === 'resolved' && { endsAt: new Date(Math.max(startsAt, endsAt)).toISOString() }),
    });
  }

  /** Alertmanager sends a group when a state differs from its log, and all its firing alerts again as a reminder. */
  function flush(group: Group, isReminder: boolean): void {
    if (group.onItsWay !== undefined) return;
    const states = group.view.map((state, position) =>
      state === 'resolved' && group.sent[position] !== 'firing' ? undefined : state,
    );
    const isNews = states.some(
      (state, position) => state !== undefined && state !== group.sent[position],
    );
    if (!isNews && !(isReminder && states.includes('firing'))) return;
    const alerts = states.flatMap((state, position) =>
      state === undefined ? [] : [toAlert(group.alerts[position] ?? 0, state)],
    );
    group.onItsWay = { alerts, states };
  }

  /** The webhook arrives; without the answer, Alertmanager sends it again. */
  function arrive(group: Group, isAnswered: boolean): void {
    if (group.onItsWay === undefined) return;
    const { alerts, states } = group.onItsWay;
    accept(alerts, group.key);
    if (!isAnswered) return;
    group.sent = group.sent.map((state, position) => states[position] ?? state);
    group.sentAt = now;
    group.onItsWay = undefined;
  }

  function accept(alerts: Alert[], groupKey: string): void {
    const payload = createWebhook(alerts, groupKey);
    outbox.accept({ route: 'default', payload, recipients: [{ channel, alerts: null }] }, now);
  }

  function gossip(choice: number): void {
    const [from, to] = [groupOf(choice), groupOf(choice ^ 1)];
    if (from.sentAt > to.sentAt) Object.assign(to, { sent: [...from.sent], sentAt: from.sentAt });
  }

  /** The log of sent notifications is lost. */
  function restart(group: Group): void {
    group.sent = group.sent.map(() => undefined);
    group.sentAt = 0;
    group.onItsWay = undefined;
  }

  function say(notifications: readonly Notification[], isKilled: boolean): void {
    for (const { id, payload } of notifications) {
      for (const { fingerprint, status, startsAt } of payload.alerts) {
        words.push({ fingerprint, status, startsAt, at: now, epoch, isRepeat: repeated.has(id) });
      }
      if (isKilled) repeated.add(id);
    }
  }

  /** One call of the worker. */
  function deliver(choice: number): boolean {
    const { ids, isNewDigest } = chooseNext(outbox.due(channel, now), (choice % 3) + 1);
    if (ids.length === 0) return false;
    if (isNewDigest) outbox.joinDigest(ids);
    const notifications = outbox.read(ids);
    if (choice % 5 === 4) {
      const retry = { kind: 'retry', reason: 'network', afterSeconds: 0, detail: '' } as const;
      outbox.settle(ids, retry, now, now + 20 * second);
      return true;
    }
    const isKilled = choice % 7 === 6;
    say(notifications, isKilled);
    if (!isKilled) outbox.settle(ids, { kind: 'delivered' }, now, 0);
    return true;
  }

  const steps: ((choice: number) => void)[] = [
    flip,
    (choice) => update(groupOf(choice)),
    (choice) => flush(groupOf(choice), choice > 4),
    (choice) => arrive(groupOf(choice), choice < 6),
    gossip,
    (choice) => restart(groupOf(choice)),
    (choice) => void deliver(choice),
    (choice) => {
      const seconds = [1, 5, 20, 59, 61, 300, 3600, -7200][choice] ?? 1;
      now += seconds * second;
      if (seconds < 0) epoch += 1;
    },
  ];
  /** Steps that happen more often come more often. */
  const weights = [0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 5, 6, 6, 6, 7, 7];

  /** Everything arrives, the reconciliation runs, and the worker delivers what is left. */
  function becomeQuiet(): void {
    const untold = createUntold();
    for (let round = 0; round < 4; round += 1) {
      for (const group of pair.flat()) {
        update(group);
        if (group.onItsWay) arrive(group, true);
        flush(group, false);
        if (group.onItsWay) arrive(group, true);
      }
      now += 400 * second;
      reconcile(untold);
      while (deliver(0)) now += second;
      now += 60 * second;
    }
  }

  function reconcile(untold: ReturnType<typeof createUntold>): void {
    const settledAt = now - 300 * second;
    const known = outbox.alerts.since(0).filter(({ alert }) => alert.fingerprint.endsWith(channel));
    const held = truth.flatMap(({ isFiring }, index) =>
      isFiring ? [{ ...toAlert(index, 'firing'), isNotForUs: false }] : [],
    );
    const facts = { fired: [], firing: [], known, held, at: now, settledAt };
    for (const { alert, groupKey } of findNotResolved(facts)) accept([alert], groupKey);
    for (const alert of untold.find({ held, known, at: now, settledAt })) {
      accept(ownPayload('unsent', 'reconcile', [alert]).alerts, `reconcile/${alert.fingerprint}`);
    }
  }

  return {
    step: ([kind, choice]: [number, number]) => steps[weights[kind] ?? 0]?.(choice),
    becomeQuiet,
    words,
    truth,
  };
}

export const stepKinds = 18;
