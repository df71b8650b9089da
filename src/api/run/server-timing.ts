/** The Server-Timing header: how long each phase of a generation took, for a browser's network panel. */
import type { GenerationTimings } from '../../../otel/generation/generation-state.ts';

/** Durations in milliseconds (https://www.w3.org/TR/server-timing/); undefined before the first phase has ended. */
export function toServerTiming(timings: GenerationTimings): string | undefined {
  const phases = [
    ['tokenize', timings.tokenizeSeconds],
    ['queue', timings.queueSeconds],
    ['prefill', timings.prefillSeconds],
    ['decode', timings.decodeSeconds],
  ] as const;
  const metrics = phases.flatMap(([name, seconds]) =>
    seconds === undefined ? [] : [`${name};dur=${(seconds * 1000).toFixed(2)}`],
  );
  return metrics.length === 0 ? undefined : metrics.join(', ');
}
