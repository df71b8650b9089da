/**
 * Every number an alert depends on, in one table: `rules.ts` writes the rules from it. Each can be set in the environment
 * (`ALERT_HIGH_LATENCY_ABOVE=10 make rules`), and a bound must be one of its histogram's, so that no alert waits for a
 * value its histogram cannot show.
 */
import { metrics } from './names.ts';
import type { MetricDefinition, MetricKey } from './names.ts';

export interface Threshold {
  /** The alert fires above this, in the metric's unit (a ratio where there is none). */
  above?: number;
  /** The alert fires below this. */
  below?: number;
  /** The histogram the bound is read from. */
  metric?: MetricKey;
  /** How far back rates look. */
  windowSeconds?: number;
  /** How long the condition must hold. */
  forSeconds?: number;
  /** Fewer requests than this in the window say too little to wake anyone. */
  minimumRequests?: number;
  /** The same for what went wrong. */
  minimumFailures?: number;
  /** Share of good requests that is promised. */
  objective?: number;
  /** Busy sequences, on average over the window, without which speed means nothing. */
  minimumActive?: number;
  /** Uptime before memory says anything: a process fills its caches first. */
  minimumUptimeSeconds?: number;
}

export const defaultThresholds = {
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

  // `objective` of all requests are answered, and as many first tokens come within `above`. Few failures are no trend.
  slo: { objective: 0.99, above: 5, metric: 'genAiServerTimeToFirstToken', minimumFailures: 5 },
  errorBudgetBurnFast: { forSeconds: 120 },
  errorBudgetBurnSlow: { forSeconds: 900 },

  // A long answer takes long: this bound is about what no reader sits through, and wakes nobody.
  chatLatencyHigh: {
    above: 40.96,
    metric: 'genAiServerRequestDuration',
    windowSeconds: 600,
    forSeconds: 600,
    minimumRequests: 10,
  },
  timeToFirstTokenHigh: {
    above: 10,
    metric: 'genAiServerTimeToFirstToken',
    windowSeconds: 300,
    forSeconds: 300,
    minimumRequests: 5,
  },
  // Two tokens a second is slower than anyone reads.
  timePerOutputTokenHigh: {
    above: 0.5,
    metric: 'genAiServerTimePerOutputToken',
    windowSeconds: 300,
    forSeconds: 300,
    minimumRequests: 5,
  },
  // Too many threads gave 0.3 tokens a second where 40 are usual.
  tokenThroughputCollapse: { below: 1, windowSeconds: 300, forSeconds: 300, minimumActive: 0.5 },
  queueBacklog: { above: 0.5, forSeconds: 120 },
  requestsRejected: { above: 0.05, windowSeconds: 300, forSeconds: 300, minimumFailures: 5 },
  contextSaturated: { above: 0.9, forSeconds: 300 },
  streamsStalled: { above: 0.05, windowSeconds: 900, forSeconds: 300, minimumFailures: 3 },
  // Times the perplexity of the day before.
  answersDegraded: { above: 1.5, windowSeconds: 3600, forSeconds: 1800, minimumRequests: 20 },

  eventLoopDelayHigh: { above: 0.1, forSeconds: 300 },
  // Share of the present size by which memory grows in an hour, in each of three hours: a step is in one of them only.
  memoryGrowth: {
    above: 0.02,
    windowSeconds: 3600,
    forSeconds: 1800,
    minimumUptimeSeconds: 14_400,
  },
  // Seconds held back in a second.
  cpuThrottled: { above: 0.25, windowSeconds: 300, forSeconds: 600 },

  metricsAbsent: { forSeconds: 120 },
  allTargetsDown: { forSeconds: 60 },
  // A scrape takes milliseconds; Prometheus gives up on one after ten seconds, or the interval where that is shorter.
  scrapeSlow: { above: 1, windowSeconds: 300, forSeconds: 300 },
  seriesCeilingReached: { above: 0.9, forSeconds: 300 },
  telemetryDropping: { above: 0, windowSeconds: 300, forSeconds: 300 },
  ruleEvaluationFailing: { above: 0, windowSeconds: 300, forSeconds: 120 },
  // The Watchdog is sent at least every minute, so that an Alertmanager that is away fails every window.
  alertmanagerUnreachable: { above: 0, windowSeconds: 300, forSeconds: 300 },

  notifierFailing: { windowSeconds: 900, forSeconds: 60, minimumFailures: 5 },
  // DingTalk blocks a robot that was called too often for ten minutes: that alone is no reason to wake anyone.
  notifierOutboxStuck: { above: 900, forSeconds: 60 },
} as const satisfies Record<string, Threshold>;

/** The same table with numbers of any value. */
export type Thresholds = {
  -readonly [Name in keyof typeof defaultThresholds]: {
    -readonly [
      Field in keyof (typeof defaultThresholds)[Name]
    ]: (typeof defaultThresholds)[Name][Field] extends number
      ? number
      : (typeof defaultThresholds)[Name][Field];
  };
};

/**
 * The table with what the environment sets: `ALERT_<NAME>_<FIELD>`, as `ALERT_SLO_OBJECTIVE=0.995`.
 * @throws RangeError that lists every setting that is wrong, what was expected and what came.
 */
export function readThresholds(env: NodeJS.ProcessEnv): Thresholds {
  const read = structuredClone<Record<string, Threshold>>(defaultThresholds);
  const unread = new Set(Object.keys(env).filter((name) => name.startsWith('ALERT_') && env[name]));
  const problems: string[] = [];
  for (const [name, threshold] of Object.entries(read)) {
    const variable = (field: string): string => `ALERT_${upperSnake(name)}_${upperSnake(field)}`;
    for (const [field, value] of Object.entries(threshold)) {
      if (typeof value !== 'number' || !unread.delete(variable(field))) continue;
      const given = env[variable(field)] ?? '';
      const number = Number(given);
      if (!Number.isFinite(number) || number < 0)
        problems.push(`${variable(field)}: expected a number >= 0, got "${given}"`);
      else Object.assign(threshold, { [field]: number });
    }
    const problem = whyItCannotFire(threshold);
    if (problem !== undefined) problems.push(`${variable(problem.field)}: ${problem.sentence}`);
  }
  for (const name of unread) {
    problems.push(`${name}: expected the name of a number in otel/thresholds.ts, got another`);
  }
  if (problems.length > 0)
    throw new RangeError(`The thresholds are wrong:\n  ${problems.join('\n  ')}`);
  return read as Thresholds;
}

function whyItCannotFire({
  above,
  metric,
  objective,
}: Threshold): { field: string; sentence: string } | undefined {
  if (above !== undefined && metric !== undefined) {
    // On a bound the quantile is exact; the last finite bound is the most a quantile can be, and never above itself.
    const { buckets = [] }: MetricDefinition = metrics[metric];
    const bounds = buckets.slice(0, -1);
    if (!bounds.includes(above)) {
      const expected = `expected a bucket bound of ${metrics[metric].name} below its last`;
      return { field: 'above', sentence: `${expected} (${bounds.join(', ')}), got ${above}` };
    }
  }
  // 14.4 times a larger budget than this is more than all requests.
  if (objective !== undefined && !(objective > 1 - 1 / 14.4 && objective < 1)) {
    return { field: 'objective', sentence: `expected from 0.94 to below 1, got ${objective}` };
  }
  return undefined;
}

function upperSnake(name: string): string {
  return name.replaceAll(/[A-Z]/g, '_$&').toUpperCase();
}
