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
  /** In front of the server of BACKEND_URL, which has no restarts, sequences, context and queue of ours; `reason`: why it is not ready. */
  backend: z.object({ host: z.string(), reason: z.string().optional() }).optional(),
  /** Restarts of the engine process. */
  restarts: z.int().optional(),
  /** How many answers can be generated at once; absent while the model loads. */
  sequences: z.int().optional(),
  /** Context size of each sequence; absent while the model loads. */
  contextTokens: z.int().optional(),
  queue: z.object({ depth: z.int(), limit: z.int() }).optional(),
  /** Whether /v1 requires an API key. */
  needsKey: z.boolean(),
  /** The disk is full, so log lines are lost. */
  logDiskFull: z.boolean().optional(),
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
  /** Words in place of a negative rest of a budget; `{times}` is how often it was spent. */
  overspent: Text.optional(),
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
  /** Whether its route leads to a receiver that notifies somebody. */
  notifies: z.boolean(),
  /** Name for GET /api/runbooks/{name}. */
  runbook: z.string().optional(),
  dashboardUrl: z.string().optional(),
  silences: z.array(
    z.object({ id: z.string(), createdBy: z.string(), reason: z.string(), endsAt: z.string() }),
  ),
});
export type Alert = z.infer<typeof Alert>;

const Missing = z.object({
  peer: z.enum(['prometheus', 'alertmanager', 'notifier']),
  /** False: no URL is set, so nobody expects an answer. */
  isConfigured: z.boolean(),
  reason: Text,
});
export type Missing = z.infer<typeof Missing>;

/** GET /api/alerts */
export const AlertList = z.object({
  /** Newest first, without the Watchdog. Empty if Alertmanager is missing. */
  alerts: z.array(Alert),
  /** When the notifier last received the Watchdog, the alert that always fires to prove that alerts are delivered. */
  watchdogSeenAt: z.string().nullable(),
  /** The programs on the path of an alert that do not answer. */
  missing: z.array(Missing),
});
export type AlertList = z.infer<typeof AlertList>;

const AlertingRule = z.object({
  name: z.string(),
  severity: z.string(),
  /** The labels that the rule adds, without the severity. */
  labels: z.record(z.string(), z.string()),
  summary: Text,
  /** `broken`: Prometheus cannot evaluate the rule, so it never fires. */
  state: z.enum(['firing', 'pending', 'inactive', 'broken']),
  /** In state `broken`. */
  error: z.string().optional(),
  /** The condition as PromQL. */
  query: z.string(),
  /** The first comparison of the condition; absent if it compares nothing with a number. */
  bound: z.object({ operator: z.enum(['>', '>=', '<', '<=', '==']), value: z.number() }).optional(),
  /** UCUM: `s`, `1` for a ratio, or empty. */
  unit: z.enum(['s', '1', '']),
  /** How long the condition must hold. */
  forSeconds: z.number(),
  /** What is compared with the bound, now: the worst series. Null without one. */
  value: z.number().nullable(),
  /** Since when the condition holds, in the states `firing` and `pending`. */
  activeAt: z.string().optional(),
  /** The last time at which it fired, within the last 7 days. */
  lastFiredAt: z.string().nullable(),
  runbook: z.string().optional(),
});
export type AlertingRule = z.infer<typeof AlertingRule>;

/** GET /api/rules */
export const RuleList = z.object({
  /** In the order of severity and name, without the Watchdog. */
  rules: z.array(AlertingRule),
  /** Why there are no rules. */
  reason: Text.optional(),
});
export type RuleList = z.infer<typeof RuleList>;

export const Delivery = z.object({
  id: z.int(),
  /** Whether it told of the start or of the end. */
  about: z.enum(['firing', 'resolved']),
  channel: z.string(),
  state: z.enum(['pending', 'delivered', 'dead']),
  /** When it was delivered or given up; else when the notifier received it. */
  at: z.string(),
  attempts: z.int(),
  /** Why the last attempt failed. */
  lastReason: z.string().nullable(),
  lastDetail: z.string().nullable(),
});
export type Delivery = z.infer<typeof Delivery>;

const Episode = z.object({
  name: z.string(),
  labels: z.record(z.string(), z.string()),
  severity: z.string(),
  summary: Text,
  firedAt: z.string(),
  /** Null while it fires, or if its end is not known. */
  resolvedAt: z.string().nullable(),
  isFiring: z.boolean(),
  /** Oldest first. */
  deliveries: z.array(Delivery),
});
export type Episode = z.infer<typeof Episode>;

/** GET /api/alert-history */
export const AlertHistory = z.object({
  hours: z.int(),
  /** Newest first, without the Watchdog. */
  episodes: z.array(Episode),
  missing: z.array(Missing),
});
export type AlertHistory = z.infer<typeof AlertHistory>;
