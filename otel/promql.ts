/** Queries over the metrics of the contract, by their keys in `otel/names.ts`: a misspelt one does not compile. */
import { attributes, jobs, metrics, type MetricKey } from './names.ts';
import { labelName } from './prometheus/prometheus-names.ts';

type AttributeKey = keyof typeof attributes;

/** Matchers of the chat service's series; every query over it begins with these. */
export const chat = `job="${jobs.chat}", instance=~"$instance"`;
/** The same, of one model, for the GenAI metrics. */
export const chatModel = `${chat}, ${labelName(attributes.genAiRequestModel)}=~"$model"`;

/**
 * The five minutes of the article and of the alerts: a panel and its alert show the same number. A fixed window also
 * makes the console and Grafana draw the same line.
 */
const window = '5m';

export interface QueryOptions {
  /** Matchers, without braces. */
  where?: string;
  by?: readonly (AttributeKey | 'job' | 'instance')[];
}

/** The series of a metric, or of `_sum`, `_count`, `_bucket` of a histogram. */
export function series(key: MetricKey, where = chat, part = ''): string {
  return `${metrics[key].scraped}${part}{${where}}`;
}

/** A counter a second, summed. */
export function rate(key: MetricKey, { where = chat, by = [] }: QueryOptions = {}): string {
  return `sum${grouping(by)} (rate(${series(key, where)}[${window}]))`;
}

/** A counter a second, the mean of those who tell of the same. */
export function meanRate(key: MetricKey, { where = chat, by = [] }: QueryOptions = {}): string {
  return `avg${grouping(by)} (rate(${series(key, where)}[${window}]))`;
}

/** How many in five minutes; for what is rare, where a rate is hard to read. */
export function increase(key: MetricKey, { where = chat, by = [] }: QueryOptions = {}): string {
  return `sum${grouping(by)} (increase(${series(key, where)}[${window}]))`;
}

/** A gauge, summed. */
export function sum(key: MetricKey, { where = chat, by = [] }: QueryOptions = {}): string {
  return `sum${grouping(by)} (${series(key, where)})`;
}

/** Quantile of a histogram over all instances. The comparison drops the NaN of an idle window, which a stat would print. */
export function quantile(q: number, key: MetricKey, where = chat): string {
  return `histogram_quantile(${q}, sum by (le) (rate(${series(key, where, '_bucket')}[${window}]))) >= 0`;
}

/** Mean of a histogram; nothing while nothing is observed. */
export function mean(key: MetricKey, where = chat): string {
  const part = (name: string): string => `sum(rate(${series(key, where, name)}[${window}]))`;
  return `${part('_sum')} / (${part('_count')} > 0)`;
}

function grouping(by: NonNullable<QueryOptions['by']>): string {
  const labels = by.map((name) =>
    name === 'job' || name === 'instance' ? name : labelName(attributes[name]),
  );
  return labels.length === 0 ? '' : ` by (${labels.join(', ')})`;
}
