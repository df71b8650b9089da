/**
 * Writes metrics in Prometheus' text format 0.0.4, or in OpenMetrics 1.0 with exemplars. Used by `exporter.ts`.
 * Sources: https://prometheus.io/docs/instrumenting/exposition_formats/ and https://prometheus.io/docs/specs/om/open_metrics_spec/
 */
import type { Histogram } from '@opentelemetry/sdk-metrics';
import type { Exemplar, Exemplars } from './exemplars.ts';
import type { Families, Family, Point } from './families.ts';
import { escapeHelp, formatBound, formatValue } from './prometheus-names.ts';

export type Format = 'text' | 'openmetrics';

export const contentTypes = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
} as const satisfies Record<Format, string>;

/** Only OpenMetrics has exemplars. */
export function writeExposition(
  { families, target }: Families,
  options: { format: Format; exemplars?: Exemplars | undefined },
): string {
  const openMetrics = options.format === 'openmetrics';
  let out = writeTarget(target, openMetrics);
  for (const family of families) {
    out += writeHead(family, openMetrics);
    if (family.type === 'histogram') {
      const exemplars = openMetrics ? options.exemplars : undefined;
      for (const point of family.points) out += writeHistogram(family, point, exemplars);
    } else {
      const name = family.type === 'counter' ? `${family.name}_total` : family.name;
      for (const { labels, value } of family.points) {
        out += `${name}${braced(labels)} ${formatValue(value as number)}\n`;
      }
    }
  }
  return openMetrics ? `${out}# EOF\n` : out;
}

function writeTarget(target: string, openMetrics: boolean): string {
  const [family, type] = openMetrics ? ['target', 'info'] : ['target_info', 'gauge'];
  return `# HELP ${family} Target metadata\n# TYPE ${family} ${type}\ntarget_info${braced(target)} 1\n`;
}

function writeHead({ name, type, unit, help }: Family, openMetrics: boolean): string {
  const family = type === 'counter' && !openMetrics ? `${name}_total` : name;
  const unitLine = openMetrics && unit !== '' ? `# UNIT ${family} ${unit}\n` : '';
  return `# HELP ${family} ${escapeHelp(help, openMetrics)}\n# TYPE ${family} ${type}\n${unitLine}`;
}

function writeHistogram(family: Family, point: Point, exemplars: Exemplars | undefined): string {
  const { buckets, count, sum } = point.value as Histogram;
  const found = exemplars?.of(family.metricName, point.attributes);
  const before = `${family.name}_bucket{${point.labels}${point.labels === '' ? '' : ','}le="`;
  const bounds = boundTexts(buckets.boundaries);
  let out = '';
  let upTo = 0;
  for (let index = 0; index < bounds.length; index += 1) {
    upTo += buckets.counts[index] ?? 0;
    const exemplar = found?.[index];
    out += `${before}${bounds[index]}"} ${upTo}${exemplar === undefined ? '' : writeExemplar(exemplar)}\n`;
  }
  const labels = braced(point.labels);
  if (sum !== undefined) out += `${family.name}_sum${labels} ${formatValue(sum)}\n`;
  return `${out}${family.name}_count${labels} ${count}\n`;
}

function writeExemplar({ traceId, spanId, value, at }: Exemplar): string {
  return ` # {trace_id="${traceId}",span_id="${spanId}"} ${formatValue(value)} ${at.toFixed(3)}`;
}

const textsOf = new WeakMap<readonly number[], readonly string[]>();

/** The bounds of a histogram and `+Inf`. Cached: all points of an instrument share one array. */
function boundTexts(boundaries: readonly number[]): readonly string[] {
  let texts = textsOf.get(boundaries);
  if (texts === undefined) {
    const finite = boundaries.filter((bound) => bound !== Number.POSITIVE_INFINITY);
    textsOf.set(boundaries, (texts = [...finite, Number.POSITIVE_INFINITY].map(formatBound)));
  }
  return texts;
}

function braced(labels: string): string {
  return labels === '' ? '' : `{${labels}}`;
}
