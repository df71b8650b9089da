/**
 * Limits the number of series, which are attribute sets of metrics. Views apply the limit to metrics of the contract (`views.ts`),
 * the exposition applies it to all others (`families.ts`).
 */
import type { Attributes } from '@opentelemetry/api';
import type { IAttributesProcessor } from '@opentelemetry/sdk-metrics';

const keys = new WeakMap<Attributes, string>();

/** One string for an attribute set, whatever the order of its keys. Remembered for frozen sets. */
export function keyOf(attributes: Attributes): string {
  const known = keys.get(attributes);
  if (known !== undefined) return known;
  const names = Object.keys(attributes).toSorted();
  const key = JSON.stringify(names.map((name) => [name, attributes[name]]));
  if (Object.isFrozen(attributes)) keys.set(attributes, key);
  return key;
}

export const noLabels: Attributes = Object.freeze({});
const extended = new WeakMap<Attributes, Map<string, Attributes>>();

/**
 * `base` with one more label: the same frozen object for the same value, so that the label filter and the exemplars look it up instead of
 * building its key again. `value` is one of a closed set, because it is kept as long as `base`.
 */
export function withLabel(base: Attributes, label: string, value: string): Attributes {
  let sets = extended.get(base);
  if (sets === undefined) extended.set(base, (sets = new Map()));
  const key = `${label}=${value}`;
  let set = sets.get(key);
  if (set === undefined) sets.set(key, (set = Object.freeze({ ...base, [label]: value })));
  return set;
}

export interface Ceiling {
  readonly limit: number;
  /** Attribute sets admitted, over all metrics. */
  count(): number;
  /** Measurements rejected because the limit was reached. */
  refused(): number;
  /** Whether this attribute set of this metric is known or fits below the limit. A new set that fits is counted. */
  admit: (metric: string, attributes: Attributes) => boolean;
}

/** Admits the first `limit` attribute sets over all metrics. */
export function createCeiling(options: { limit: number }): Ceiling {
  const admitted = new Set<string>();
  let refused = 0;
  return {
    limit: options.limit,
    count: () => admitted.size,
    refused: () => refused,
    admit(metric, attributes) {
      const key = metric + keyOf(attributes);
      if (admitted.has(key)) return true;
      if (admitted.size >= options.limit) {
        refused += 1;
        return false;
      }
      admitted.add(key);
      return true;
    },
  };
}

/** The attribute set of the SDK's own overflow series: https://opentelemetry.io/docs/specs/otel/metrics/sdk/#overflow-attribute */
const overflow: Attributes = Object.freeze({ 'otel.metric.overflow': true });

/**
 * Keeps only the labels that the contract declares for a metric, and maps sets above the limit to one overflow series. The SDK's own
 * limit starts anew after every collection, so the total over many collections would be unbounded.
 */
export function createLabelFilter(options: {
  metric: string;
  labels: readonly string[];
  ceiling: Ceiling;
}): IAttributesProcessor {
  const { metric, labels, ceiling } = options;
  const passed = new WeakMap<Attributes, Attributes>();
  return {
    process(incoming) {
      const known = passed.get(incoming);
      if (known !== undefined) return known;
      const kept: Attributes = {};
      for (const label of labels) {
        const value = incoming[label];
        if (value !== undefined) kept[label] = value;
      }
      Object.freeze(kept);
      const result = ceiling.admit(metric, kept) ? kept : overflow;
      // Attribute sets of frequent measurements are frozen (`withLabel`): one lookup instead of a copy.
      if (result === kept && Object.isFrozen(incoming)) passed.set(incoming, kept);
      return result;
    },
  };
}
