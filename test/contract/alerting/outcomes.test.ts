/** The table of outcomes, and that every ratio which a panel, rule or page shows counts as the table says. */
import { expect, test } from 'vitest';
import { endings } from '../../../otel/names.ts';
import {
  abandonedWaits,
  allRows,
  brokenStreams,
  indicator,
  reasonsOf,
  streamIndicator,
  type Count,
  type Ratio,
} from '../../../otel/outcomes.ts';
import { monitor } from '../../../otel/panels/monitor.ts';
import { defaultThresholds } from '../../../otel/thresholds.ts';
import { rules } from '../../support/alerting/rules.ts';
import { shownRatios } from '../../support/otel/shown-ratios.ts';

const shown = shownRatios(defaultThresholds);
const recorded = (name: string, slo?: string): string =>
  rules.find((rule) => 'record' in rule && rule.record === name && rule.labels?.['slo'] === slo)
    ?.expr ?? '';

/** The sets of reasons that a query matches, in its order. */
function reasonsIn(expr: string): string[][] {
  return [...expr.matchAll(/reason=~"([^"]*)"/g)].map(([, reasons = '']) =>
    reasons.split('|').toSorted(),
  );
}

function inTable(ratio: Ratio, ...wanted: Count[]): string[] {
  const rows = allRows.filter(({ row }) => wanted.includes(row[ratio]));
  return [...new Set(rows.map(({ reason }) => reason as string))].toSorted();
}

test('the table has one row for every ending', () => {
  const rows = allRows.map(({ outcome, reason }) => `${outcome} ${reason}`);
  const all = Object.entries(endings).flatMap(([outcome, reasons]) =>
    reasons.map((reason) => `${outcome} ${reason}`),
  );
  expect(rows.toSorted()).toEqual(all.toSorted());
});

test('no SLO improves when people give up', () => {
  const left = [...allRows.map(({ row }) => row), ...Object.values(abandonedWaits)].filter(
    ({ kind }) => kind === 'abandoned',
  );
  for (const row of left) expect([row.availability, row.latency]).not.toContain('good');
  expect(abandonedWaits.late).toMatchObject({ availability: 'bad', latency: 'bad' });
});

test.each([
  ['success', 'good', 200],
  ['failure', 'bad', 500],
  ['mistake', 'none', 200],
])('every %s is %s for availability, and %i if its stream broke off', (kind, count, status) => {
  const rows = allRows.flatMap(({ row }) => (row.kind === kind ? [row] : []));
  expect(new Set(rows.map((row) => row.availability))).toEqual(new Set([count]));
  expect(new Set(rows.map((row) => row.streamStatus))).toEqual(new Set([status]));
});

test('no refusal is a success', () => {
  const refusals = allRows.filter(({ row }) => row.kind === 'refusal');
  expect(new Set(refusals.map(({ row }) => row.availability))).toEqual(new Set(['bad']));
});

test('the ratios that panels, rules and pages show are all known, in every wing', () => {
  const names = new Set(shown.map(({ ratio }) => ratio));
  expect([...names].map(String).toSorted()).toEqual(
    ['availability', 'capacity', 'cached', 'latency', 'stalled', 'status', 'undefined'].toSorted(),
  );
  expect(shown.length).toBeGreaterThan(25);
});

test('availability is recorded as the table says, and late disconnects are in its bad and all requests', () => {
  const bad = recorded('instance:slo_errors:rate5m', 'availability');
  const all = recorded('instance:slo_requests:rate5m', 'availability');
  expect(reasonsIn(bad)).toEqual([inTable('availability', 'bad')]);
  expect(reasonsIn(all)).toEqual([inTable('availability', 'good', 'bad')]);
  const late = /inference_unanswered_duration_seconds_bucket\{[^}]*type="abandoned", le="5\.0"/;
  for (const expr of [bad, all]) expect(expr).toMatch(late);
});

test('latency is recorded as the table says', () => {
  const now = { by: ['job', 'instance'], window: '5m' } as const;
  const { all, bad } = indicator('latency');
  expect(recorded('instance:slo_errors:rate5m', 'latency')).toBe(bad('rate', now));
  expect(recorded('instance:slo_requests:rate5m', 'latency')).toBe(all('rate', now));
});

test('the first number of the page is computed from the same recorded rates as the SLO', () => {
  const [query] = monitor.successRatio.queries;
  const names = query?.expr.match(/[\w:]+(?=\{)/g);
  expect(names).toEqual(['instance:slo_errors:rate5m', 'instance:slo_requests:rate5m']);
  expect(query?.expr.match(/slo="availability"/g)).toHaveLength(2);
});

test('RequestsRejected and StreamsStalled count as the tables say', () => {
  const capacity = shown.filter(({ ratio }) => ratio === 'capacity');
  expect(capacity.length).toBeGreaterThan(0);
  for (const { where, expr } of capacity) {
    const sets = [inTable('capacity', 'bad'), inTable('capacity', 'good', 'bad')];
    expect(reasonsIn(expr), where).toEqual(sets);
  }
  const range = { by: ['job'], window: '15m' } as const;
  const { all, bad } = streamIndicator();
  const stalled = shown.filter(({ ratio }) => ratio === 'stalled').map(({ expr }) => expr);
  expect(stalled).toEqual([`${bad('rate', range)} / (${all('rate', range)} > 0)`]);
});

test('http_requests_total gives a broken stream the status of the table', () => {
  const expr = recorded('http_requests_total');
  for (const [status, reasons] of brokenStreams())
    expect(expr).toContain(`"status_code", "${status}", "error_type", "${reasons.join('|')}"`);
  expect(brokenStreams().get(500)).toEqual(expect.arrayContaining([...endings.failed, 'deadline']));
  expect(brokenStreams().get(503)).toEqual(['not_ready', 'queue_timeout']);
});

test('reasons tell the counts of availability and capacity apart', () => {
  for (const ratio of ['availability', 'capacity'] as const)
    expect(reasonsOf(ratio, 'good', 'bad')).not.toEqual([]);
});
