/** The standard variables for sampling and span limits. */
import { diag, DiagLogLevel, ROOT_CONTEXT, SpanKind, trace, TraceFlags } from '@opentelemetry/api';
import { SamplingDecision } from '@opentelemetry/sdk-trace';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { spanLimits } from '../../../otel/environment.ts';
import { createSampler } from '../../../otel/propagation.ts';

const warnings: string[] = [];
const ignore = (): void => {};
const warn = (message: string): void => void warnings.push(message);

beforeEach(() => {
  diag.setLogger(
    { error: ignore, warn, info: ignore, debug: ignore, verbose: ignore },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  );
});

afterEach(() => {
  warnings.length = 0;
  diag.disable();
});

/** Whether a root span is sampled, and a child of a remote span that is sampled or not. */
function decide(
  name: string,
  arg = '',
): { root: boolean; sampledParent: boolean; unsampledParent: boolean } {
  const sampler = createSampler({ OTEL_TRACES_SAMPLER: name, OTEL_TRACES_SAMPLER_ARG: arg });
  const traceId = '7fffffffffffffff7fffffffffffffff';
  const ask = (traceFlags?: TraceFlags): boolean => {
    const parent = { traceId, spanId: 'b'.repeat(16), traceFlags: traceFlags ?? 0, isRemote: true };
    const context =
      traceFlags === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent);
    const { decision } = sampler.shouldSample(context, traceId, 'chat', SpanKind.SERVER, {}, []);
    return decision === SamplingDecision.RECORD_AND_SAMPLED;
  };
  return {
    root: ask(),
    sampledParent: ask(TraceFlags.SAMPLED),
    unsampledParent: ask(TraceFlags.NONE),
  };
}

describe('OTEL_TRACES_SAMPLER', () => {
  test.each([
    ['', '', [true, true, false]],
    ['always_on', '', [true, true, true]],
    ['always_off', '', [false, false, false]],
    ['parentbased_always_on', '', [true, true, false]],
    ['parentbased_always_off', '', [false, true, false]],
    ['traceidratio', '0', [false, false, false]],
    ['traceidratio', '1', [true, true, true]],
    ['parentbased_traceidratio', '0', [false, true, false]],
    ['parentbased_traceidratio', '', [true, true, false]],
  ])(
    '"%s" with argument "%s" samples root, sampled parent, unsampled parent: %s',
    (name, arg, sampled) => {
      expect(Object.values(decide(name, arg))).toEqual(sampled);
      expect(warnings).toEqual([]);
    },
  );

  test('with an unknown name warns with the known names, and samples', () => {
    expect(decide('sometimes').root).toBe(true);
    expect(warnings[0]).toMatch(
      /^OTEL_TRACES_SAMPLER: expected one of always_on, .*got "sometimes"/,
    );
  });

  test('with an invalid ratio warns, and samples', () => {
    expect(decide('traceidratio', 'half').root).toBe(true);
    expect(warnings[0]).toMatch(
      /^OTEL_TRACES_SAMPLER_ARG: expected a number from 0 to 1, got "half"/,
    );
  });
});

test('the text of an attribute is truncated to the limit of the standard variable', () => {
  expect(spanLimits({}).attributeValueLengthLimit).toBe(4096);
  const env = { OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT: '64' };
  expect(spanLimits(env).attributeValueLengthLimit).toBe(64);
});
