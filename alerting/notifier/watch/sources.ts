/** Reads the alerts that Prometheus and Alertmanager know of from their HTTP APIs. Used by `reconcile.ts`. */
import { parse } from 'yaml';
import { z } from 'zod';

const timeoutMillis = 10_000;
const labels = z.record(z.string(), z.string());

/** First and last sample of one alert in `ALERTS`. Milliseconds since 1970. */
export interface FiredSeries {
  labels: Record<string, string>;
  firstAt: number;
  lastAt: number;
}

/** An alert that is firing now, from Prometheus. */
export interface FiringNow {
  labels: Record<string, string>;
  annotations: Record<string, string>;
  activeAt: string;
}

/** An alert that Alertmanager has now. */
export interface Held {
  labels: Record<string, string>;
  startsAt: string;
  fingerprint: string;
  /** Silenced, inhibited, or routed to receivers without a webhook. */
  isNotForUs: boolean;
}

const Matrix = z.object({
  data: z.object({
    result: z.array(
      z.object({ metric: labels, values: z.array(z.tuple([z.number(), z.string()])).min(1) }),
    ),
  }),
});

/** Alerts that fired between `since` and `now`. Reads raw samples, because a query with a step would miss short alerts. @throws Error */
export async function readFired(
  prometheus: URL,
  since: number,
  now: number,
): Promise<FiredSeries[]> {
  const seconds = Math.max(1, Math.ceil((now - since) / 1000));
  const query = `ALERTS{alertstate="firing"}[${seconds}s]`;
  const search = new URLSearchParams({ query, time: String(now / 1000) });
  const { data } = Matrix.parse(await getJson(prometheus, `/api/v1/query?${search.toString()}`));
  return data.result.map(({ metric, values }) => {
    const { __name__: _, alertstate: __, ...own } = metric;
    const [first] = values;
    const last = values.at(-1);
    return { labels: own, firstAt: (first?.[0] ?? 0) * 1000, lastAt: (last?.[0] ?? 0) * 1000 };
  });
}

const Alerts = z.object({
  data: z.object({
    alerts: z.array(
      z.object({
        labels,
        annotations: labels.default({}),
        state: z.string(),
        activeAt: z.string().default(''),
      }),
    ),
  }),
});

/** @throws Error */
export async function readFiring(prometheus: URL): Promise<FiringNow[]> {
  const { data } = Alerts.parse(await getJson(prometheus, '/api/v1/alerts'));
  return data.alerts.filter(({ state }) => state === 'firing');
}

const HeldAlerts = z.array(
  z.object({
    labels,
    startsAt: z.string(),
    fingerprint: z.string(),
    status: z.object({ state: z.string() }),
    receivers: z.array(z.object({ name: z.string() })),
  }),
);
const Status = z.object({ config: z.object({ original: z.string() }) });
const Receivers = z.object({
  receivers: z.array(
    z.object({ name: z.string(), webhook_configs: z.array(z.unknown()).optional() }),
  ),
});

/** @throws Error */
export async function readHeld(alertmanager: URL): Promise<Held[]> {
  const held = HeldAlerts.parse(await getJson(alertmanager, '/api/v2/alerts'));
  const { config } = Status.parse(await getJson(alertmanager, '/api/v2/status'));
  const { receivers } = Receivers.parse(parse(config.original));
  // Newer releases of Alertmanager hide webhook URLs, so any receiver with a webhook may be the notifier.
  const possible = new Set(
    receivers.flatMap(({ name, webhook_configs: webhooks = [] }) =>
      webhooks.length > 0 ? [name] : [],
    ),
  );
  return held.map(({ labels, startsAt, fingerprint, status, receivers: to }) => ({
    labels,
    startsAt,
    fingerprint,
    isNotForUs: status.state === 'suppressed' || !to.some(({ name }) => possible.has(name)),
  }));
}

async function getJson(base: URL, path: string): Promise<unknown> {
  const url = new URL(base);
  url.pathname = url.pathname.replace(/\/$/, '');
  // `fetch` rejects URLs with credentials.
  const { username, password } = url;
  url.username = url.password = '';
  const authorization = `Basic ${Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64')}`;
  const response = await fetch(`${url.href.replace(/\/$/, '')}${path}`, {
    headers: username === '' ? {} : { authorization },
    signal: AbortSignal.timeout(timeoutMillis),
  });
  if (!response.ok) throw new Error(`expected 200, got HTTP ${response.status}`);
  return response.json();
}
