/**
 * What a series is (one attribute set of one metric) and how many there may be. `sdk.ts` puts a ceiling in front of every
 * metric of the contract, and `exposition.ts` asks it about everybody else's.
 */
import type { Attributes } from '@opentelemetry/api';
import type { IAttributesProcessor } from '@opentelemetry/sdk-metrics';

/** One string for an attribute set, whatever the order of its keys. */
export function seriesKey(attributes: Attributes): string {
  const names = Object.keys(attributes).toSorted();
  return names.length === 0 ? '' : JSON.stringify(names.map((name) => [name, attributes[name]]));
}

export interface Ceiling {
  readonly limit: number;
  /** Attribute sets admitted, over all metrics. */
  count(): number;
  /** Measurements that found no room. */
  refused(): number;
  /** True when this attribute set of this metric is known or still has room, which it then takes. */
  admit: (metric: string, attributes: Attributes) => boolean;
}

/** Admits at most `limit` attribute sets over all metrics together; the first come stay. */
export function createCeiling(options: { limit: number }): Ceiling {
  const admitted = new Map<string, Set<string>>();
  let count = 0;
  let refused = 0;
  return {
    limit: options.limit,
    count: () => count,
    refused: () => refused,
    admit(metric, attributes) {
      let known = admitted.get(metric);
      if (known === undefined) admitted.set(metric, (known = new Set()));
      const key = seriesKey(attributes);
      if (known.has(key)) return true;
      if (count >= options.limit) {
        refused += 1;
        return false;
      }
      known.add(key);
      count += 1;
      return true;
    },
  };
}

/** Where the SDK itself puts what is over its limit: https://opentelemetry.io/docs/specs/otel/metrics/sdk/#overflow-attribute */
const overflow: Attributes = Object.freeze({ 'otel.metric.overflow': true });

/**
 * Keeps the contract's labels of a metric and sends what is over the ceiling to one overflow series. The SDK's own
 * limit cannot do it: it counts anew after every collection, so the sum over collections has no bound.
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
      // Ours are frozen constants: one lookup a measurement instead of a copy.
      if (result === kept && Object.isFrozen(incoming)) passed.set(incoming, kept);
      return result;
    },
  };
}
