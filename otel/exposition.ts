/** Collected metrics → Prometheus text 0.0.4 or OpenMetrics 1.0, named by OpenTelemetry's compatibility specification. */
import type { Attributes, AttributeValue } from '@opentelemetry/api';
import { DataPointType, type MetricData, type ResourceMetrics } from '@opentelemetry/sdk-metrics';

export type Format = 'text' | 'openmetrics';

export const contentTypes: Record<Format, string> = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

// https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/#metric-metadata-1
const unitSuffixes: Record<string, string> = { s: 'seconds', ms: 'milliseconds', By: 'bytes' };

/** `http.server.request.duration`, `s` → `http_server_request_duration_seconds`; counters get `_total`. */
export function scrapedName(
  name: string,
  unit: string,
  kind: 'counter' | 'gauge' | 'other',
): string {
  let scraped = name.replaceAll(/[^a-zA-Z0-9_:]/g, '_').replace(/^(?=\d)/, '_');
  scraped = scraped.replace(/_total$/, '');
  const suffix = unit === '1' && kind === 'gauge' ? 'ratio' : unitSuffixes[unit];
  if (suffix !== undefined && !scraped.endsWith(`_${suffix}`)) scraped += `_${suffix}`;
  return kind === 'counter' ? `${scraped}_total` : scraped;
}

/** A bucket bound as Prometheus 3 stores it, in both formats: `1.0`, `0.25`, `+Inf`. */
export function formatBound(bound: number): string {
  return Number.isInteger(bound) ? bound.toFixed(1) : formatValue(bound);
}

function formatValue(value: number): string {
  if (value === Infinity) return '+Inf';
  return value === -Infinity ? '-Inf' : String(value);
}

/** Labels as text without braces. Two attributes that become one label name are joined by `;`, as the spec says. */
function formatLabels(attributes: Attributes): string {
  const labels = new Map<string, string>();
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined) continue;
    let name = key.replaceAll(/[^a-zA-Z0-9_]/g, '_').replace(/^(?=\d)/, 'key_');
    // One of these from outside would cost the whole target.
    if (name === 'le' || name === 'quantile' || name.startsWith('__')) name = `exported_${name}`;
    const before = labels.get(name);
    labels.set(name, before === undefined ? text(value) : `${before};${text(value)}`);
  }
  return [...labels].map(([name, value]) => `${name}="${escape(value)}"`).join(',');
}

function text(value: AttributeValue): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function escape(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
}

type Family = { name: string; type: string; help: string; lines: string[] };

/** One scrape's body. A family whose name is taken already by another type is left out, the target lives on. */
export function formatMetrics(collected: ResourceMetrics, format: Format): string {
  const families = new Map<string, Family>();
  families.set('target_info', {
    name: 'target_info',
    type: 'gauge',
    help: 'Target metadata',
    lines: [`target_info{${formatLabels(collected.resource.attributes)}} 1`],
  });
  for (const { metrics } of collected.scopeMetrics) {
    for (const metric of metrics) addFamily(families, metric);
  }
  const body = [...families.values()].map((family) => formatFamily(family, format)).join('');
  return format === 'openmetrics' ? `${body}# EOF\n` : body;
}

function formatFamily({ name, type, help, lines }: Family, format: Format): string {
  const family =
    format === 'openmetrics' && type === 'counter' ? name.replace(/_total$/, '') : name;
  return `# HELP ${family} ${escape(help)}\n# TYPE ${family} ${type}\n${lines.join('\n')}\n`;
}

function addFamily(families: Map<string, Family>, metric: MetricData): void {
  const type = familyType(metric);
  if (type === undefined || metric.dataPoints.length === 0) return;
  const kind = type === 'histogram' ? 'other' : type;
  const name = scrapedName(metric.descriptor.name, metric.descriptor.unit, kind);
  const family = families.get(name) ?? {
    name,
    type,
    help: metric.descriptor.description || metric.descriptor.name,
    lines: [],
  };
  if (family.type !== type) return;
  families.set(name, family);
  family.lines.push(...formatPoints(name, metric));
}

function familyType(metric: MetricData): 'counter' | 'gauge' | 'histogram' | undefined {
  switch (metric.dataPointType) {
    case DataPointType.SUM:
      return metric.isMonotonic ? 'counter' : 'gauge';
    case DataPointType.GAUGE:
      return 'gauge';
    case DataPointType.HISTOGRAM:
      return 'histogram';
    default:
      return undefined;
  }
}

function formatPoints(name: string, metric: MetricData): string[] {
  if (metric.dataPointType === DataPointType.EXPONENTIAL_HISTOGRAM) return [];
  if (metric.dataPointType !== DataPointType.HISTOGRAM) {
    return metric.dataPoints.map((point) => {
      const labels = formatLabels(point.attributes);
      return `${name}${labels === '' ? '' : `{${labels}}`} ${formatValue(point.value)}`;
    });
  }
  return metric.dataPoints.flatMap(({ attributes, value }) => {
    const labels = formatLabels(attributes);
    const prefix = labels === '' ? '' : `${labels},`;
    const braces = labels === '' ? '' : `{${labels}}`;
    let count = 0;
    const buckets = [...value.buckets.boundaries, Infinity].map((bound, index) => {
      count += value.buckets.counts[index] ?? 0;
      return `${name}_bucket{${prefix}le="${formatBound(bound)}"} ${count}`;
    });
    return [
      ...buckets,
      `${name}_sum${braces} ${formatValue(value.sum ?? 0)}`,
      `${name}_count${braces} ${count}`,
    ];
  });
}
