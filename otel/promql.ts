/**
 * Builds PromQL for panels, alert rules and the console. Callers name our metrics by their keys in `otel/names.ts`, so that a
 * misspelt metric or label does not compile.
 */
import { attributes, embeddingsOperation, jobs, metrics, type MetricKey } from './names.ts';
import { labelName } from './prometheus/prometheus-names.ts';

type AttributeKey = keyof typeof attributes;
/** Labels that Prometheus, its scrapes or Alertmanager add. */
type ForeignLabel = 'job' | 'instance' | 'le' | 'rule_group' | 'alertmanager' | 'integration';

/** The matcher of all chat services, followed by `matchers`: `job="qwen-instruct", reason="stop"`. */
export function ofChat(...matchers: string[]): string {
  return [`job="${jobs.chat}"`, ...matchers].join(', ');
}

/** Matchers of the chat services that a dashboard's `$instance` selects. */
export const selectedChat = ofChat('instance=~"$instance"');
/** Matchers of the selected chat services and one model (`$model`), for the GenAI metrics. */
export const selectedModel = `${selectedChat}, ${labelName(attributes.genAiRequestModel)}=~"$model"`;

/** Matcher of the GenAI metrics without embeddings, which are short and generate nothing. */
export const ofGenerations = `${labelName(attributes.genAiOperationName)}!="${embeddingsOperation}"`;

/** Converts a dashboard's query to all instances and models, for callers without dashboard variables. */
export function withoutVariables(expr: string): string {
  return expr.replaceAll(/\$(instance|model)\b/g, '.*');
}

/** `reason=~"a|b"` */
export function anyOf(attribute: AttributeKey, values: readonly string[]): string {
  return `${labelName(attributes[attribute])}=~"${values.join('|')}"`;
}

export interface RangeOptions {
  /** Labels to keep. */
  by?: readonly (AttributeKey | ForeignLabel)[];
  /** Five minutes by default, as in the article: a panel and its alert show the same number. */
  window?: string;
  offset?: string;
}

export interface QueryOptions extends RangeOptions {
  /** Matchers without braces; the dashboard's selection by default. */
  where?: string;
}

/** Series of a metric; `part` is `_sum`, `_count` or `_bucket` of a histogram. */
export function series(key: MetricKey, where = selectedChat, part = ''): string {
  return `${metrics[key].scraped}${part}${where && `{${where}}`}`;
}

/**
 * Sum of the rates (per second) or increases of the counter in `selector`. The rate is computed before the sum: in a sum over
 * instances, the restart of one instance would look like a jump by the whole count of the others.
 */
export function summed(
  operation: 'rate' | 'increase',
  selector: string,
  options: RangeOptions = {},
): string {
  return `sum${grouping(options)} (${ranged(operation, selector, options)})`;
}

export function rate(key: MetricKey, options: QueryOptions = {}): string {
  return summed('rate', series(key, options.where), options);
}

export function increase(key: MetricKey, options: QueryOptions = {}): string {
  return summed('increase', series(key, options.where), options);
}

/** Scrapes of an instance may fail for this long without a wrong count. */
const gap = '1h';
const gapSeconds = 3600;
const countStep = '15s';

/**
 * How often what the counter in `selector` counts has happened: a whole number, unlike that of `increase()`, which extrapolates to the
 * edges of its window and shows 7.5 for six requests. Adds the differences between samples. A counter that restarted or is new
 * counts from zero if Prometheus knew its instance or its process is new; otherwise it has counted before Prometheus looked.
 */
export function counted(selector: string, options: RangeOptions = {}): string {
  const { window = '5m' } = options;
  const grown = `${selector} - last_over_time(${selector}[${gap}] offset ${countStep}) >= 0`;
  const isKnown = `last_over_time(up[${gap}] offset 1m)`;
  const isNew = `time() - ${metrics.processStartTime.scraped} < ${gapSeconds}`;
  // A sum with 0 has no name, as the difference has none.
  const fromZero = `(${selector} and on (job, instance) (${isKnown} or on (job, instance) ${isNew})) + 0`;
  return `sum${grouping(options)} (sum_over_time((${grown} or ${fromZero})[${window}:${countStep}]))`;
}

/** Rate averaged over series that all report the same quantity. */
export function meanRate(key: MetricKey, options: QueryOptions = {}): string {
  return `avg${grouping(options)} (${ranged('rate', series(key, options.where), options)})`;
}

/** Sum of a gauge. */
export function sum(key: MetricKey, options: QueryOptions = {}): string {
  return `sum${grouping(options)} (${series(key, options.where)})`;
}

/** Quantile of a histogram over all its instances. Without observations it is NaN, for which every comparison is false. */
export function quantile(q: number, key: MetricKey, options: QueryOptions = {}): string {
  const { by = [] } = options;
  const buckets = series(key, options.where, '_bucket');
  return `histogram_quantile(${q}, ${summed('rate', buckets, { ...options, by: [...by, 'le'] })})`;
}

/** The queries of a panel of quantiles, by legend. `>= 0` drops the NaN of an idle window, which a stat would print. */
export function percentiles(
  key: MetricKey,
  { where, quantiles = [0.5, 0.95, 0.99] }: { where?: string; quantiles?: number[] } = {},
): Record<string, string> {
  const options = where === undefined ? {} : { where };
  return Object.fromEntries(
    quantiles.map((q) => [`P${q * 100}`, `${quantile(q, key, options)} >= 0`]),
  );
}

/** Mean of a histogram; empty while nothing is observed. */
export function mean(key: MetricKey): string {
  const part = (name: string): string => `sum(${ranged('rate', series(key, undefined, name), {})})`;
  return `${part('_sum')} / (${part('_count')} > 0)`;
}

function ranged(operation: string, selector: string, { window = '5m', offset }: RangeOptions) {
  return `${operation}(${selector}[${window}]${offset === undefined ? '' : ` offset ${offset}`})`;
}

function grouping({ by = [] }: RangeOptions): string {
  const labels = by.map((name) =>
    name in attributes ? labelName(attributes[name as AttributeKey]) : name,
  );
  return labels.length === 0 ? '' : ` by (${labels.join(', ')})`;
}
