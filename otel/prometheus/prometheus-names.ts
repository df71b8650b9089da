/**
 * Converts names, units, attributes and bucket bounds from OpenTelemetry to Prometheus. Used by the exposition; rules format
 * bucket bounds by `formatBound`.
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

/** The metric types of Prometheus that we write. */
export type FamilyType = 'counter' | 'gauge' | 'histogram';

/** The word for a UCUM unit: `s` is `seconds`, `By/s` is `bytes_per_second`; empty for an annotation such as `{request}`. */
export function unitWord(unit: string, type: FamilyType): string {
  if (unit === '1') return type === 'gauge' ? 'ratio' : '';
  const [left = '', right = ''] = unit.replaceAll(/\{[^}]*\}/g, '').split('/', 2);
  const word = cleanName(unitWords[left] ?? left);
  if (right === '') return word;
  const per = `per_${cleanName(perWords[right] ?? right)}`;
  return word === '' ? per : `${word}_${per}`;
}

/** The name of a metric family: valid characters, then the unit. `_total` is not part of it: only samples of a counter have it. */
export function familyName(metric: { name: string; unit: string; type: FamilyType }): string {
  let name = cleanName(metric.name);
  if (/^\d/.test(name)) name = `_${name}`;
  name = name.replace(/_total$/, '');
  const unit = unitWord(metric.unit, metric.type);
  if (unit !== '' && name !== unit && !name.endsWith(`_${unit}`)) name = `${name}_${unit}`;
  return name;
}

/** Adds the name in Prometheus to each entry of the contract, and an empty list to entries without labels. */
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

/** Label names reserved for histograms and summaries. An attribute with such a name gets Prometheus' own prefix `exported_`. */
const reserved = new Set(['le', 'quantile']);

export function labelName(attribute: string): string {
  const name = cleanName(attribute);
  if (/^\d/.test(name)) return `key_${name}`;
  // Names with two leading underscores are reserved; cleanName leaves at most one. A single underscore is not a label name.
  if (name === '' || name === '_') return 'key';
  return reserved.has(name) ? `exported_${name}` : name;
}

/**
 * The text between the braces for an attribute set, sorted by label. If several attributes map to one label, their values are joined
 * by `;` in the order of the attribute names, as the specification requires.
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
 * A bound in the format in which Prometheus 3 stores `le`: Go's shortest `%g`, with `.0` appended to an integer.
 * Source: `formatOpenMetricsFloat` in prometheus/model/textparse, and the `%e` form outside 1e-4 … 1e6 in strconv.FormatFloat.
 */
export function formatBound(bound: number): string {
  if (bound === Number.POSITIVE_INFINITY) return '+Inf';
  const [digits = '0', exponent = '0'] = bound.toExponential().split('e');
  const power = Number(exponent);
  if (power < -4 || power >= 6) {
    const sign = power < 0 ? '-' : '+';
    return `${digits}e${sign}${String(Math.abs(power)).padStart(2, '0')}`;
  }
  const text = String(bound);
  return text.includes('.') ? text : `${text}.0`;
}

/** The value of a sample. */
export function formatValue(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  if (value === Number.NEGATIVE_INFINITY) return '-Inf';
  return String(value);
}

/** Help text on one line. OpenMetrics escapes quotes as well. */
export function escapeHelp(text: string, openMetrics: boolean): string {
  const escaped = wellFormed(text).replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
  return openMetrics ? escaped.replaceAll('"', '\\"') : escaped;
}

function escapeLabel(text: string): string {
  return wellFormed(text).replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

/** Replaces lone surrogates, which are not valid UTF-8, and NUL, which ends the scrape for Prometheus. */
function wellFormed(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\uFFFD');
}

function valueText(value: AttributeValue): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function cleanName(name: string): string {
  return name.replaceAll(/[^a-zA-Z0-9]+/g, '_').replace(/(?<=.)_$/, '');
}
