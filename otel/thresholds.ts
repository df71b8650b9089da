/**
 * Every number of an alert in one table: `alerting/rules/` writes rules from it, `otel/panels/` colours panels with it. The
 * environment overrides a number in the rules (`ALERT_HIGH_LATENCY_ABOVE=10 make generate`). A bound on a histogram must be
 * one of its buckets, so that no alert waits for a value that the histogram cannot show.
 */
import { metrics } from './names.ts';
import type { MetricDefinition, MetricKey } from './names.ts';

export interface Threshold {
  /** The alert fires above this value, in the unit of its metric; ratios have none. */
  above?: number;
  /** The alert fires below this value. */
  below?: number;
  /** The histogram that `above` applies to. */
  metric?: MetricKey;
  /** Range of the rates. */
  windowSeconds?: number;
  /** How long the condition must hold: the rule's `for`. */
  forSeconds?: number;
  /** The alert needs at least this many requests in the window. */
  minimumRequests?: number;
  /** The alert needs at least this many failures in the window. */
  minimumFailures?: number;
  /** The SLO: share of requests that must be good. */
  objective?: number;
  /** The alert needs at least this average of active sequences over the window; with fewer, throughput is low because of low demand. */
  minimumActive?: number;
  /** Memory alerts are off before this uptime, because a new process fills its caches. */
  minimumUptimeSeconds?: number;
}

export const defaultThresholds = {
  // The article's numbers. A single long answer fires it, so its route pages nobody.
  highLatency: {
    above: 5,
    metric: 'httpServerRequestDuration',
    windowSeconds: 300,
    forSeconds: 120,
  },
  // No minimum request count: a low-traffic service that always fails must alert. A single failure cannot fire it, because
  // it leaves the 5 min window before the 5 min `for` elapses.
  highErrorRate: { above: 0.05, windowSeconds: 300, forSeconds: 300 },
  targetDown: { forSeconds: 60 },

  // `objective` is the share of requests that are answered, and of first tokens that arrive within `above` seconds.
  slo: { objective: 0.99, above: 5, metric: 'genAiServerTimeToFirstToken', minimumFailures: 5 },
  errorBudgetBurnFast: { forSeconds: 120 },
  errorBudgetBurnSlow: { forSeconds: 900 },

  // End-to-end latency grows with the length of the answer. The bound is longer than any user waits, and the alert only warns.
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
  // Two tokens per second are slower than anyone reads.
  timePerOutputTokenHigh: {
    above: 0.5,
    metric: 'genAiServerTimePerOutputToken',
    windowSeconds: 300,
    forSeconds: 300,
    minimumRequests: 5,
  },
  // Too many threads made 0.3 tokens/s where 40 are usual (measured).
  tokenThroughputCollapse: { below: 1, windowSeconds: 300, forSeconds: 300, minimumActive: 0.5 },
  // Below half of the window: an engine that ends soon after each restart counts too. A load takes less than `for`.
  engineNotReady: { below: 0.5, windowSeconds: 120, forSeconds: 120 },
  queueBacklog: { above: 0.5, forSeconds: 120 },
  requestsRejected: { above: 0.05, windowSeconds: 300, forSeconds: 300, minimumFailures: 5 },
  contextSaturated: { above: 0.9, forSeconds: 300 },
  streamsStalled: { above: 0.05, windowSeconds: 900, forSeconds: 300, minimumFailures: 3 },
  // Ratio to the perplexity of the day before.
  answersDegraded: { above: 1.5, windowSeconds: 3600, forSeconds: 1800, minimumRequests: 20 },

  eventLoopDelayHigh: { above: 0.1, forSeconds: 300 },
  // Growth per hour as a share of the current size. It must be exceeded in each of three hours, which a single step cannot do.
  memoryGrowth: {
    above: 0.02,
    windowSeconds: 3600,
    forSeconds: 1800,
    minimumUptimeSeconds: 14_400,
  },
  // Seconds throttled per second.
  cpuThrottled: { above: 0.25, windowSeconds: 300, forSeconds: 600 },

  metricsAbsent: { forSeconds: 120 },
  allTargetsDown: { forSeconds: 60 },
  // A scrape takes milliseconds. Prometheus gives up after 10 s, or after the scrape interval where that is shorter.
  scrapeSlow: { above: 1, windowSeconds: 300, forSeconds: 300 },
  seriesCeilingReached: { above: 0.9, forSeconds: 300 },
  telemetryDropping: { above: 0, windowSeconds: 300, forSeconds: 300 },
  ruleEvaluationFailing: { above: 0, windowSeconds: 300, forSeconds: 120 },
  // Prometheus sends the Watchdog at least every minute, so an unreachable Alertmanager causes errors in every window.
  alertmanagerUnreachable: { above: 0, windowSeconds: 300, forSeconds: 300 },

  notifierFailing: { windowSeconds: 900, forSeconds: 60, minimumFailures: 5 },
  // Alertmanager waits 10 s for a new group and 1 min for another alert of it; the rest is the notifier and the channel.
  notificationsLate: {
    above: 120,
    metric: 'notifierDeliveryAge',
    windowSeconds: 3600,
    forSeconds: 60,
  },
  // Longer than the 10 min for which DingTalk blocks a robot that sent too often.
  notifierOutboxStuck: { above: 900, forSeconds: 60 },
} as const satisfies Record<string, Threshold>;

