/**
 * Groups collected metrics into Prometheus families. Prometheus rejects a whole scrape for one conflict, such as two types for one name
 * or a duplicate series, so conflicts are resolved or dropped here. `exposition.ts` only writes.
 */
import { diag, type Attributes } from '@opentelemetry/api';
import { DataPointType, type Histogram, type MetricData } from '@opentelemetry/sdk-metrics';
import type { ResourceMetrics } from '@opentelemetry/sdk-metrics';
import { isTwin } from '../metrics/exponential.ts';
import { metrics } from '../names.ts';
import { familyName, formatLabels, unitWord, type FamilyType } from './prometheus-names.ts';

export interface Point {
  /** The text between the braces; empty without labels. */
  labels: string;
  attributes: Attributes;
  value: number | Histogram;
}

export interface Family {
  /** Name of the family, without `_total`. */
  name: string;
  type: FamilyType;
  /** The unit, if the name ends with it; else empty, because OpenMetrics requires that the name ends with the unit. */
  unit: string;
  help: string;
  /** The OpenTelemetry name of the first metric of this family. */
  metricName: string;
  points: Point[];
}

export interface Families {
  families: readonly Family[];
  /** Labels of `target_info`: the resource attributes. */
  target: string;
}

const contract = new Set<string>(Object.values(metrics).map((metric) => metric.name));
const labelsOf = new WeakMap<Attributes, string>();

/** `admit` applies the series limit to metrics outside the contract. */
export function toFamilies(
  collected: ResourceMetrics,
  admit: (metric: string, attributes: Attributes) => boolean = () => true,
): Families {
  const byName = new Map<string, Family>();
  // Every name of a sample or family in either format, and the metric that owns it.
  const owners = new Map<string, string>([
    ['target', 'target_info'],
    ['target_info', 'target_info'],
  ]);
  const series = new Set<string>();
  for (const metric of contractFirst(collected)) {
    if (isTwin(metric)) continue;
    const family = familyFor(metric, byName, owners);
    if (family === undefined) continue;
    const metricName = metric.descriptor.name;
    const foreign = !isOurs(metric);
    for (const { attributes, value } of metric.dataPoints) {
      if (Number.isNaN(value)) continue;
      const labels = labelText(attributes);
      const key = `${family.name}{${labels}`;
      if (series.has(key)) {
        const names = Object.keys(attributes).join(', ');
        warnDropped(metricName, `${metricName}: {${names}} is a duplicate series`);
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

/** Metrics of the contract first, so that no other metric takes one of their names. */
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
    return warnDropped(metricName, `${metricName}: exponential histograms have no text format`);
  }
  const name = familyName({ name: metricName, unit, type });
  if (!/[a-zA-Z0-9]/.test(name)) {
    return warnDropped(metricName, `${metricName}: no character is valid in a Prometheus name`);
  }
  const known = byName.get(name);
  if (known?.type === type) return known;
  const names = suffixes[type].map((suffix) => name + suffix);
  const taken = names.find((each) => owners.has(each));
  if (taken !== undefined) {
    const owner = owners.get(taken);
    return warnDropped(metricName, `${metricName}: the name ${taken} belongs to ${owner}`);
  }
  for (const each of names) owners.set(each, metricName);
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
  counter: ['', '_total'],
  gauge: [''],
  histogram: ['', '_bucket', '_sum', '_count'],
} as const satisfies Record<FamilyType, readonly string[]>;

function familyType(metric: MetricData): FamilyType | undefined {
  if (metric.dataPointType === DataPointType.HISTOGRAM) return 'histogram';
  if (metric.dataPointType === DataPointType.GAUGE) return 'gauge';
  if (metric.dataPointType === DataPointType.SUM) return metric.isMonotonic ? 'counter' : 'gauge';
  return undefined;
}

/** Cached: the SDK returns the same object for a series at every collection. */
function labelText(attributes: Attributes): string {
  let text = labelsOf.get(attributes);
  if (text === undefined) labelsOf.set(attributes, (text = formatLabels(attributes)));
  return text;
}

const warned = new Set<string>();

/** One warning a metric. */
function warnDropped(metric: string, problem: string): undefined {
  if (warned.has(metric)) return;
  warned.add(metric);
  diag.warn(`${problem}; dropped`);
}
