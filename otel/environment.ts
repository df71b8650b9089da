/** What the standard OTEL_* variables say about spans, for the files that make them and the files that send them. */
import { diag } from '@opentelemetry/api';
import type { SpanLimits } from '@opentelemetry/sdk-trace';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Prompts and answers go onto spans only where someone asked for it in so many words. */
export function capturesContent(env: Environment): boolean {
  return env['OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT']?.toLowerCase() === 'true';
}

/** A client's text (a model's name, stop sequences) is cut here; the standard has no limit. Conversations get more room. */
export function spanLimits(env: Environment): SpanLimits & { attributeValueLengthLimit: number } {
  const fallback = capturesContent(env) ? 65_536 : 4096;
  return {
    attributeValueLengthLimit: readNumber(env, 'OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT', fallback, {
      min: 1,
    }),
  };
}

/** The fallback, with a warning, for what is no number within the bounds. */
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
