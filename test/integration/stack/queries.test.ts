/**
 * No panel is empty: the stack of `make up`, asked every query of every panel, rule, runbook and page, first before and
 * then after real traffic.
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
import { operandsOf } from '../../support/otel/prometheus-grammar.ts';
import { createStack, type Stack } from '../../support/stack/stack.ts';

/** What may be empty here although nothing is wrong; the list is closed. */
const exceptions = [
  {
    expr: 'ALERTS{alertstate="firing", alertname!="Watchdog"}',
    because: 'nothing has been wrong for as long as an alert waits',
  },
  {
    expr: 'container_memory_limit_bytes',
    because: 'a machine may set its processes no memory limit',
  },
  {
    expr: '(avg_over_time(inference_sequences_active{job="qwen-instruct"}[5m]) >= 0.5)',
    because: 'the speed of a service counts only while it is busy, and a minute of tests is not',
  },
];

/** The stack is a minute old: what looks back further is asked about now. */
const withoutPast = (expr: string): string => expr.replaceAll(/ offset \d+[hd]\b/g, '');

let stack: Stack;

beforeAll(async () => {
  // One sequence and one place to wait: a queue is then easily full.
  stack = await createStack({ CHAT_SEQUENCES: '1', CHAT_QUEUE_LIMIT: '1' });
  await stack.command('up');
}, 120_000);

afterAll(async () => {
  await stack.command('down');
  await stack.dispose();
}, 60_000);

/** The trace ids that Prometheus keeps beside the series of a query. */
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

/** The values of an instant query. @throws Error with what Prometheus says about a query that it refuses. */
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

/** What of a query has no finite sample. */
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
 * Asks about all of them until there is nothing to complain about at one time, at most so long; answers the complaints
 * that stay. What held earlier is asked again: before the first scrape everything is as empty as an idle panel.
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
    // The next scrape is up to a second away.
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

const holds = {
  zero: (values: number[]) => values.length > 0 && values.every((value) => value === 0),
  value: (values: number[]) => values.some((value) => Number.isFinite(value)),
  nothing: (values: number[]) => values.length === 0,
};

test.each(exceptions)('the exception $expr is one of a query that there is', ({ expr }) => {
  expect(findQueries().some((query) => query.expr.includes(expr))).toBe(true);
});

describe('the stack of make up, at one second a scrape', () => {
  test('shows at idle what each panel says that it shows', async () => {
    const complaints = await settle(
      panels,
      async (panel) => {
        const asked = await Promise.all(queriesOfPanel(panel).map(({ expr }) => ask(expr)));
        const values = asked.flat();
        return holds[panel.idle](values)
          ? []
          : [`${panel.id}: ${panel.idle}, got [${values.join(', ')}]`];
      },
      25,
    );
    expect(complaints).toEqual([]);
  }, 60_000);

  test('answers every query with a finite sample once people chat', async () => {
    await driveTraffic(stack.chatUrl, stack.pid('chat'));
    const complaints = await settle(
      findQueries(),
      async (query) => (await emptyParts(query)).map((part) => `${query.where}: ${part}`),
      30,
    );
    expect(complaints).toEqual([]);
  }, 120_000);

  test('leads from every panel with exemplars to a trace', async () => {
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

  test('has nothing to say to a misspelt query', async () => {
    const [misspelt] = queriesOfPanel({
      id: 'misspelt',
      queries: [{ expr: 'sum(rate(http_request_total[5m]))', legend: '' }],
    });
    expect(await emptyParts(misspelt!)).toEqual(['sum(rate(http_request_total[5m]))']);
  });
});
