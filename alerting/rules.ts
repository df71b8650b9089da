/**
 * Generates `alerting/generated/*.yml`, the recording and alerting rules that Prometheus loads, from `rules/*.ts`. `ALERT_*`
 * variables override the numbers (`otel/thresholds.ts`). Run by `make generate`.
 *
 *   --out DIR            where to write (alerting/generated)
 *   --time-scale N       divides every window and `for` by N, for tests that cannot wait minutes
 *   --runbooks-url URL   address of the runbook pages, which the notifier serves (http://127.0.0.1:8060/runbooks)
 *   --prometheus-url URL address of Prometheus for links to graphs (http://127.0.0.1:9090)
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Document, visit } from 'yaml';
import { answerAlerts } from './rules/answers.ts';
import { chatAlerts } from './rules/chat.ts';
import { deliveryAlerts } from './rules/delivery.ts';
import { latencyAlerts } from './rules/latency.ts';
import { processAlerts } from './rules/process.ts';
import { toPromDuration, toRule } from './rules/rule.ts';
import type { Alert, AlertRule, RecordingRule, RuleContext } from './rules/rule.ts';
import { seedAlerts } from './rules/seed-alerts.ts';
import { seedNames } from './rules/seed-names.ts';
import { sloAlerts, sloRecordings } from './rules/slo.ts';
import { telemetryAlerts } from './rules/telemetry.ts';
import { defaultThresholds, readThresholds } from '../otel/thresholds.ts';
import type { Thresholds } from '../otel/thresholds.ts';

export interface RuleFile {
  /** The file is `<name>.yml`. */
  name: string;
  groups: { name: string; rules: (RecordingRule | AlertRule)[] }[];
}

export interface RuleOptions {
  timeScale?: number;
  runbooksUrl?: string;
  prometheusUrl?: string;
  thresholds?: Thresholds;
}

/** @throws RangeError when the time scale is not a number >= 1. */
export function ruleFiles({
  timeScale = 1,
  runbooksUrl = 'http://127.0.0.1:8060/runbooks',
  prometheusUrl = 'http://127.0.0.1:9090',
  thresholds = defaultThresholds,
}: RuleOptions = {}): RuleFile[] {
  if (!(timeScale >= 1))
    throw new RangeError(`--time-scale: expected a number >= 1, got ${timeScale}`);
  const seconds = (count: number): number => count / timeScale;
  const duration = (count: number): string => toPromDuration(seconds(count));
  const context: RuleContext = { thresholds, duration, seconds };
  const urls = { runbooks: runbooksUrl, prometheus: prometheusUrl };
  const withTexts = (alerts: Alert[]): AlertRule[] =>
    alerts.map((alert) => toRule(alert, context, urls));
  return [
    file('seed-names', seedNames(context)),
    file('seed-alerts', withTexts(seedAlerts), 'qwen-alerts'),
    file('slo', [...sloRecordings(context), ...withTexts(sloAlerts(context))]),
    file('latency', withTexts(latencyAlerts)),
    file('chat', withTexts(chatAlerts)),
    file('answers', withTexts(answerAlerts)),
    file('process', withTexts(processAlerts)),
    file('telemetry', withTexts(telemetryAlerts)),
    file('delivery', withTexts(deliveryAlerts)),
  ];
}

function file(name: string, rules: (RecordingRule | AlertRule)[], group = name): RuleFile {
  return { name, groups: [{ name: group, rules }] };
}

export function writeRuleFile({ name, groups }: RuleFile): string {
  const document = new Document({ groups });
  document.commentBefore = ` Generated from alerting/rules/${name}.ts by \`make generate\`.`;
  visit(document, {
    Pair(_, pair) {
      // Add a blank line between rules, because `yaml` writes none.
      const rules = pair.value;
      if (String(pair.key) !== 'rules' || !rules || typeof rules !== 'object') return;
      if (!('items' in rules) || !Array.isArray(rules.items)) return;
      for (const rule of rules.items.slice(1)) rule.spaceBefore = true;
    },
  });
  return document.toString({ lineWidth: 0 });
}

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({
    options: {
      'time-scale': { type: 'string', default: '1' },
      out: { type: 'string', default: join(import.meta.dirname, 'generated') },
      'runbooks-url': { type: 'string' },
      'prometheus-url': { type: 'string' },
    },
  });
  mkdirSync(values.out, { recursive: true });
  const files = ruleFiles({
    timeScale: Number(values['time-scale']),
    thresholds: readThresholds(process.env),
    ...(values['runbooks-url'] && { runbooksUrl: values['runbooks-url'] }),
    ...(values['prometheus-url'] && { prometheusUrl: values['prometheus-url'] }),
  });
  for (const file of files)
    writeFileSync(join(values.out, `${file.name}.yml`), writeRuleFile(file));
}
