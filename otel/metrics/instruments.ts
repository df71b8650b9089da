/**
 * Creates instruments from `names.ts`. All measurements of llamascope go through `add` and `record`, which reject values that would
 * corrupt a sum permanently, such as Infinity.
 */
import {
  diag,
  type Attributes,
  type Counter,
  type Gauge,
  type Histogram,
  type Meter,
  type MetricOptions,
  type Observable,
  type ObservableCallback,
  type SpanContext,
  type UpDownCounter,
} from '@opentelemetry/api';
import { exemplars } from '../prometheus/exemplars.ts';
import { metrics, type MetricDefinition, type MetricKey, type MetricKind } from '../names.ts';
import { noLabels } from './series.ts';

/** Keys of the metrics of some kinds: `KeyOf<'counter'>`. */
type KeyOf<Kind extends MetricKind> = {
  [Key in MetricKey]: (typeof metrics)[Key]['kind'] extends Kind ? Key : never;
}[MetricKey];

export interface Instruments {
  add(key: KeyOf<'counter' | 'updown'>, value: number, attributes?: Attributes): void;
  /** Ignores an undefined value. `span` becomes the exemplar of the bucket. */
  record(
    key: KeyOf<'histogram' | 'gauge'>,
    value: number | undefined,
    attributes?: Attributes,
    span?: SpanContext,
  ): void;
  /** Creates the series before its first measurement, with the value 0. Does nothing for a metric that a callback observes. */
  zero(key: MetricKey, attributes?: Attributes): void;
  /** Calls `callback` at every collection. Observing NaN removes the series from the scrape. */
  observe(key: KeyOf<ObservableKind>, callback: ObservableCallback): void;
}

type Instrument = Counter | UpDownCounter | Histogram | Gauge;
type ObservableKind = Exclude<MetricKind, 'histogram'>;

const create = {
  counter: 'createCounter',
  updown: 'createUpDownCounter',
  gauge: 'createGauge',
  histogram: 'createHistogram',
} as const satisfies Record<MetricKind, keyof Meter>;

const createObservable = {
  counter: 'createObservableCounter',
  updown: 'createObservableUpDownCounter',
  gauge: 'createObservableGauge',
} as const satisfies Record<ObservableKind, keyof Meter>;

export function createInstruments(meter: Meter): Instruments {
  const instruments = new Map<MetricKey, Instrument>();
  const observables = new Map<MetricKey, Observable>();
  const instrumentOf = (key: MetricKey): Instrument =>
    remembered(instruments, key, () => meter[create[metrics[key].kind]](...argumentsOf(key)));
  const observableOf = (key: KeyOf<ObservableKind>): Observable =>
    remembered(observables, key, () =>
      meter[createObservable[metrics[key].kind]](...argumentsOf(key)),
    );

  return {
    add(key, value, attributes = noLabels) {
      const fits = Number.isFinite(value) && (value >= 0 || metrics[key].kind === 'updown');
      if (!fits) return refuse(key, value);
      (instrumentOf(key) as Counter).add(value, attributes);
    },
    record(key, value, attributes = noLabels, span) {
      if (value === undefined) return;
      const metric: MetricDefinition = metrics[key];
      if (!Number.isFinite(value) || value < 0) return refuse(key, value);
      (instrumentOf(key) as Histogram | Gauge).record(value, attributes);
      if (span !== undefined && metric.buckets !== undefined) {
        exemplars.note({ name: metric.name, buckets: metric.buckets }, value, attributes, span);
      }
    },
    zero(key, attributes = noLabels) {
      if (observables.has(key)) return;
      const instrument = instrumentOf(key);
      if ('add' in instrument) instrument.add(0, attributes);
      else if (metrics[key].kind === 'gauge') instrument.record(0, attributes);
      else zeroHistogram(instrument, attributes);
    },
    observe: (key, callback) => observableOf(key).addCallback(callback),
  };
}

/**
 * Creates the series of a histogram with count 0. A histogram without measurements exports nothing, and `record(0)` would count 1.
 * For NaN, the SDK creates the series and ignores the value. A test pins this undocumented behaviour.
 */
export function zeroHistogram(histogram: Histogram | Gauge, attributes: Attributes): void {
  histogram.record(Number.NaN, attributes);
}

export function metricOptions(metric: MetricDefinition): MetricOptions {
  const { unit, meaning: description, buckets } = metric;
  if (buckets === undefined) return { unit, description };
  return { unit, description, advice: { explicitBucketBoundaries: [...buckets] } };
}

function remembered<Key, Value>(map: Map<Key, Value>, key: Key, create: () => Value): Value {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = create()));
  return value;
}

function argumentsOf(key: MetricKey): [name: string, options: MetricOptions] {
  return [metrics[key].name, metricOptions(metrics[key])];
}

function refuse(key: MetricKey, value: number): void {
  diag.debug(`${metrics[key].name}: expected a finite number >= 0, got ${value}; not recorded`);
}
