/** What the service answers under `/api`, as the page reads it. */

/** What a person reads, in both languages. */
export interface Words {
  en: string;
  zh: string;
}

export type ServiceState = 'loading' | 'ready' | 'restarting' | 'stopped' | 'draining';

export interface Status {
  service: { name: string; version: string };
  model: { id: string; title: string; demo: boolean; notice?: string };
  state: ServiceState;
  restarts: number;
  sequences?: { active: number; limit: number } | number;
  queue?: { depth: number; limit: number };
  links: Partial<Record<'prometheus' | 'grafana' | 'alertmanager' | 'jaeger' | 'notifier', string>>;
}

export const traceFilters = ['all', 'slow', 'failed', 'cancelled'] as const;
export type TraceFilter = (typeof traceFilters)[number];

export interface TraceSummary {
  traceId: string;
  name: string;
  /** Epoch milliseconds. */
  startedAt: number;
  durationMillis: number;
  failed: boolean;
  outcome?: string;
  reason?: string;
  spans: number;
}

export interface Thresholds {
  red: number;
  orange?: number;
  when: 'above' | 'below';
}

export interface Panel {
  id: string;
  title: Words;
  meaning: Words;
  kind: 'stat' | 'info' | 'gauge' | 'timeseries' | 'stacked' | 'heatmap';
  unit: string;
  idle: Words;
  thresholds?: Thresholds;
  whenRed?: Words & { runbook: string };
  words?: Record<string, Words>;
}

export interface Dashboard {
  id: string;
  title: Words;
  meaning: Words;
  rows: { title?: Words; panels: string[] }[];
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
  /** `process`: no Prometheus answers, and this is what the service itself knows. */
  source: 'prometheus' | 'process';
  reason?: Words;
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
  summary: Words;
  description: Words;
  labels: Record<string, string>;
  runbook?: string;
  dashboardUrl?: string;
  silenceIds: string[];
}

export interface Notification {
  id: string | number;
  at: string | number;
  alert?: string;
  channel: string;
  state: 'pending' | 'delivered' | 'dead';
  attempts: number;
  title: string;
}

export interface AlertList {
  source: 'alertmanager' | 'none';
  reason?: Words;
  alerts: Alert[];
  notifications: Notification[];
}
