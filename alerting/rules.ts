/**
 * All recording and alerting rules, put together from `rules/*.ts`; writes `rules/*.yml`, which Prometheus loads. Run as
 * `node alerting/rules.ts`; the files are committed and a test fails when they drift. `ALERT_*` variables set the numbers
 * (`thresholds.ts`).
 *
 *   --time-scale N       divides every window and `for` by N, for tests that cannot wait minutes
 *   --out DIR            where to write (alerting/rules)
 *   --runbooks-url URL   where runbook pages are read; the notifier serves them (http://127.0.0.1:8060/runbooks)
 *   --prometheus-url URL where a graph is drawn (http://127.0.0.1:9090)
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
import { formatDuration, withLinks } from './rules/rule.ts';
import type { Alert, AlertRule, RecordingRule, RuleContext } from './rules/rule.ts';
import { seedAlerts } from './rules/seed-alerts.ts';
import { seedNames } from './rules/seed-names.ts';
import { sloAlerts, sloRecordings } from './rules/slo.ts';
import { telemetryAlerts } from './rules/telemetry.ts';
import { defaultThresholds, readThresholds } from '../otel/thresholds.ts';
import type { Thresholds } from '../otel/thresholds.ts';

export interface RuleFile {
  /** Written as `<name>.yml`. */
  name: string;
  groups: { name: string; rules: (RecordingRule | AlertRule)[] }[];
}

export interface RuleOptions {
  timeScale?: number;
  runbooksUrl?: string;
  prometheusUrl?: string;
  thresholds?: Thresholds;
}

/**
 * All rule files. `timeScale` divides windows and `for`.
 * @throws RangeError when the time scale is not a number >= 1.
 */
export function ruleFiles({
  timeScale = 1,
  runbooksUrl = 'http://127.0.0.1:8060/runbooks',
  prometheusUrl = 'http://127.0.0.1:9090',
  thresholds = defaultThresholds,
}: RuleOptions = {}): RuleFile[] {
  if (!(timeScale >= 1))
    throw new RangeError(`--time-scale: expected a number >= 1, got ${timeScale}`);
  const seconds = (count: number): number => count / timeScale;
  const duration = (count: number): string => formatDuration(seconds(count));
  const context: RuleContext = { thresholds, duration, seconds };
  const linked = (alerts: Alert[]): AlertRule[] =>
    alerts.map((alert) => withLinks(alert, runbooksUrl, prometheusUrl));
  return [
    file('seed-names', seedNames(context)),
    file('seed-alerts', linked(seedAlerts(context)), 'qwen-alerts'),
    file('slo', [...sloRecordings(context), ...linked(sloAlerts(context))]),
    file('latency', linked(latencyAlerts(context))),
    file('chat', linked(chatAlerts(context))),
    file('answers', linked(answerAlerts(context))),
    file('process', linked(processAlerts(context))),
    file('telemetry', linked(telemetryAlerts(context))),
    file('delivery', linked(deliveryAlerts(context))),
  ];
}

function file(name: string, rules: (RecordingRule | AlertRule)[], group = name): RuleFile {
  return { name, groups: [{ name: group, rules }] };
}

/** The text of one rule file, as committed. */
export function writeRuleFile({ name, groups }: RuleFile): string {
  const document = new Document({ groups });
  document.commentBefore = ` Written by \`node alerting/rules.ts\` from ${name}.ts; edit that file, not this one.`;
  visit(document, {
    Pair(_, pair) {
      // A blank line between rules is what a reader's eye needs; `yaml` writes none by itself.
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
      out: { type: 'string', default: join(import.meta.dirname, 'rules') },
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
