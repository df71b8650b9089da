/**
 * What the process itself can say of a panel where no Prometheus answers: the present value of its gauges. A rate or a quantile
 * of the last minutes needs a past, which is Prometheus' business; such a query has no answer here.
 */
import type { Panel } from '../../../otel/panels/panel.ts';
import { withoutVariables } from '../../../otel/promql.ts';
import type { Series } from './prometheus.ts';

interface Sample {
  labels: Record<string, string>;
  value: number;
}

type Sum = 'sum' | 'min' | 'max';
type Group = { labels: Record<string, string>; value: number };

/** `sum by (a, b) (name{matchers})`, each part but the selector may be missing. */
const gaugeQuery =
  /^(?:(?<how>sum|min|max) ?(?:by \((?<by>[\w, ]+)\) ?)?\()?(?<name>\w+)\{(?<matchers>[^}]*)\}\)?$/;
/** These choose among processes, and here there is one. */
const matchesAll = /^(?:job=.*|instance=.*|\w+=~"\.\*")$/;

/** One point a line, at `at` (epoch seconds), for those of its queries that have an answer. */
export function readFromProcess(panel: Panel, exposition: string, at: number): Series[] {
  return panel.queries.flatMap(({ expr, legend }) => {
    const [dividend = '', divisor, ...more] = withoutVariables(expr).split(' / ');
    if (more.length > 0) return [];
    const groups = evaluate(dividend, exposition);
    const over = divisor === undefined ? 1 : evaluate(divisor, exposition)[0]?.value;
    if (over === undefined || over === 0) return [];
    return groups.map(({ labels, value }): Series => {
      const name = legend.replaceAll(/\{\{(\w+)\}\}/g, (_, label: string) => labels[label] ?? '');
      return { legend: name.trim(), points: [[at, value / over]] };
    });
  });
}

function evaluate(expr: string, exposition: string): Group[] {
  const found = gaugeQuery.exec(expr)?.groups;
  if (found === undefined) return [];
  const matchers = (found['matchers'] ?? '').split(', ');
  if (!matchers.every((matcher) => matchesAll.test(matcher))) return [];
  const samples = readSamples(exposition, found['name'] ?? '');
  if (found['how'] === undefined) return samples;
  const by = found['by']?.split(', ') ?? [];
  return aggregate(samples, found['how'] as Sum, by);
}

function aggregate(samples: readonly Sample[], how: Sum, by: readonly string[]): Group[] {
  const groups = Map.groupBy(samples, ({ labels }) => by.map((name) => labels[name]).join(' '));
  return [...groups.values()].map((members) => {
    const values = members.map(({ value }) => value);
    const value = how === 'sum' ? values.reduce((a, b) => a + b) : Math[how](...values);
    return { labels: members[0]?.labels ?? {}, value };
  });
}

function readSamples(exposition: string, name: string): Sample[] {
  return exposition.split('\n').flatMap((line) => {
    const rest = line.startsWith(name) ? line.slice(name.length) : '';
    if (rest[0] !== '{' && rest[0] !== ' ') return [];
    const value = Number(rest.slice(rest.lastIndexOf(' ') + 1));
    if (!Number.isFinite(value)) return [];
    const pairs = [...rest.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)];
    const labels = pairs.map(([, key, text = '']) => [key, unescape(text)] as const);
    return [{ labels: Object.fromEntries(labels), value }];
  });
}

function unescape(text: string): string {
  return text.replaceAll(/\\(.)/g, (_, character: string) =>
    character === 'n' ? '\n' : character,
  );
}
