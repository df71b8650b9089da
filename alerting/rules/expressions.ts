/** The pieces of PromQL that several rule files share: whose series, and rates that a restart does not upset. */
import { jobs } from '../../otel/names.ts';
import { labelName } from '../../otel/prometheus/prometheus-names.ts';

/** `{job="qwen-instruct"}`, with further matchers. */
export function ofChat(matchers = ''): string {
  return `{job="${jobs.chat}"${matchers && `, ${matchers}`}}`;
}

/** `reason=~"a|b"`: a matcher of one attribute's values. */
export function anyOf(attribute: string, values: readonly string[]): string {
  return `${labelName(attribute)}=~"${values.join('|')}"`;
}

/** Rates come before sums: a sum over instances turns the restart of one into a jump of the others' whole history. */
export function sumBy(labels: string, operation: 'rate' | 'increase', selector: string): string {
  return `sum by (${labels}) (${operation}(${selector}))`;
}

/** A quantile over all instances of the job: what a person who asks the service gets. NaN, so never true, at idle. `range` is `[5m]`. */
export function quantileOfChat(quantile: number, histogram: string, range: string): string {
  return `histogram_quantile(${quantile}, ${sumBy('job, le', 'rate', `${histogram}_bucket${ofChat()}${range}`)})`;
}
