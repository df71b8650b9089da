/**
 * Compares the alerts that the notifier received with the alerts in Prometheus and Alertmanager, and sends missing notifications:
 * for alerts that were not delivered, and for ends of alerts that were not delivered. Started by `main.ts`.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from '../../../otel/logger.ts';
import type { Intake } from '../intake.ts';
import type { AlertRecord } from '../outbox/alert-history.ts';
import type { Outbox } from '../outbox/outbox.ts';
import { fingerprintOf } from './fingerprint.ts';
import { Alert, ownPayload, watchdogName } from '../webhook.ts';
import type { AlertInput } from '../webhook.ts';
import { readExternalLabels, readFired, readFiring, readHeld } from './sources.ts';
import type { FiredSeries, FiringNow, Held } from './sources.ts';

export interface ReconcileOptions {
  prometheus: URL;
  alertmanager: URL;
  outbox: Pick<Outbox, 'alerts' | 'marks'>;
  intake: Intake;
  log: Logger;
  /** The notifier sends an alert itself if Alertmanager has not sent it for this long. */
  graceSeconds: number;
}

/** Alerts before this time have been compared. */
const cursorMark = 'reconciled';
/** After a longer downtime, only the last part of this length is compared. */
const maxLookbackMillis = 86_400_000;

type Labels = Record<string, string>;

/**
 * Returns a function that runs one comparison. If Prometheus does not answer, nothing is compared, and the next comparison covers
 * the same time too.
 */
export function createReconciliation(options: ReconcileOptions): () => Promise<void> {
  const { outbox, log } = options;
  const untold = createUntold();

  async function compare(): Promise<void> {
    const { held, ...facts } = await readFacts(options, Date.now());
    const missed = findMissed(facts);
    const unsent = untold.find({ ...facts, held: held ?? [] });
    const notResolved = held === undefined ? [] : findNotResolved({ ...facts, held });
    send(options.intake, { missed, unsent, notResolved });
    outbox.marks.set(cursorMark, facts.settledAt);
    const counts = { missed: missed.length + unsent.length, not_resolved: notResolved.length };
    if (counts.missed + counts.not_resolved > 0) {
      log.warn(counts, 'found alerts that no webhook of Alertmanager contained');
    }
  }

  return async () => {
    try {
      await compare();
    } catch (error) {
      const reason = error instanceof Error ? error.name : 'an error';
      log.warn({ reason }, 'cannot reconcile; the next check covers this time too');
    }
  };
}

/** Reads both servers and the history. `held` is undefined if Alertmanager does not answer. @throws Error if Prometheus does not. */
async function readFacts(options: ReconcileOptions, at: number) {
  const { prometheus, alertmanager, outbox, graceSeconds } = options;
  const { alerts: history, marks } = outbox;
  const settledAt = at - graceSeconds * 1000;
  // The mark is in the future after the clock was set back.
  const cursor = Math.min(marks.get(cursorMark) ?? settledAt, settledAt);
  const since = Math.max(cursor, at - maxLookbackMillis);
  const fired = await readFired(prometheus, since, at);
  const firing = await readFiring(prometheus);
  const externalLabels = await readExternalLabels(prometheus);
  const held = await readHeld(alertmanager).catch(() => undefined);
  for (const alert of held ?? []) {
    if (!alert.isNotForUs) continue;
    history.recordNotForUs(Alert.parse({ ...alert, status: 'firing' }), at);
  }
  return { fired, firing, known: history.since(since), held, at, settledAt, externalLabels };
}

interface Found {
  missed: readonly AlertInput[];
  unsent: readonly AlertInput[];
  notResolved: ReturnType<typeof findNotResolved>;
}

function send(intake: Intake, { notResolved, ...started }: Found): void {
  for (const origin of ['missed', 'unsent'] as const) {
    for (const alert of started[origin]) {
      intake(ownPayload(origin, `reconcile/${alert.fingerprint}`, [alert]), 'default');
    }
  }
  for (const { alert, route, groupKey } of notResolved) {
    intake(ownPayload('not_resolved', groupKey, [alert]), route);
  }
}

interface Facts {
  fired: readonly FiredSeries[];
  firing: readonly FiringNow[];
  known: readonly AlertRecord[];
  /** Time of the comparison. */
  at: number;
  /** Events before this time are compared. Alertmanager may still send later events itself. */
  settledAt: number;
  /** Labels that Prometheus adds to its alerts; undefined if it changes alerts in a way that is not known here. */
  externalLabels?: Labels | undefined;
}

