/** All series that Prometheus can have, with their labels: of the contract, of the rules, and a few of other programs. */
import { readFileSync, globSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { metrics, type MetricDefinition } from '../../../otel/names.ts';
import { labelName } from '../../../otel/prometheus/prometheus-names.ts';
import { resultLabels, seriesIn, type KnownSeries } from './prometheus-grammar.ts';

export const root = path.join(import.meta.dirname, '../../..');

export interface Rule {
  record?: string;
  alert?: string;
  expr: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
}

/** Series of other programs that queries use: of Prometheus, its scrapes and Alertmanager. */
const foreign: Record<string, string[]> = {
  up: [],
  target_info: ['service_name', 'service_version', 'service_instance_id'],
  scrape_duration_seconds: [],
  scrape_samples_scraped: [],
  scrape_samples_post_metric_relabeling: [],
  prometheus_tsdb_head_series: [],
  prometheus_rule_group_last_duration_seconds: ['rule_group'],
  prometheus_rule_group_interval_seconds: ['rule_group'],
  prometheus_rule_evaluation_failures_total: ['rule_group'],
  prometheus_rule_group_iterations_missed_total: ['rule_group'],
  prometheus_notifications_sent_total: ['alertmanager'],
  prometheus_notifications_errors_total: ['alertmanager'],
  prometheus_notifications_dropped_total: [],
  prometheus_notifications_alertmanagers_discovered: [],
  alertmanager_alerts: ['state'],
  alertmanager_notifications_total: ['integration'],
  alertmanager_notifications_failed_total: ['integration', 'reason'],
};

export function readRuleFiles(): Map<string, Rule[]> {
  const files = globSync('alerting/generated/*.yml', { cwd: root }).toSorted();
  return new Map(files.map((file) => [file, parseRules(readText(file))]));
}

export function parseRules(text: string): Rule[] {
  const { groups } = parse(text) as { groups: { rules: Rule[] }[] };
  return groups.flatMap(({ rules }) => rules);
}

export function readText(file: string): string {
  return readFileSync(path.join(root, file), 'utf8');
}

const definitions: readonly MetricDefinition[] = Object.values(metrics);

/** The labels that every scrape adds. */
const target = ['job', 'instance'];

export function knownSeries(rules: readonly Rule[]): KnownSeries {
  const known = new Map<string, Set<string>>();
  const add = (name: string, labels: Iterable<string>): void => {
    known.set(name, new Set([...(known.get(name) ?? []), ...labels]));
  };
  for (const { scraped, kind, labels } of definitions) {
    const ours = [...labels.map(labelName), ...target];
    if (kind !== 'histogram') add(scraped, ours);
    else {
      add(`${scraped}_bucket`, [...ours, 'le']);
      for (const part of ['sum', 'count']) add(`${scraped}_${part}`, ours);
    }
  }
  for (const [name, labels] of Object.entries(foreign)) add(name, [...labels, ...target]);
  add('ALERTS', ['alertname', 'alertstate']);
  // A recording may use recordings: each pass resolves one more level.
  for (const _ of [1, 2, 3]) {
    for (const rule of rules) {
      const labels = [...resultLabels(rule.expr, known), ...Object.keys(rule.labels ?? {})];
      add(rule.record ?? 'ALERTS', labels);
    }
  }
  return known;
}

/** The finite bounds of a `_bucket` series, also through recordings; empty if it is not a histogram of ours. */
export function bucketsOf(series: string, rules: readonly Rule[]): readonly number[] {
  const definition = definitions.find(({ scraped }) => `${scraped}_bucket` === series);
  if (definition !== undefined) return definition.buckets ?? [];
  const source = rules.find(({ record }) => record === series);
  return source === undefined
    ? []
    : seriesIn(source.expr).flatMap((name) => bucketsOf(name, rules));
}
