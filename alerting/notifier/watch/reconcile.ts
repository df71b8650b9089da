/**
 * Holds what was told against what Prometheus and Alertmanager know: alerts that Alertmanager dropped, and ends that it
 * never told, are found and told as such. Started by `main.ts`.
 */
import { createHash } from 'node:crypto';
import type { Logger } from '../../../otel/logger.ts';
import type { Heard, HeardAlert } from '../outbox/heard.ts';
import type { Intake } from '../intake.ts';
import { readFired, readFiring, readHeld } from './sources.ts';
import type { FiredSeries, FiringNow, Held } from './sources.ts';
import { ownPayload, watchdogName } from '../webhook.ts';
import type { Alert } from '../webhook.ts';

export interface ReconcileOptions {
  prometheus: URL;
  alertmanager: URL;
  heard: Heard;
  tell: Intake;
  log: Logger;
  /** How long Alertmanager may take before we tell in its place. */
  graceSeconds: number;
  now: () => number;
}

/** Up to here everything is reconciled; what came later may still be told. */
const cursorMark = 'reconciled';
/** After a longer absence the older past stays untold. */
const longestLookMillis = 86_400_000;

type Labels = Record<string, string>;

/** One check. Does nothing while Prometheus cannot be asked; the next one covers that time, too. */
export async function reconcile(options: ReconcileOptions): Promise<void> {
  const { prometheus, alertmanager, heard, tell, log, graceSeconds, now } = options;
  const at = now();
  const settledAt = at - graceSeconds * 1000;
  const since = Math.max(heard.mark(cursorMark) ?? settledAt, at - longestLookMillis);
  try {
    const fired = await readFired(prometheus, since, at);
    const firing = await readFiring(prometheus);
    const held = await readHeld(alertmanager).catch(() => undefined);
    for (const alert of held ?? []) {
      if (alert.isNotForUs) heard.noteNotForUs(heldAlert(alert), at);
    }
    const known = heard.since(since);
    const neverTold = findNeverTold({ fired, firing, known, settledAt });
    const notEnded =
      held === undefined ? [] : findNotEnded({ fired, firing, known, held, settledAt });
    for (const alert of neverTold) {
      tell(ownPayload('never_told', `reconcile/${alert.fingerprint}`, [alert]), {
        route: 'default',
      });
    }
    for (const { alert, route, groupKey } of notEnded) {
      tell(ownPayload('end_never_told', groupKey, [alert]), { route });
    }
    heard.setMark(cursorMark, settledAt);
    const found = { never_told: neverTold.length, end_never_told: notEnded.length };
    if (neverTold.length + notEnded.length > 0) log.warn(found, 'reconciled');
  } catch (error) {
    const reason = error instanceof Error ? error.name : 'an error';
    log.warn({ reason }, 'cannot reconcile now; the next check covers this time, too');
  }
}

interface Facts {
  fired: readonly FiredSeries[];
  firing: readonly FiringNow[];
  known: readonly HeardAlert[];
  /** What happened later may still be on its way. */
  settledAt: number;
}

/** Alerts that fired, long enough ago, in a time for which nobody told us of them. */
export function findNeverTold({ fired, firing, known, settledAt }: Facts): Alert[] {
  const knownByName = Map.groupBy(known, ({ alert }) => alert.labels['alertname'] ?? '');
  return fired.flatMap(({ labels, firstAt, lastAt }) => {
    if (labels['alertname'] === watchdogName || firstAt > settledAt) return [];
    const sameName = knownByName.get(labels['alertname'] ?? '') ?? [];
    const isKnown = sameName.some(
      ({ alert, startsAt, endsAt }) =>
        includes(alert.labels, labels) &&
        startsAt <= lastAt + 1000 &&
        (endsAt ?? lastAt) >= firstAt,
    );
    if (isKnown) return [];
    const current = firing.find((candidate) => isSame(candidate.labels, labels));
    return [
      {
        status: current === undefined ? 'resolved' : 'firing',
        labels,
        annotations: current?.annotations ?? {},
        startsAt: current?.activeAt ?? new Date(firstAt).toISOString(),
        endsAt: current === undefined ? new Date(lastAt).toISOString() : '',
        generatorURL: '',
        fingerprint: `reconciled-${hash(labels)}`,
      },
    ];
  });
}

/** Alerts that we told as firing, and that neither Prometheus nor Alertmanager has had for long enough. */
export function findNotEnded({
  fired,
  firing,
  known,
  held,
  settledAt,
}: Facts & { held: readonly Held[] }): Pick<HeardAlert, 'alert' | 'route' | 'groupKey'>[] {
  return known.flatMap(({ alert, status, heardAt, route, groupKey }) => {
    if (status !== 'firing' || heardAt > settledAt) return [];
    const { labels } = alert;
    if (firing.some((candidate) => includes(labels, candidate.labels))) return [];
    if (
      held.some(
        (candidate) => includes(labels, candidate.labels) || includes(candidate.labels, labels),
      )
    )
      return [];
    const series = fired.filter((candidate) => includes(labels, candidate.labels));
    const lastAt = Math.max(...series.map((candidate) => candidate.lastAt));
    if (lastAt > settledAt) return [];
    // Where Prometheus no longer has its samples, when it ended is not known.
    const endsAt = series.length > 0 ? new Date(lastAt).toISOString() : '';
    return [{ alert: { ...alert, status: 'resolved', endsAt }, route, groupKey }];
  });
}

function heldAlert({ labels, startsAt, fingerprint }: Held): Alert {
  return {
    status: 'firing',
    labels,
    annotations: {},
    startsAt,
    endsAt: '',
    generatorURL: '',
    fingerprint,
  };
}

/** Alertmanager's labels are Prometheus' and its external ones. */
function includes(all: Labels, some: Labels): boolean {
  return Object.entries(some).every(([name, value]) => all[name] === value);
}

function isSame(one: Labels, other: Labels): boolean {
  return includes(one, other) && includes(other, one);
}

function hash(labels: Labels): string {
  const sorted = Object.entries(labels).toSorted(([one], [other]) => (one < other ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(sorted)).digest('hex').slice(0, 16);
}
