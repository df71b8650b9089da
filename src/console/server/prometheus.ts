/** The lines of a panel and the traces behind them, from Prometheus. Used by GET /api/panels/{id}. */
import { z } from 'zod';
import type { Panel } from '../../../otel/panels/panel.ts';
import { withoutVariables } from '../../../otel/promql.ts';
import { askPeer } from './peers.ts';
import type { Range } from './panel-range.ts';

export interface Series {
  legend: string;
  /** Epoch seconds and value; null where there is none. */
  points: [number, number | null][];
}

export interface Exemplar {
  /** Epoch seconds. */
  at: number;
  value: number;
  traceId: string;
}

/** One line a series; more than these is a picture of nothing. */
const mostSeries = 100;
const mostExemplars = 100;

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

/** Every series over the same moments. @throws ChatError `peer_unreachable` */
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
        points: spread(values, range),
      }));
    }),
  );
  const series = answers.flat().slice(0, mostSeries);
  if (panel.kind !== 'heatmap') return series;
  return series.toSorted((a, b) => toNumber(a.legend) - toNumber(b.legend));
}

/**
 * Of the histograms that the panel reads: the largest values, since those are the ones to look into. None where Prometheus
 * keeps none.
 */
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
  return [...byTrace.values()].toSorted((a, b) => b.value - a.value).slice(0, mostExemplars);
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

/** Prometheus leaves out the moments without a value. */
function spread(values: [number, string][], { from, to, stepSeconds }: Range): Series['points'] {
  const known = new Map(values);
  const points: Series['points'] = [];
  for (let at = from; at <= to; at += stepSeconds) {
    const value = toNumber(known.get(at) ?? 'NaN');
    points.push([at, Number.isFinite(value) ? value : null]);
  }
  return points;
}

/** `+Inf` is a number to Prometheus and none to JavaScript. */
function toNumber(text: string): number {
  return Number(text.replace('Inf', 'Infinity'));
}
