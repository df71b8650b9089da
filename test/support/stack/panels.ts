/** Evaluates the panels over several chat services of one Prometheus. Used by the tests of replicas, in both modes. */
import { dashboards } from '../../../otel/panels/dashboards.ts';
import { until } from '../until.ts';

interface Sample {
  metric: Record<string, string>;
  value: [number, string];
}

interface Asked {
  id: string;
  expr: string;
}

const asked: Asked[] = dashboards
  .filter(({ id }) => id === 'qwen-monitor' || id === 'inference')
  .flatMap(({ rows }) => rows.flatMap(({ panels }) => panels))
  .flatMap(({ id, queries }) => queries.map(({ expr }) => ({ id, expr })))
  .filter(({ expr }) => expr.includes('$instance'));
/** Queries without an aggregation: one line for each instance. */
export const perInstance = asked.filter(({ expr }) => /^(rate\(|\w+\{)/.test(expr));
export const summed = asked.filter(({ expr }) => /^sum\b/.test(expr) && !expr.includes(' / '));
/** Quantiles, means and ratios: between the smallest and the greatest value of the instances. */
export const between = asked.filter(
  (query) => !perInstance.includes(query) && !summed.includes(query),
);

export interface Replicas {
  query(expr: string, time?: number): Promise<Sample[]>;
  /** The values of a panel's query for the chosen instances, by the labels as JSON. */
  ask(expr: string, chosen: readonly string[], time: number): Promise<Map<string, number>>;
  /** The instances for which a panel has lines, sorted. */
  drawn(expr: string, time: number): Promise<string[]>;
  /** Compares a panel over all instances with the panel over each of them; returns the problems. */
  complain(kind: 'summed' | 'between', query: Asked, time: number): Promise<string[]>;
}

/** @param instances The `instance` labels: host:port. */
export function createReplicas(prometheusUrl: string, instances: readonly string[]): Replicas {
  const query: Replicas['query'] = async (expr, time) => {
    const body = new URLSearchParams({ query: expr, ...(time && { time: String(time) }) });
    const response = await fetch(`${prometheusUrl}/api/v1/query`, { method: 'POST', body });
    return ((await response.json()) as { data: { result: Sample[] } }).data.result;
  };
  const ask: Replicas['ask'] = async (expr, chosen, time) => {
    const pattern = chosen.map((instance) => instance.replaceAll('.', String.raw`\\.`)).join('|');
    const chosenOnly = expr.replaceAll('$instance', pattern).replaceAll('$model', '.*');
    const samples = await query(chosenOnly, time);
    return new Map(samples.map(({ metric, value }) => [JSON.stringify(metric), Number(value[1])]));
  };
  return {
    query,
    ask,
    async drawn(expr, time) {
      const lines = [...(await ask(expr, instances, time)).keys()];
      const metrics = lines.map((labels) => JSON.parse(labels) as Sample['metric']);
      return [...new Set(metrics.map((metric) => metric['instance'] ?? ''))].toSorted();
    },
    async complain(kind, { id, expr }, time) {
      const together = await ask(expr, instances, time);
      const single = await Promise.all(instances.map((instance) => ask(expr, [instance], time)));
      const wrong = [...together].filter(([labels, value]) => {
        const parts = single.map((values) => values.get(labels)).filter(Number.isFinite);
        return !judges[kind](value, parts as number[]);
      });
      const none = kind === 'summed' && together.size === 0 ? [`${id}: nothing of ${expr}`] : [];
      return [...none, ...wrong.map(([labels, value]) => `${id}: ${value} of ${expr} ${labels}`)];
    },
  };
}

/**
 * A Unix time in seconds for which all scrapes are stored, so that repeated queries at this time have the same result. It is a
 * multiple of `step`: a panel that counts in steps has nothing of a service that is younger than one.
 */
export async function settledTime(step = 1): Promise<number> {
  const time = Math.ceil(Date.now() / 1000 / step) * step;
  // Two scrape intervals of 1 s.
  await until(() => Date.now() / 1000 > time + 2);
  return time;
}

const judges = {
  summed: (value: number, parts: number[]) => Math.abs(value - sumOf(parts)) < 1e-6,
  between: (value: number, parts: number[]) =>
    value >= Math.min(...parts) * (1 - 1e-9) && value <= Math.max(...parts) * (1 + 1e-9),
};

export function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