/** Share of requests that may fail: 1 - objective, without the noise of binary fractions. */
export function errorBudget(objective: number): number {
  return Number((1 - objective).toPrecision(6));
}

const [minute, hour, day] = [60, 3600, 86_400];

/**
 * Windows of the error budget alerts. The long window shows that the burn is significant, the short window that it continues. A
 * `factor` of 14.4 means that the 30-day budget burns 14.4 times faster than the objective allows.
 * Source: https://sre.google/workbook/alerting-on-slos/#6-multiwindow-multi-burn-rate-alerts, table 5-8; one day with
 * factor 3 as in https://sloth.dev/slo/windows.
 */
export const burnRates = {
  fast: [
    { factor: 14.4, longSeconds: hour, shortSeconds: 5 * minute },
    { factor: 6, longSeconds: 6 * hour, shortSeconds: 30 * minute },
  ],
  slow: [
    { factor: 3, longSeconds: day, shortSeconds: 2 * hour },
    { factor: 1, longSeconds: 3 * day, shortSeconds: 6 * hour },
  ],
} as const;

/** The type of the table, with any numbers. */
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
 * The table with the overrides of the environment: `ALERT_<NAME>_<FIELD>`, such as `ALERT_SLO_OBJECTIVE=0.995`.
 * @throws RangeError that lists every invalid setting.
 */
export function readThresholds(env: NodeJS.ProcessEnv): Thresholds {
  const read = structuredClone<Record<string, Threshold>>(defaultThresholds);
  const unused = new Set(Object.keys(env).filter((name) => name.startsWith('ALERT_') && env[name]));
  const problems: string[] = [];
  for (const [name, threshold] of Object.entries(read)) {
    const variable = (field: string): string => `ALERT_${upperSnake(name)}_${upperSnake(field)}`;
    for (const [field, value] of Object.entries(threshold)) {
      if (typeof value !== 'number' || !unused.delete(variable(field))) continue;
      const given = env[variable(field)] ?? '';
      const number = Number(given);
      if (!Number.isFinite(number) || number < 0)
        problems.push(`${variable(field)}: expected a number >= 0, got "${given}"`);
      else Object.assign(threshold, { [field]: number });
    }
    const problem = findBoundProblem(threshold);
    if (problem !== undefined) problems.push(`${variable(problem.field)}: ${problem.sentence}`);
  }
  for (const name of unused) {
    problems.push(`${name}: no such number in otel/thresholds.ts`);
  }
  if (problems.length > 0) throw new RangeError(`Invalid thresholds:\n  ${problems.join('\n  ')}`);
  return read as Thresholds;
}

/** The problem of a bound that its alert could never cross. */
function findBoundProblem({
  above,
  metric,
  objective,
}: Threshold): { field: string; sentence: string } | undefined {
  if (above !== undefined && metric !== undefined) {
    // At a bucket bound the quantile is exact. A quantile never exceeds the last finite bound, so an alert at that bound cannot fire.
    const { buckets = [] }: MetricDefinition = metrics[metric];
    const bounds = buckets.slice(0, -1);
    if (!bounds.includes(above)) {
      const expected = `expected a bucket bound of ${metrics[metric].name} below its last`;
      return { field: 'above', sentence: `${expected} (${bounds.join(', ')}), got ${above}` };
    }
  }
  // With a larger error budget, burning it at the highest rate would take more than all requests.
  const least = 1 - 1 / burnRates.fast[0].factor;
  if (objective !== undefined && !(objective > least && objective < 1)) {
    return { field: 'objective', sentence: `expected from 0.94 to below 1, got ${objective}` };
  }
  return undefined;
}

function upperSnake(name: string): string {
  return name.replaceAll(/[A-Z]/g, '_$&').toUpperCase();
}