/** Alerts that fired before `settledAt` but were not received for that time. */
export function findMissed(facts: Facts): AlertInput[] {
  const { fired, firing, known, settledAt } = facts;
  const knownByName = Map.groupBy(known, ({ alert }) => alert.labels['alertname']);
  return fired.flatMap(({ labels, firstAt, lastAt }) => {
    const { alertname } = labels;
    if (alertname === watchdogName || firstAt > settledAt) return [];
    const same = (knownByName.get(alertname) ?? []).filter(({ alert }) =>
      isSame(alert.labels, labels, facts),
    );
    const isKnown = same.some(
      ({ startsAt, endsAt }) => startsAt <= lastAt + 1000 && (endsAt ?? lastAt) >= firstAt,
    );
    if (isKnown) return [];
    const current = firing.find((candidate) => isDeepStrictEqual(candidate.labels, labels));
    const sent = same[0]?.alert.labels ?? { ...facts.externalLabels, ...labels };
    return [
      {
        status: current === undefined ? 'resolved' : 'firing',
        labels: sent,
        annotations: current?.annotations ?? {},
        startsAt: current?.activeAt ?? new Date(firstAt).toISOString(),
        endsAt: current === undefined ? new Date(lastAt).toISOString() : '',
        // Alertmanager's own, so that its next webhook about this alert is recognised.
        fingerprint: same[0]?.alert.fingerprint ?? fingerprintOf(sent),
      },
    ];
  });
}

/**
 * Finds alerts that Alertmanager lists as active for longer than the grace period, but that no webhook contained: also alerts of
 * senders other than Prometheus. An alert's start does not tell how long Alertmanager has it, so the first sight counts.
 */
export function createUntold() {
  let seenAt = new Map<string, number>();
  return {
    find(facts: {
      held: readonly Held[];
      known: readonly AlertRecord[];
      at: number;
      settledAt: number;
    }): AlertInput[] {
      const { held, known, at, settledAt } = facts;
      const told = new Set(
        known.flatMap(({ alert, endsAt }) => (endsAt === null ? alert.fingerprint : [])),
      );
      const untold = held.filter(
        ({ labels, fingerprint, isNotForUs }) =>
          !isNotForUs && labels['alertname'] !== watchdogName && !told.has(fingerprint),
      );
      seenAt = new Map(
        untold.map(({ fingerprint }) => [fingerprint, seenAt.get(fingerprint) ?? at]),
      );
      return untold
        .filter(({ fingerprint }) => (seenAt.get(fingerprint) ?? at) <= settledAt)
        .map((alert) => Object.assign({ status: 'firing' as const }, alert));
    },
  };
}

/** Alerts that were received as firing, but that neither Prometheus nor Alertmanager lists since `settledAt`. */
export function findNotResolved(facts: Facts & { held: readonly Held[] }) {
  const { fired, firing, known, held, at, settledAt } = facts;
  return known.flatMap(({ alert, status, recordedAt, route, groupKey }) => {
    // A time far in the future was recorded before the clock was set back.
    const isRecent = Math.abs(at - recordedAt) < at - settledAt;
    if (status !== 'firing' || isRecent) return [];
    const { labels } = alert;
    if (firing.some((candidate) => isSame(labels, candidate.labels, facts))) return [];
    const isHeld = held.some(
      (candidate) =>
        candidate.fingerprint === alert.fingerprint ||
        includes(labels, candidate.labels) ||
        includes(candidate.labels, labels),
    );
    if (isHeld) return [];
    const series = fired.filter((candidate) => isSame(labels, candidate.labels, facts));
    const lastAt = Math.max(...series.map((candidate) => candidate.lastAt));
    if (lastAt > settledAt) return [];
    // The end is unknown if Prometheus has no samples of the alert.
    const endsAt = series.length > 0 ? new Date(lastAt).toISOString() : '';
    return [{ alert: { ...alert, status: 'resolved' as const, endsAt }, route, groupKey }];
  });
}

/** Whether an alert with the labels `sent` in Alertmanager is the one with the labels `own` in Prometheus. */
function isSame(sent: Labels, own: Labels, { externalLabels }: Facts): boolean {
  if (externalLabels === undefined) return includes(sent, own);
  return isDeepStrictEqual({ ...sent }, { ...externalLabels, ...own });
}

/** Whether `all` contains `some`. */
function includes(all: Labels, some: Labels): boolean {
  return Object.entries(some).every(([name, value]) => all[name] === value);
}
