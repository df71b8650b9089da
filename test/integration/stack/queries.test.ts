/**
 * No panel is empty: runs every query of every panel, rule, runbook and page against the stack of `make up`, before and after
 * real traffic.
 */
import type { Dataquery } from '@grafana/grafana-foundation-sdk/prometheus';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildDashboard } from '../../../stack/grafana.ts';
import { dashboards, panels } from '../../../otel/panels/dashboards.ts';
import { withoutVariables } from '../../../otel/promql.ts';
import {
  findQueries,
  queriesOfPanel,
  type FoundQuery,
} from '../../support/otel/prometheus-queries.ts';
import { driveTraffic } from '../../support/otel/prometheus-traffic.ts';
import { raiseAlert } from '../../support/stack/traffic.ts';
import { operandsOf } from '../../support/otel/prometheus-grammar.ts';
import { createStack, type Stack } from '../../support/stack/stack.ts';

/** Parts of queries that may be empty in this test. */
const exceptions = [
  {
    expr: 'ALERTS{alertstate="firing", alertname!="Watchdog"}',
    because: 'no alert has been pending for long enough to fire',
  },
  {
    expr: 'llamascope_cgroup_memory_limit_bytes',
    because: 'the machine may set no memory limit',
  },
  {
    expr: '(avg_over_time(inference_sequences_active{job="qwen-instruct"}[5m]) >= 0.5)',
    because: 'throughput counts only while the service is busy, which a minute of tests is not',
  },
];

/** The stack is a minute old, so offsets are dropped. */
const withoutPast = (expr: string): string => expr.replaceAll(/ offset \d+[hd]\b/g, '');

let stack: Stack;

beforeAll(async () => {
  // One sequence and one queue place: the queue is full with three requests.
  stack = await createStack({ CHAT_SEQUENCES: '1', CHAT_QUEUE_LIMIT: '1' });
  await stack.command('up');
}, 120_000);

afterAll(async () => {
  await stack.command('down');
  await stack.dispose();
}, 60_000);

/** Trace ids of the exemplars of a query. */
async function askExemplars(query: string): Promise<string[]> {
  const now = Date.now() / 1000;
  const range = { query, start: String(now - 300), end: String(now) };
  const url = `http://127.0.0.1:${stack.env['PROMETHEUS_PORT']}/api/v1/query_exemplars`;
  const response = await fetch(url, { method: 'POST', body: new URLSearchParams(range) });
  const { data } = (await response.json()) as {
    data: { exemplars: { labels: { trace_id?: string } }[] }[];
  };
  const labels = data.flatMap(({ exemplars }) => exemplars.map((exemplar) => exemplar.labels));
  return labels.flatMap(({ trace_id: traceId }) => (traceId === undefined ? [] : [traceId]));
}

interface Answer {
  status: string;
  error?: string;
  data: { resultType: string; result: { value: [number, string] }[] | [number, string] };
}

/** Values of an instant query. @throws Error with the message of Prometheus for an invalid query */
async function ask(expr: string): Promise<number[]> {
  const url = `http://127.0.0.1:${stack.env['PROMETHEUS_PORT']}/api/v1/query`;
  const response = await fetch(url, { method: 'POST', body: new URLSearchParams({ query: expr }) });
  const { status, error, data } = (await response.json()) as Answer;
  if (status !== 'success') throw new Error(`${expr}: ${error}`);
  if (data.resultType === 'scalar') return [Number(data.result[1])];
  return (data.result as { value: [number, string] }[]).map(({ value }) => Number(value[1]));
}

const isAnswered = async (expr: string): Promise<boolean> =>
  (await ask(expr)).some((value) => Number.isFinite(value));

/** Operands of a query without a finite sample. */
async function emptyParts({ expr, condition }: FoundQuery): Promise<string[]> {
  if (await isAnswered(expr)) return [];
  const empty: string[] = [];
  for (const part of condition ? operandsOf(expr) : [expr]) {
    const excused = exceptions.some((exception) => part.includes(exception.expr));
    if (!excused && !(await isAnswered(withoutPast(part)))) empty.push(part);
  }
  return empty;
}

/**
 * Checks all items until none has a complaint in the same round, for at most `seconds`, and returns the complaints of the last
 * round. Items that passed are checked again, because before the first scrape everything looks like an idle panel.
 */
async function settle<Item>(
  items: readonly Item[],
  complain: (item: Item) => Promise<string[]>,
  seconds: number,
): Promise<string[]> {
  const deadline = performance.now() + seconds * 1000;
  for (;;) {
    const complaints: string[] = [];
    for (const item of items) complaints.push(...(await complain(item)));
    if (complaints.length === 0 || performance.now() > deadline) return complaints;
    // Scrapes are one second apart.
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

const holds = {
  zero: (values: number[]) => values.length > 0 && values.every((value) => value === 0),
  value: (values: number[]) => values.some((value) => Number.isFinite(value)),
  nothing: (values: number[]) => values.length === 0,
};

test.each(exceptions)('the exception $expr is part of a query', ({ expr }) => {
  expect(findQueries().some((query) => query.expr.includes(expr))).toBe(true);
});

describe('the stack of make up, at one second a scrape', () => {
  test('shows in each idle panel what the panel declares', async () => {
    const complaints = await settle(
      panels,
      async (panel) => {
        const asked = await Promise.all(queriesOfPanel(panel).map(({ expr }) => ask(expr)));
        const values = asked.flat();
        return holds[panel.idle](values)
          ? []
          : [`${panel.id}: ${panel.idle}, got [${values.join(', ')}]`];
      },
      // The steps in which panels count are 15 s apart.
      45,
    );
    expect(complaints).toEqual([]);
  }, 80_000);

  test('answers every query with a finite sample after traffic', async () => {
    await raiseAlert(stack, { name: 'HighErrorRate' });
    await driveTraffic(stack.chatUrl, stack.pid('chat'));
    const complaints = await settle(
      findQueries(),
      async (query) => (await emptyParts(query)).map((part) => `${query.where}: ${part}`),
      30,
    );
    expect(complaints).toEqual([]);
  }, 120_000);

  test('has exemplars for every panel that shows them', async () => {
    const drawn = dashboards.flatMap((dashboard) => buildDashboard(dashboard, 'en').panels ?? []);
    const targets = drawn.flatMap((panel) => ('targets' in panel ? (panel.targets ?? []) : []));
    const asked = targets.flatMap((target) => {
      const { expr, exemplar } = target as Dataquery;
      return exemplar === true ? [withoutVariables(expr)] : [];
    });
    expect(asked.length).toBeGreaterThan(10);
    const complaints = await settle(
      asked,
      async (expr) => ((await askExemplars(expr)).length > 0 ? [] : [expr]),
      10,
    );
    expect(complaints).toEqual([]);
  });

  test('answers a misspelt query with nothing', async () => {
    const [misspelt] = queriesOfPanel({
      id: 'misspelt',
      queries: [{ expr: 'sum(rate(http_request_total[5m]))', legend: '' }],
    });
    expect(await emptyParts(misspelt!)).toEqual(['sum(rate(http_request_total[5m]))']);
  });
});
