/**
 * Compares the alerts that the notifier received with the alerts in Prometheus and Alertmanager, and sends missing notifications:
 * for alerts that were not delivered, and for ends of alerts that were not delivered. Started by `main.ts`.
 */
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from '../../../otel/logger.ts';
import type { Intake } from '../intake.ts';
import type { AlertRecord } from '../outbox/alert-history.ts';
import type { Outbox } from '../outbox/outbox.ts';
import { Alert, ownPayload, watchdogName } from '../webhook.ts';
import type { AlertInput } from '../webhook.ts';
import { readFired, readFiring, readHeld } from './sources.ts';
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

/** Runs one comparison. If Prometheus does not answer, nothing is compared, and the next comparison covers the same time too. */
export async function reconcile(options: ReconcileOptions): Promise<void> {
  const { prometheus, alertmanager, outbox, intake, log, graceSeconds } = options;
  const { alerts: history, marks } = outbox;
  const at = Date.now();
  const settledAt = at - graceSeconds * 1000;
  try {
    const since = Math.max(marks.get(cursorMark) ?? settledAt, at - maxLookbackMillis);
    const fired = await readFired(prometheus, since, at);
    const firing = await readFiring(prometheus);
    const held = await readHeld(alertmanager).catch(() => undefined);
    for (const alert of held ?? []) {
      if (!alert.isNotForUs) continue;
      history.recordNotForUs(Alert.parse({ ...alert, status: 'firing' }), at);
    }
    const facts = { fired, firing, known: history.since(since), settledAt };
    const missed = findMissed(facts);
    const notResolved = held === undefined ? [] : findNotResolved({ ...facts, held });
    for (const alert of missed) {
      intake(ownPayload('missed', `reconcile/${alert.fingerprint}`, [alert]), 'default');
    }
    for (const { alert, route, groupKey } of notResolved) {
      intake(ownPayload('not_resolved', groupKey, [alert]), route);
    }
    marks.set(cursorMark, settledAt);
    if (missed.length + notResolved.length > 0) {
      const counts = { missed: missed.length, not_resolved: notResolved.length };
      log.warn(counts, 'sent notifications that Alertmanager did not send');
    }
  } catch (error) {
    const reason = error instanceof Error ? error.name : 'an error';
    log.warn({ reason }, 'cannot reconcile; the next check covers this time too');
  }
}

interface Facts {
  fired: readonly FiredSeries[];
  firing: readonly FiringNow[];
  known: readonly AlertRecord[];
  /** Events before this time are compared. Alertmanager may still send later events itself. */
  settledAt: number;
}

/** Alerts that fired before `settledAt` but were not received for that time. */
export function findMissed({ fired, firing, known, settledAt }: Facts): AlertInput[] {
  const knownByName = Map.groupBy(known, ({ alert }) => alert.labels['alertname']);
  return fired.flatMap(({ labels, firstAt, lastAt }) => {
    const { alertname } = labels;
    if (alertname === watchdogName || firstAt > settledAt) return [];
    const sameName = knownByName.get(alertname) ?? [];
    const isKnown = sameName.some(
      ({ alert, startsAt, endsAt }) =>
        includes(alert.labels, labels) &&
        startsAt <= lastAt + 1000 &&
        (endsAt ?? lastAt) >= firstAt,
    );
    if (isKnown) return [];
    const current = firing.find((candidate) => isDeepStrictEqual(candidate.labels, labels));
    return [
      {
        status: current === undefined ? 'resolved' : 'firing',
        labels,
        annotations: current?.annotations ?? {},
        startsAt: current?.activeAt ?? new Date(firstAt).toISOString(),
        endsAt: current === undefined ? new Date(lastAt).toISOString() : '',
        fingerprint: `reconciled-${hash(labels)}`,
      },
    ];
  });
}

/** Alerts that were received as firing, but that neither Prometheus nor Alertmanager lists since `settledAt`. */
export function findNotResolved(facts: Facts & { held: readonly Held[] }) {
  const { fired, firing, known, held, settledAt } = facts;
  return known.flatMap(({ alert, status, recordedAt, route, groupKey }) => {
    if (status !== 'firing' || recordedAt > settledAt) return [];
    const { labels } = alert;
    if (firing.some((candidate) => includes(labels, candidate.labels))) return [];
    const isHeld = held.some(
      (candidate) => includes(labels, candidate.labels) || includes(candidate.labels, labels),
    );
    if (isHeld) return [];
    const series = fired.filter((candidate) => includes(labels, candidate.labels));
    const lastAt = Math.max(...series.map((candidate) => candidate.lastAt));
    if (lastAt > settledAt) return [];
    // The end is unknown if Prometheus no longer has the samples of the alert.
    const endsAt = series.length > 0 ? new Date(lastAt).toISOString() : '';
    return [{ alert: { ...alert, status: 'resolved' as const, endsAt }, route, groupKey }];
  });
}

/** Whether `all` contains `some`. An alert has more labels in Alertmanager, because Prometheus adds its external labels. */
function includes(all: Labels, some: Labels): boolean {
  return Object.entries(some).every(([name, value]) => all[name] === value);
}

function hash(labels: Labels): string {
  const sorted = Object.entries(labels).toSorted(([one], [other]) => (one < other ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(sorted)).digest('hex').slice(0, 16);
}
