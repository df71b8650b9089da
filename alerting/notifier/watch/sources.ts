/** Reads alerts from the HTTP APIs of Prometheus and Alertmanager. Used by `reconcile.ts`. */
import { parse } from 'yaml';
import { z } from 'zod';
import { withoutCredentials } from '../credentials.ts';

const timeoutMillis = 10_000;
const labels = z.record(z.string(), z.string());

const samples = z.array(z.tuple([z.number(), z.string()])).min(1);
const Series = z.object({ metric: labels, values: samples });
const Matrix = z.object({ data: z.object({ result: z.array(Series) }) });

export type FiredSeries = Awaited<ReturnType<typeof readFired>>[number];

/**
 * Alerts that fired between `since` and `now`, each with the times of its first and last sample in `ALERTS` (milliseconds since
 * 1970). Reads raw samples, because a query with a step would miss short alerts. @throws Error
 */
export async function readFired(prometheus: URL, since: number, now: number) {
  const seconds = Math.max(1, Math.ceil((now - since) / 1000));
  const query = `ALERTS{alertstate="firing"}[${seconds}s]`;
  const search = new URLSearchParams({ query, time: String(now / 1000) });
  const { data } = Matrix.parse(await getJson(prometheus, `/api/v1/query?${search.toString()}`));
  return data.result.flatMap(({ metric, values }) => {
    const { __name__: _, alertstate: __, ...labels } = metric;
    // The range is rounded up to whole seconds. An alert that ended before `since` was compared earlier.
    const times = values.map(([seconds]) => seconds * 1000).filter((time) => time >= since);
    const [firstAt] = times;
    return firstAt === undefined ? [] : [{ labels, firstAt, lastAt: times.at(-1) ?? firstAt }];
  });
}

const ActiveAlert = z.object({
  labels,
  annotations: labels.default({}),
  state: z.string(),
  activeAt: z.string().default(''),
});
const Alerts = z.object({ data: z.object({ alerts: z.array(ActiveAlert) }) });

export type FiringNow = Awaited<ReturnType<typeof readFiring>>[number];

/** Alerts that are firing now. @throws Error */
export async function readFiring(prometheus: URL) {
  const { data } = Alerts.parse(await getJson(prometheus, '/api/v1/alerts'));
  return data.alerts.filter(({ state }) => state === 'firing');
}

const Configuration = z.object({ data: z.object({ yaml: z.string() }) });
const Global = z.object({ external_labels: labels.default({}) }).nullish();
const Alerting = z.object({ alert_relabel_configs: z.array(z.unknown()).default([]) }).nullish();
const Prometheus = z.object({ global: Global, alerting: Alerting });

/**
 * The labels that Prometheus adds to every alert that it sends. Undefined if it also changes labels (`alert_relabel_configs`), or
 * does not show its configuration.
 */
export async function readExternalLabels(
  prometheus: URL,
): Promise<Record<string, string> | undefined> {
  try {
    const { data } = Configuration.parse(await getJson(prometheus, '/api/v1/status/config'));
    const { global, alerting } = Prometheus.parse(parse(data.yaml));
    return alerting?.alert_relabel_configs.length ? undefined : (global?.external_labels ?? {});
  } catch {
    return undefined;
  }
}

const HeldAlerts = z.array(
  z.object({
    labels,
    annotations: labels.default({}),
    startsAt: z.string(),
    generatorURL: z.string().default(''),
    fingerprint: z.string(),
    status: z.object({ state: z.string() }),
    receivers: z.array(z.object({ name: z.string() })),
  }),
);
const Status = z.object({ config: z.object({ original: z.string() }) });
const Webhook = z.object({ url: z.string().nullish() });
const Receiver = z.object({ name: z.string(), webhook_configs: z.array(Webhook).default([]) });
const Receivers = z.object({ receivers: z.array(Receiver) });

export type Held = Awaited<ReturnType<typeof readHeld>>[number];

/**
 * Alerts that Alertmanager has now. `isNotForUs`: silenced, inhibited, or routed to receivers without a webhook of the notifier.
 * @throws Error
 */
export async function readHeld(alertmanager: URL) {
  const held = HeldAlerts.parse(await getJson(alertmanager, '/api/v2/alerts'));
  const { config } = Status.parse(await getJson(alertmanager, '/api/v2/status'));
  const { receivers } = Receivers.parse(parse(config.original));
  const possible = receivers.filter(({ webhook_configs: all }) => all.some(isOurWebhook));
  const names = new Set(possible.map(({ name }) => name));
  return held.map((alert) => {
    const isOurs = alert.receivers.some(({ name }) => names.has(name));
    const { labels, annotations, startsAt, generatorURL, fingerprint } = alert;
    const isNotForUs = alert.status.state === 'suppressed' || !isOurs;
    return { labels, annotations, startsAt, generatorURL, fingerprint, isNotForUs };
  });
}

/** Alertmanager 0.26 and later hide the URL, or read it from a file: then any webhook may be the notifier's. */
function isOurWebhook({ url }: z.infer<typeof Webhook>): boolean {
  const shown = URL.parse(url ?? '');
  return shown === null || /\/alerts\/[^/]+$/.test(shown.pathname);
}

async function getJson(base: URL, path: string): Promise<unknown> {
  const { url, headers } = withoutCredentials(base);
  const response = await fetch(`${url.href.replace(/\/$/, '')}${path}`, {
    headers,
    signal: AbortSignal.timeout(timeoutMillis),
  });
  if (!response.ok) throw new Error(`expected 200, got HTTP ${response.status}`);
  return response.json();
}
