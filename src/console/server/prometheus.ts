/** The series and exemplars of a panel, from Prometheus. Used by GET /api/panels/{id}. */
import { z } from 'zod';
import type { Panel } from '../../../otel/panels/panel.ts';
import { withoutVariables } from '../../../otel/promql.ts';
import type { Exemplar, Series } from './answers.ts';
import { askPeer } from './peers.ts';
import type { Range } from './panel-range.ts';

/** A plot with more lines is not readable. */
const maxSeries = 100;
const maxExemplars = 100;

const Labels = z.record(z.string(), z.string());

const Matrix = z.object({
  data: z.object({
    result: z.array(
      z.object({ metric: Labels, values: z.array(z.tuple([z.number(), z.string()])) }),
    ),
  }),
});

const ExemplarSets = z.object({
  data: z.array(
    z.object({
      exemplars: z.array(z.object({ labels: Labels, value: z.string(), timestamp: z.number() })),
    }),
  ),
});

/** Every series has a point for every step of `range`. @throws ChatError `peer_unreachable` */
export async function readSeries(
  url: string | undefined,
  panel: Panel,
  range: Range,
): Promise<Series[]> {
  const answers = await Promise.all(
    panel.queries.map(async ({ expr, legend }) => {
      const { data } = await ask(url, 'query_range', Matrix, {
        query: expr,
        ...bounds(range),
        step: String(range.stepSeconds),
        timeout: '3s',
      });
      return data.result.map(({ metric, values }) => ({
        legend: legend.replaceAll(/\{\{(\w+)\}\}/g, (_, label: string) => metric[label] ?? ''),
        points: toPoints(values, range),
      }));
    }),
  );
  const series = answers.flat().slice(0, maxSeries);
  if (panel.kind !== 'heatmap') return series;
  return series.toSorted((a, b) => toNumber(a.legend) - toNumber(b.legend));
}

/** The largest exemplars of the panel's histograms, which belong to the slowest requests. Empty if Prometheus stores none. */
export async function readExemplars(
  url: string | undefined,
  panel: Panel,
  range: Range,
): Promise<Exemplar[]> {
  const selectors = panel.queries.flatMap(({ expr }) => expr.match(/\b\w+_bucket\{[^}]*\}/g) ?? []);
  const answers = await Promise.all(
    [...new Set(selectors)].map((query) =>
      ask(url, 'query_exemplars', ExemplarSets, { query, ...bounds(range) }).catch(() => undefined),
    ),
  );
  const byTrace = new Map<string, Exemplar>();
  for (const { exemplars } of answers.flatMap((answer) => answer?.data ?? [])) {
    for (const { labels, value, timestamp } of exemplars) {
      const traceId = labels['trace_id'];
      if (traceId === undefined) continue;
      byTrace.set(`${traceId} ${value}`, { at: timestamp, value: Number(value), traceId });
    }
  }
  return [...byTrace.values()].toSorted((a, b) => b.value - a.value).slice(0, maxExemplars);
}

function ask<T extends z.ZodType>(
  url: string | undefined,
  endpoint: string,
  schema: T,
  { query, ...parameters }: Record<'query' | 'start' | 'end', string> & Record<string, string>,
): Promise<z.infer<T>> {
  const search = new URLSearchParams({ query: withoutVariables(query), ...parameters });
  const path = `/api/v1/${endpoint}?${search.toString()}`;
  return askPeer({ peer: 'prometheus', url, path }, schema);
}

function bounds({ from, to }: Range): { start: string; end: string } {
  return { start: String(from), end: String(to) };
}

/** Fills the steps that Prometheus leaves out with null. */
function toPoints(values: [number, string][], { from, to, stepSeconds }: Range): Series['points'] {
  const known = new Map(values);
  const points: Series['points'] = [];
  for (let at = from; at <= to; at += stepSeconds) {
    const value = toNumber(known.get(at) ?? 'NaN');
    points.push([at, Number.isFinite(value) ? value : null]);
  }
  return points;
}

/** Prometheus spells infinity `+Inf`. */
function toNumber(text: string): number {
  return Number(text.replace('Inf', 'Infinity'));
}
