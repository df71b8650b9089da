/** Reads OTEL_* variables that several files need. */
import { diag } from '@opentelemetry/api';
import type { SpanLimits } from '@opentelemetry/sdk-trace';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Whether prompts and answers are recorded on spans; false by default. */
export function capturesContent(env: Environment): boolean {
  return env['OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT']?.toLowerCase() === 'true';
}

/**
 * Limits the length of attributes that a client controls, such as model name and stop sequences. OpenTelemetry's default is no limit.
 * Captured conversations have a limit of 64 KiB.
 */
export function spanLimits(env: Environment): SpanLimits & { attributeValueLengthLimit: number } {
  const fallback = capturesContent(env) ? 65_536 : 4096;
  return {
    attributeValueLengthLimit: readNumber(env, 'OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT', fallback, {
      min: 1,
    }),
  };
}

/** Returns `fallback` and warns if the value is not a number within the bounds. */
export function readNumber(
  env: Environment,
  name: string,
  fallback: number,
  { min = 0, max = Number.POSITIVE_INFINITY } = {},
): number {
  const text = env[name];
  if (!text) return fallback;
  const value = Number(text);
  if (value >= min && value <= max) return value;
  diag.warn(`${name}: expected a number from ${min} to ${max}, got "${text}"; using ${fallback}`);
  return fallback;
}
