/**
 * Generates `otel/generated/metrics.md`, the reference of all metrics, from `names.ts`, `outcomes.ts` and `deviations.ts`. Run by `make generate`.
 *
 *   --out DIR  where to write (otel/generated)
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { deviations } from './deviations.ts';
import { metrics, type MetricDefinition } from './names.ts';
import { writeOutcomes } from './outcomes.ts';

function writeMetricsPage(): string {
  const sections = Object.values<MetricDefinition>(metrics).map(writeMetric);
  return `<!-- Generated from otel/names.ts and otel/outcomes.ts by \`make generate\`. -->

# Metrics

Every metric that llamascope emits, by its OpenTelemetry name. Names in Prometheus follow OpenTelemetry's
[compatibility specification](https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/): dots become
underscores, the unit is a suffix, counters end with \`_total\`. Every label has a bounded set of values, none of them set by a client.

${sections.join('\n')}
${writeOutcomes()}
${writeDeviations()}`;
}

function writeDeviations(): string {
  const rows = deviations.map(
    ({ name, conventions, here, why }) => `| ${code(name)} | ${conventions} | ${here} | ${why} |`,
  );
  return `## Deviations

Names, instruments and units are those of OpenTelemetry's
[semantic conventions](https://github.com/open-telemetry/semantic-conventions) and
[GenAI conventions](https://github.com/open-telemetry/semantic-conventions-genai) (v0.1.0). Everything else is in a namespace of ours:
\`inference\`, \`llamascope\`, \`notifier\`, \`telemetry\`. Buckets include all bounds that the conventions advise. The differences:

| name | conventions | here | why |
|---|---|---|---|
${rows.join('\n')}
`;
}

function writeMetric(metric: MetricDefinition): string {
  const { name, scraped, kind, unit, labels, buckets, meaning, recordedBy } = metric;
  const facts = [
    ['in Prometheus', code(scraped)],
    ['kind, unit', unit === '' ? kind : `${kind}, ${code(unit)}`],
    ['labels', labels.map((label) => code(label.replaceAll('.', '_'))).join(', ')],
    ['buckets', buckets?.join(', ') ?? ''],
    ['recorded by', recordedBy === undefined ? '' : code(recordedBy)],
    ['example', code(exampleQuery(metric))],
  ];
  const rows = facts
    .filter(([, value]) => value !== '')
    .map(([fact, value]) => `- ${fact}: ${value}`);
  return `## ${name}\n\n${meaning}\n\n${rows.join('\n')}\n`;
}

/** An example query: the rate of a counter, the 95th percentile of a histogram, or the value of any other metric. */
function exampleQuery({ scraped, kind, labels }: MetricDefinition): string {
  const [label] = labels;
  const by = label === undefined ? '' : ` by (${label.replaceAll('.', '_')})`;
  if (kind === 'counter') return `sum${by} (rate(${scraped}[5m]))`;
  if (kind !== 'histogram') return scraped;
  return `histogram_quantile(0.95, sum by (le) (rate(${scraped}_bucket[5m])))`;
}

function code(text: string): string {
  return `\`${text}\``;
}

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({
    options: { out: { type: 'string', default: join(import.meta.dirname, 'generated') } },
  });
  mkdirSync(values.out, { recursive: true });
  writeFileSync(join(values.out, 'metrics.md'), writeMetricsPage());
}
