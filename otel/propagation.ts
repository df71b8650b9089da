/** Which traces are sampled, and which headers carry them, by the standard OTEL_* variables. Used by `sdk.ts`. */
import type { TextMapPropagator } from '@opentelemetry/api';
import {
  CompositePropagator,
  W3CBaggagePropagator,
  W3CTraceContextPropagator,
} from '@opentelemetry/core';
import { B3InjectEncoding, B3Propagator } from '@opentelemetry/propagator-b3';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  type Sampler,
} from '@opentelemetry/sdk-trace';
import { readChoice, readList, readNumber, type Environment } from './environment.ts';

const samplers = {
  always_on: () => new AlwaysOnSampler(),
  always_off: () => new AlwaysOffSampler(),
  traceidratio: (ratio: number) => new TraceIdRatioBasedSampler(ratio),
  parentbased_always_on: () => new ParentBasedSampler({ root: new AlwaysOnSampler() }),
  parentbased_always_off: () => new ParentBasedSampler({ root: new AlwaysOffSampler() }),
  parentbased_traceidratio: (ratio: number) =>
    new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) }),
} as const;

const samplerNames = Object.keys(samplers) as (keyof typeof samplers)[];

/** Reads OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG. For an unknown sampler it warns and uses the default, `parentbased_always_on`. */
export function createSampler(env: Environment): Sampler {
  const name = readChoice(env, 'OTEL_TRACES_SAMPLER', samplerNames, 'parentbased_always_on');
  return samplers[name](readNumber(env, 'OTEL_TRACES_SAMPLER_ARG', 1, { max: 1 }));
}

const propagators = {
  tracecontext: () => new W3CTraceContextPropagator(),
  baggage: () => new W3CBaggagePropagator(),
  b3: () => new B3Propagator(),
  b3multi: () => new B3Propagator({ injectEncoding: B3InjectEncoding.MULTI_HEADER }),
  none: undefined,
} as const;

const propagatorNames = Object.keys(propagators) as (keyof typeof propagators)[];

/**
 * Reads OTEL_PROPAGATORS. The default is `tracecontext` alone: `baggage`, OpenTelemetry's second default, would pass data of any client
 * on to other services. Null for `none`.
 */
export function createPropagator(env: Environment): TextMapPropagator | null {
  const names = readList(env, 'OTEL_PROPAGATORS', propagatorNames, ['tracecontext']);
  if (names.includes('none')) return null;
  return new CompositePropagator({
    propagators: names.flatMap((name) => propagators[name]?.() ?? []),
  });
}
