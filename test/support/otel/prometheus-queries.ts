/** The queries of our files, by kind of file. A test passes the text, so that it can misspell a query. */
import { globSync } from 'node:fs';
import { parse } from 'yaml';
import { annotations, panels, variables } from '../../../otel/panels/dashboards.ts';
import { withoutVariables } from '../../../otel/promql.ts';
import type { Panel } from '../../../otel/panels/panel.ts';
import {
  boundsIn,
  isQuery,
  resultLabels,
  unknownNames,
  type KnownSeries,
} from './prometheus-grammar.ts';
import {
  bucketsOf,
  parseRules,
  readRuleFiles,
  readText,
  root,
  type Rule,
} from './prometheus-series.ts';
import { formatBound } from '../../../otel/prometheus/prometheus-names.ts';

export interface FoundQuery {
  /** `panel latency-p99`, `alerting/generated/slo.yml ChatErrorBudgetBurn`. */
  where: string;
  expr: string;
  /** Labels of the result that the surrounding text uses, without labels that the rule sets. */
  uses: string[];
  /** Whether the result of the query is normally empty: then the test checks that its operands have a value. */
  condition: boolean;
}

const labelsOfLegend = (text: string): string[] =>
  [...text.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = '']) => label);

const labelsOfTemplate = (text: string): string[] =>
  [...text.matchAll(/\$labels\.(\w+)/g)].map(([, label = '']) => label);

export function queriesOfPanel({ id, queries }: Pick<Panel, 'id' | 'queries'>): FoundQuery[] {
  return queries.map(({ expr, legend }) => ({
    where: `panel ${id}`,
    expr: withoutVariables(expr),
    uses: labelsOfLegend(legend),
    condition: false,
  }));
}

/** Expressions, and the graphs that alerts link to. */
export function queriesOfRules(file: string, text: string): FoundQuery[] {
  return parseRules(text).flatMap(({ record, alert, expr, labels = {}, annotations = {} }) => {
    const where = `${file} ${record ?? alert}`;
    const texts = labelsOfTemplate(Object.values(annotations).join(' '));
    const uses = texts.filter((label) => !(label in labels));
    const graph = new URL(annotations['dashboard_url'] ?? 'http://none').searchParams.get(
      'g0.expr',
    );
    const found = [{ where, expr, uses, condition: alert !== undefined }];
    if (graph !== null)
      found.push({ where: `${where}, graph`, expr: graph, uses: [], condition: true });
    return found;
  });
}

/** Queries of ```promql blocks (one per block or per line), and the examples of `otel/generated/metrics.md`. */
export function queriesOfPage(file: string, text: string): FoundQuery[] {
  const blocks = [...text.matchAll(/^```promql\n([\s\S]*?)^```/gm)].map(([, block = '']) => block);
  const queries = blocks.flatMap((block) =>
    isQuery(block.trim()) ? [block.trim()] : block.split('\n').filter((line) => line.trim() !== ''),
  );
  const examples = [...text.matchAll(/^- example: `(.*)`$/gm)].map(([, example = '']) => example);
  return [...queries, ...examples].map((expr) => ({
    where: file,
    expr,
    uses: [],
    condition: true,
  }));
}

interface DataSources {
  datasources: { jsonData: { tracesToMetrics?: { queries: { name: string; query: string }[] } } }[];
}

/** Grafana replaces `$$__tags` by the labels of a span. */
export function queriesOfDataSources(file: string, text: string): FoundQuery[] {
  const { datasources } = parse(text) as DataSources;
  return datasources
    .flatMap(({ jsonData }) => jsonData.tracesToMetrics?.queries ?? [])
    .map(({ name, query }) => ({
      where: `${file} ${name}`,
      expr: query.replace('$$__tags', ''),
      uses: [],
      condition: false,
    }));
}

export const dataSourcesFile = 'stack/grafana/provisioning/datasources/llamascope.yml';
export const pages = globSync(['*.md', '{otel,stack,alerting}/**/*.md'], { cwd: root }).toSorted();

/** The queries of all files. */
export function findQueries(): FoundQuery[] {
  return [
    ...panels.flatMap(queriesOfPanel),
    ...annotations.map(({ title, expr, label }) => ({
      where: `annotation ${title.en}`,
      expr: withoutVariables(expr),
      uses: labelsOfLegend(label),
      condition: true,
    })),
    ...variables.map(({ name, of, label }) => ({
      where: `variable ${name}`,
      expr: of,
      uses: [label],
      condition: false,
    })),
    ...[...readRuleFiles().keys()].flatMap((file) => queriesOfRules(file, readText(file))),
    ...pages.flatMap((file) => queriesOfPage(file, readText(file))),
    ...queriesOfDataSources(dataSourcesFile, readText(dataSourcesFile)),
  ];
}

/** The problems of a query: unknown names and labels, and bounds that the histogram does not have. */
export function problemsOf(
  { expr, uses }: FoundQuery,
  known: KnownSeries,
  rules: readonly Rule[],
): string[] {
  const names = unknownNames(expr, known);
  if (names.length > 0) return names;
  const labels = resultLabels(expr, known);
  const missing = uses
    .filter((label) => !labels.has(label))
    .map((label) => `no label ${label} in its result`);
  const bounds = boundsIn(expr).flatMap(({ series, bound, exact }) => {
    const buckets = bucketsOf(series, rules);
    const within = exact
      ? bound === '+Inf' || buckets.map(formatBound).includes(bound)
      : Number(bound) < (buckets.at(-1) ?? 0);
    return within ? [] : [`${bound} is no bound within the buckets of ${series}`];
  });
  return [...missing, ...bounds];
}
