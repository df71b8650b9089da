/**
 * Every number an alert depends on, in one table: `rules.ts` writes the rules from it, and a test holds each bound
 * against the buckets of its metric, so that no alert waits for a value its histogram cannot show.
 */
import type { MetricKey } from '../otel/names.ts';

export interface Threshold {
  /** The alert fires above this, in the metric's unit (a ratio for errors). */
  above?: number;
  /** The histogram the bound is read from. */
  metric?: MetricKey;
  /** How far back rates look. */
  windowSeconds?: number;
  /** How long the condition must hold. */
  forSeconds: number;
  /** Fewer requests than this in the window say too little to wake anyone. */
  minimumRequests?: number;
}

export const thresholds = {
  // Below five requests P99 is simply the slowest one, and a single long answer would raise the alert.
  highLatency: {
    above: 5,
    metric: 'httpServerRequestDuration',
    windowSeconds: 300,
    forSeconds: 120,
    minimumRequests: 5,
  },
  // No minimum here: a quiet service that fails every time must be heard. One lone failure is not: it leaves the
  // five-minute window before it has lasted five minutes.
  highErrorRate: { above: 0.05, windowSeconds: 300, forSeconds: 300 },
  targetDown: { forSeconds: 60 },
} as const satisfies Record<string, Threshold>;
