/**
 * The bodies that the console's endpoints answer, as zod schemas. The endpoints document them, and the page takes its types from
 * here; it type-checks without Node, so this file imports nothing that needs Node.
 */
import { z } from 'zod';
import { serviceStates } from '../../../otel/names.ts';
import type { PanelInfo } from '../../../otel/panels/panel.ts';

const Text = z.object({ en: z.string(), zh: z.string() });

/** GET /api/status */
export const Status = z.object({
  service: z.object({ name: z.string(), version: z.string() }),
  model: z.object({
    id: z.string(),
    title: z.string(),
    demo: z.boolean(),
    notice: z.string().optional(),
  }),
  state: z.enum(serviceStates),
  /** Why the model cannot be loaded, in state `failed`. */
  failure: z.string().optional(),
  /** Restarts of the engine process. */
  restarts: z.int(),
  /** How many answers can be generated at once; absent while the model loads. */
  sequences: z.int().optional(),
  /** Context size of each sequence; absent while the model loads. */
  contextTokens: z.int().optional(),
  queue: z.object({ depth: z.int(), limit: z.int() }),
  /** Whether /v1 requires an API key. */
  needsKey: z.boolean(),
  /** URLs for the browser. */
  links: z.partialRecord(
    z.enum(['prometheus', 'grafana', 'alertmanager', 'jaeger', 'notifier']),
    z.string().optional(),
  ),
});
export type Status = z.infer<typeof Status>;

const Dashboard = z.object({
  id: z.string(),
  title: Text,
  meaning: Text,
  rows: z.array(z.object({ title: Text.optional(), panels: z.array(z.string()) })),
});
export type Dashboard = z.infer<typeof Dashboard>;

const Panel = z.object({
  id: z.string(),
  title: Text,
  meaning: Text,
  kind: z.enum(['stat', 'info', 'gauge', 'timeseries', 'stacked', 'heatmap']),
  /** UCUM. */
  unit: z.string(),
  /** The values of the panel before the first request: zero, some value, or no sample. */
  idle: z.enum(['zero', 'value', 'nothing']),
  thresholds: z
    .object({ red: z.number(), orange: z.number().optional(), when: z.enum(['above', 'below']) })
    .optional(),
  whenRed: Text.extend({ runbook: z.string() }).optional(),
  /** Words in place of numbers, by number. */
  words: z.record(z.string(), Text).optional(),
}) as unknown as z.ZodType<PanelInfo>;

/** GET /api/panels. The queries stay in the service. */
export const PanelList = z.object({
  dashboards: z.array(Dashboard),
  panels: z.array(Panel),
});
export type PanelList = z.infer<typeof PanelList>;

const Series = z.object({
  legend: z.string(),
  /** Epoch seconds and value; null for a gap. */
  points: z.array(z.tuple([z.number(), z.number().nullable()])),
});
export type Series = z.infer<typeof Series>;

const Exemplar = z.object({
  /** Epoch seconds. */
  at: z.number(),
  value: z.number(),
  traceId: z.string(),
});
export type Exemplar = z.infer<typeof Exemplar>;

/** GET /api/panels/{id} */
export const PanelData = z.object({
  /** `none`: Prometheus is not configured or does not answer; `reason` explains which, and there are no series. */
  source: z.enum(['prometheus', 'none']),
  reason: Text.optional(),
  /** Epoch seconds. */
  from: z.number(),
  to: z.number(),
  stepSeconds: z.number(),
  /** For a heatmap: one series a bucket, ascending and cumulative, with the upper bound as its legend. */
  series: z.array(Series),
  /** Largest value first. */
  exemplars: z.array(Exemplar),
});
export type PanelData = z.infer<typeof PanelData>;

const Alert = z.object({
  fingerprint: z.string(),
  name: z.string(),
  severity: z.string(),
  state: z.enum(['firing', 'silenced', 'inhibited']),
  /** ISO 8601, as every time below. */
  startsAt: z.string(),
  summary: Text,
  description: Text,
  labels: z.record(z.string(), z.string()),
  /** Name for GET /api/runbooks/{name}. */
  runbook: z.string().optional(),
  dashboardUrl: z.string().optional(),
  silenceIds: z.array(z.string()),
  silences: z.array(z.object({ createdBy: z.string(), reason: z.string(), endsAt: z.string() })),
});
export type Alert = z.infer<typeof Alert>;

export const Notification = z.object({
  id: z.int(),
  /** When the notifier received the alert. */
  at: z.string(),
  channel: z.string(),
  state: z.enum(['pending', 'delivered', 'dead']),
  attempts: z.int(),
  /** In the language of the notifier. */
  title: z.string(),
  /** Why the last attempt failed. */
  lastReason: z.string().nullable(),
  lastDetail: z.string().nullable(),
});
export type Notification = z.infer<typeof Notification>;

/** GET /api/alerts */
export const AlertList = z.object({
  source: z.enum(['alertmanager', 'none']),
  /** Why Alertmanager was not read. */
  reason: Text.optional(),
  /** Newest first, without the Watchdog. */
  alerts: z.array(Alert),
  /** Newest first. */
  notifications: z.array(Notification),
  /** Why the notifier was not read. */
  notificationsReason: Text.optional(),
  /** When the notifier last received the Watchdog, the alert that always fires to prove that alerts are delivered. */
  watchdogSeenAt: z.string().nullable(),
});
export type AlertList = z.infer<typeof AlertList>;
