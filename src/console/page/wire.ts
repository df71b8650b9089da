/** What the service answers under `/api`, as the page reads it. */
import type { Text } from '../../../otel/text.ts';

export type ServiceState = 'loading' | 'ready' | 'restarting' | 'stopped' | 'draining';

export interface Status {
  service: { name: string; version: string };
  model: { id: string; title: string; demo: boolean; notice?: string };
  state: ServiceState;
  restarts: number;
  /** How many answers run at once, and the tokens each can hold; absent while the model loads. */
  sequences?: number;
  contextTokens?: number;
  queue: { depth: number; limit: number };
  /** Whether `/v1` asks for an API key. */
  needsKey: boolean;
  links: Partial<Record<'prometheus' | 'grafana' | 'alertmanager' | 'jaeger' | 'notifier', string>>;
}

export interface Thresholds {
  red: number;
  orange?: number;
  when: 'above' | 'below';
}

export interface Panel {
  id: string;
  title: Text;
  meaning: Text;
  kind: 'stat' | 'info' | 'gauge' | 'timeseries' | 'stacked' | 'heatmap';
  unit: string;
  thresholds?: Thresholds;
  whenRed?: Text & { runbook: string };
  words?: Record<string, Text>;
}

export interface Dashboard {
  id: string;
  title: Text;
  meaning: Text;
  rows: { title?: Text; panels: string[] }[];
}

export interface PanelList {
  dashboards: Dashboard[];
  panels: Panel[];
}

export interface PanelSeries {
  legend: string;
  /** Epoch seconds; null where there is no finite value. */
  points: [number, number | null][];
}

export interface Exemplar {
  /** Epoch seconds. */
  at: number;
  value: number;
  traceId: string;
}

export interface PanelAnswer {
  /** `none`: Prometheus is not configured or does not answer, as `reason` explains. */
  source: 'prometheus' | 'none';
  reason?: Text;
  from: number;
  to: number;
  stepSeconds: number;
  series: PanelSeries[];
  exemplars?: Exemplar[];
}

export interface Alert {
  fingerprint: string;
  name: string;
  severity: string;
  state: 'firing' | 'silenced' | 'inhibited';
  startsAt: string;
  summary: Text;
  description: Text;
  labels: Record<string, string>;
  runbook?: string;
  dashboardUrl?: string;
  silenceIds: string[];
  silences: { createdBy: string; reason: string; endsAt: string }[];
}

export interface Notification {
  id: number;
  /** ISO 8601. */
  at: string;
  channel: string;
  state: 'pending' | 'delivered' | 'dead';
  attempts: number;
  title: string;
  lastReason: string | null;
  lastDetail: string | null;
}

export interface AlertList {
  source: 'alertmanager' | 'none';
  reason?: Text;
  alerts: Alert[];
  notifications: Notification[];
  /** Why nothing is known of deliveries. */
  notificationsReason?: Text;
  /** ISO 8601: when the alert that always fires arrived last. */
  watchdogSeenAt: string | null;
}
