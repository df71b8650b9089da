/**
 * OpenTelemetry names, units, attributes and bounds as Prometheus spells them. `exposition.ts` writes with these, and rules
 * name a bucket through `formatBound`.
 * Source: https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/
 */
import type { Attributes, AttributeValue } from '@opentelemetry/api';

const unitWords: Record<string, string> = {
  d: 'days',
  h: 'hours',
  min: 'minutes',
  s: 'seconds',
  ms: 'milliseconds',
  us: 'microseconds',
  ns: 'nanoseconds',
  By: 'bytes',
  KiBy: 'kibibytes',
  MiBy: 'mebibytes',
  GiBy: 'gibibytes',
  kBy: 'kilobytes',
  MBy: 'megabytes',
  GBy: 'gigabytes',
  m: 'meters',
  V: 'volts',
  A: 'amperes',
  J: 'joules',
  W: 'watts',
  g: 'grams',
  Cel: 'celsius',
  Hz: 'hertz',
  '%': 'percent',
};

const perWords: Record<string, string> = { s: 'second', m: 'minute', h: 'hour', d: 'day' };

/** What Prometheus knows a value as. */
export type FamilyType = 'counter' | 'gauge' | 'histogram';

/** The word of a UCUM unit, empty where it has none: `s` is `seconds`, `By/s` is `bytes_per_second`, `{request}` nothing. */
export function unitWord(unit: string, type: FamilyType): string {
  if (unit === '1') return type === 'gauge' ? 'ratio' : '';
  const [left = '', right = ''] = unit.replaceAll(/\{[^}]*\}/g, '').split('/', 2);
  const word = cleanName(unitWords[left] ?? left);
  if (right === '') return word;
  const per = `per_${cleanName(perWords[right] ?? right)}`;
  return word === '' ? per : `${word}_${per}`;
}

/** The name of a metric family: cleaned, with its unit, and without the `_total` that only a counter's samples carry. */
export function familyName(metric: { name: string; unit: string; type: FamilyType }): string {
  let name = cleanName(metric.name);
  if (/^\d/.test(name)) name = `_${name}`;
  name = name.replace(/_total$/, '');
  const unit = unitWord(metric.unit, metric.type);
  if (unit !== '' && name !== unit && !name.endsWith(`_${unit}`)) name = `${name}_${unit}`;
  return name;
}

/** Adds to each entry of the contract its name in Prometheus, and an empty list of labels where it declares none. */
export function withScrapedNames<
  Entries extends Record<string, { name: string; unit: string; kind: FamilyType | 'updown' }>,
>(
  entries: Entries,
): {
  readonly [Key in keyof Entries]: Entries[Key] & { labels: readonly string[]; scraped: string };
} {
  const complete = Object.entries(entries).map(([key, entry]) => {
    const type = entry.kind === 'updown' ? 'gauge' : entry.kind;
    const family = familyName({ ...entry, type });
    const scraped = type === 'counter' ? `${family}_total` : family;
    return [key, { labels: [], ...entry, scraped }];
  });
  return Object.fromEntries(complete);
}

/** Samples of a histogram own these label names; an attribute of that name gets the prefix Prometheus itself uses. */
const reserved = new Set(['le', 'quantile']);

export function labelName(attribute: string): string {
  const name = cleanName(attribute);
  if (/^\d/.test(name)) return `key_${name}`;
  // Two leading underscores belong to Prometheus; cleaning leaves at most one, and one alone is no name.
  if (name === '' || name === '_') return 'key';
  return reserved.has(name) ? `exported_${name}` : name;
}

/**
 * The labels of an attribute set as they stand between braces, sorted. Attributes whose names become one label share it,
 * their values joined by `;` in the order of their original names, as the specification asks.
 */
export function formatLabels(attributes: Attributes): string {
  const labels = new Map<string, string>();
  for (const attribute of Object.keys(attributes).toSorted()) {
    const value = attributes[attribute];
    if (value === undefined) continue;
    const name = labelName(attribute);
    const before = labels.get(name);
    labels.set(name, before === undefined ? valueText(value) : `${before};${valueText(value)}`);
  }
  const names = [...labels.keys()].toSorted();
  return names.map((name) => `${name}="${escapeLabel(labels.get(name) ?? '')}"`).join(',');
}

/**
 * A number as Prometheus 3 stores an `le`: Go's shortest `%g` with `.0` where it would look like an integer.
 * Source: `formatOpenMetricsFloat` in prometheus/model/textparse, and the `%e` form outside 1e-4 … 1e6 in strconv.FormatFloat.
 */
export function formatBound(bound: number): string {
  if (bound === Number.POSITIVE_INFINITY) return '+Inf';
  if (bound === Number.NEGATIVE_INFINITY) return '-Inf';
  if (Number.isNaN(bound)) return 'NaN';
  const [digits = '0', exponent = '0'] = bound.toExponential().split('e');
  const power = Number(exponent);
  if (power < -4 || power >= 6) {
    const sign = power < 0 ? '-' : '+';
    return `${digits}e${sign}${String(Math.abs(power)).padStart(2, '0')}`;
  }
  const text = String(bound);
  return text.includes('.') ? text : `${text}.0`;
}

/** A sample's value. */
export function formatValue(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  if (value === Number.NEGATIVE_INFINITY) return '-Inf';
  return String(value);
}

/** Help text on one line; OpenMetrics escapes the quotes too. */
export function escapeHelp(text: string, openMetrics: boolean): string {
  const escaped = wellFormed(text).replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
  return openMetrics ? escaped.replaceAll('"', '\\"') : escaped;
}

function escapeLabel(text: string): string {
  return wellFormed(text).replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

/** Half a surrogate pair is no UTF-8, and Prometheus reads a NUL as the end of the scrape. */
function wellFormed(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\uFFFD');
}

function valueText(value: AttributeValue): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function cleanName(name: string): string {
  return name.replaceAll(/[^a-zA-Z0-9]+/g, '_').replace(/(?<=.)_$/, '');
}
