/** Makes instruments from the contract in names.ts. The one wrapper through which every duration is recorded is here. */
import type {
  Attributes,
  Counter,
  Gauge,
  Histogram,
  Meter,
  UpDownCounter,
} from '@opentelemetry/api';
import { metrics, type MetricDefinition, type MetricKey } from './names.ts';

type Instrument<K extends MetricKey> = (typeof metrics)[K]['kind'] extends 'histogram'
  ? Histogram
  : (typeof metrics)[K]['kind'] extends 'counter'
    ? Counter
    : (typeof metrics)[K]['kind'] extends 'gauge'
      ? Gauge
      : UpDownCounter;

/** The instrument of one metric, with the unit, description and buckets that the contract gives it. */
export function createInstrument<K extends MetricKey>(meter: Meter, key: K): Instrument<K> {
  const definition: MetricDefinition = metrics[key];
  const { name, unit, meaning: description, buckets } = definition;
  const options = {
    unit,
    description,
    ...(buckets === undefined ? {} : { advice: { explicitBucketBoundaries: [...buckets] } }),
  };
  const make = {
    histogram: () => meter.createHistogram(name, options),
    counter: () => meter.createCounter(name, options),
    gauge: () => meter.createGauge(name, options),
    updown: () => meter.createUpDownCounter(name, options),
  } satisfies Record<MetricDefinition['kind'], () => unknown>;
  return make[definition.kind]() as Instrument<K>;
}

/** An observable gauge or counter of the contract. */
export function observe(
  meter: Meter,
  key: MetricKey,
  read: (report: (value: number, attributes?: Attributes) => void) => void,
): void {
  const { name, unit, meaning: description, kind }: MetricDefinition = metrics[key];
  const create = kind === 'counter' ? 'createObservableCounter' : 'createObservableGauge';
  meter[create](name, { unit, description }).addCallback((result) =>
    read((value, attributes) => result.observe(value, attributes)),
  );
}

/** Refuses what is negative or not finite: an Infinity in a histogram's sum stays for ever. */
export function recordDuration(
  histogram: Histogram,
  seconds: number,
  attributes?: Attributes,
): void {
  if (Number.isFinite(seconds) && seconds >= 0) histogram.record(seconds, attributes);
}

/** Makes a histogram's series exist, all zero, without counting an observation (a test pins it). */
export function initialise(histogram: Histogram, attributes?: Attributes): void {
  histogram.record(Number.NaN, attributes);
}
