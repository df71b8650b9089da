/**
 * Collected metrics, sorted into the families that Prometheus will see. Whatever would cost the whole target (two metrics of
 * one name, one series twice, a value that is none) is resolved or left out here; `exposition.ts` only writes.
 */
import { diag, type Attributes } from '@opentelemetry/api';
import { DataPointType, type Histogram, type MetricData } from '@opentelemetry/sdk-metrics';
import type { ResourceMetrics } from '@opentelemetry/sdk-metrics';
import { metrics } from '../names.ts';
import { familyName, formatLabels, unitWord, type FamilyType } from './prometheus-names.ts';

export interface Point {
  /** As they stand between braces; empty without any. */
  labels: string;
  attributes: Attributes;
  value: number | Histogram;
}

export interface Family {
  /** Without `_total`. */
  name: string;
  type: FamilyType;
  /** The unit's word when the name ends with it, else empty: OpenMetrics refuses any other. */
  unit: string;
  help: string;
  /** The OpenTelemetry name of the metric that came first. */
  metricName: string;
  points: Point[];
}

export interface Families {
  families: readonly Family[];
  /** Labels of `target_info`: the resource. */
  target: string;
}

const contract = new Set<string>(Object.values(metrics).map((metric) => metric.name));
const labelsOf = new WeakMap<Attributes, string>();

/** `admit` decides whether a series of a metric outside the contract still has room. */
export function toFamilies(
  collected: ResourceMetrics,
  admit: (metric: string, attributes: Attributes) => boolean = () => true,
): Families {
  const byName = new Map<string, Family>();
  // In text and in OpenMetrics, for every name that a sample or a family takes: the family it belongs to.
  const owners = new Map<string, string>([
    ['target', 'target_info'],
    ['target_info', 'target_info'],
  ]);
  const series = new Set<string>();
  for (const metric of contractFirst(collected)) {
    const family = familyFor(metric, byName, owners);
    if (family === undefined) continue;
    const metricName = metric.descriptor.name;
    const foreign = !isOurs(metric);
    for (const { attributes, value } of metric.dataPoints) {
      if (Number.isNaN(value)) continue;
      const labels = labelText(attributes);
      const key = `${family.name}{${labels}`;
      if (series.has(key)) {
        warnOnce(
          key,
          `${metricName}: {${Object.keys(attributes).join(', ')}} is a series that is there already; left out`,
        );
        continue;
      }
      if (foreign && !admit(metricName, attributes)) continue;
      series.add(key);
      family.points.push({ labels, attributes, value: value as number | Histogram });
    }
  }
  const families = [...byName.values()].filter((family) => family.points.length > 0);
  return {
    families: families.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    target: formatLabels(collected.resource.attributes),
  };
}

/** Ours come first, so that a stranger's metric never takes one of our names. */
function contractFirst(collected: ResourceMetrics): MetricData[] {
  const all = collected.scopeMetrics.flatMap((scope) => scope.metrics);
  return [...all.filter(isOurs), ...all.filter((metric) => !isOurs(metric))];
}

function isOurs(metric: MetricData): boolean {
  return contract.has(metric.descriptor.name);
}

function familyFor(
  metric: MetricData,
  byName: Map<string, Family>,
  owners: Map<string, string>,
): Family | undefined {
  const { name: metricName, unit, description } = metric.descriptor;
  const type = familyType(metric);
  if (type === undefined) {
    return warnOnce(
      metricName,
      `${metricName}: exponential histograms have no text form; left out`,
    );
  }
  const name = familyName({ name: metricName, unit, type });
  if (!/[a-zA-Z0-9]/.test(name)) {
    return warnOnce(
      metricName,
      `${metricName}: no character of it fits a Prometheus name; left out`,
    );
  }
  const known = byName.get(name);
  if (known?.type === type) return known;
  const taken = takenNames(name, type).find((taken) => owners.has(taken));
  if (taken !== undefined) {
    return warnOnce(
      metricName,
      `${metricName}: the name ${taken} belongs to ${owners.get(taken)}; left out`,
    );
  }
  for (const taken of takenNames(name, type)) owners.set(taken, metricName);
  const word = unitWord(unit, type);
  const family: Family = {
    name,
    type,
    unit: word !== '' && name.endsWith(`_${word}`) ? word : '',
    help: description === '' ? metricName : description,
    metricName,
    points: [],
  };
  byName.set(name, family);
  return family;
}

const suffixes = {
  counter: ['', '_total', '_created'],
  gauge: [''],
  histogram: ['', '_bucket', '_sum', '_count', '_created'],
} as const satisfies Record<FamilyType, readonly string[]>;

function takenNames(name: string, type: FamilyType): string[] {
  return suffixes[type].map((suffix) => name + suffix);
}

function familyType(metric: MetricData): FamilyType | undefined {
  if (metric.dataPointType === DataPointType.HISTOGRAM) return 'histogram';
  if (metric.dataPointType === DataPointType.GAUGE) return 'gauge';
  if (metric.dataPointType === DataPointType.SUM) return metric.isMonotonic ? 'counter' : 'gauge';
  return undefined;
}

/** The SDK hands out the same object for a series at every collection. */
function labelText(attributes: Attributes): string {
  let text = labelsOf.get(attributes);
  if (text === undefined) labelsOf.set(attributes, (text = formatLabels(attributes)));
  return text;
}

const warned = new Set<string>();

function warnOnce(key: string, message: string): undefined {
  // A stranger may have any number of bad names; one line for each of the first hundred is enough.
  if (warned.has(key) || warned.size >= 100) return;
  warned.add(key);
  diag.warn(message);
}
