/** GET /api/rules: every alerting rule of Prometheus with its state, its threshold, the value now and when it last fired. */
import { z } from 'zod';
import { answersJson, type Endpoint } from '../../api/endpoint.ts';
import type { Config } from '../../config.ts';
import { toChatError } from '../../errors.ts';
import { runbookOf, textOf, watchdog } from './alerts.ts';
import { RuleList, type AlertingRule } from './answers.ts';
import { findComparison } from './bound.ts';
import { askPeer, toText } from './peers.ts';
import type { Runbooks } from './runbooks.ts';
import { createSharedReads, type SharedReads } from './shared-reads.ts';

const Labels = z.record(z.string(), z.string());

const StoredRule = z.object({
  name: z.string(),
  query: z.string(),
  duration: z.number(),
  labels: Labels,
  annotations: Labels,
  // Newer versions of Prometheus answer `unknown` before the first evaluation, older ones `inactive`.
  state: z
    .enum(['firing', 'pending', 'inactive', 'unknown'])
    .transform((state) => (state === 'unknown' ? 'inactive' : state)),
  health: z.string(),
  lastError: z.string().optional(),
  alerts: z.array(z.object({ activeAt: z.string(), value: z.string() })),
});
type StoredRule = z.infer<typeof StoredRule>;

const RuleGroups = z.object({
  data: z.object({ groups: z.array(z.object({ rules: z.array(StoredRule) })) }),
});

const Vector = z.object({
  data: z.object({
    result: z.array(z.object({ metric: Labels, value: z.tuple([z.number(), z.string()]) })),
  }),
});
type Sample = z.infer<typeof Vector>['data']['result'][number];

/** The last firing of seven days, to the minute. */
const lastFirings = `max_over_time(timestamp(ALERTS{alertstate="firing"})[7d:1m])`;
/** It reads a week of samples. */
const firingsShareMillis = 60_000;

const severities = ['critical', 'warning', 'info', 'none'];

export function createRuleList(
  { prometheus }: Config['peers'],
  runbooks: Runbooks,
  share: SharedReads,
): Endpoint {
  const shareFirings = createSharedReads({ shareMillis: firingsShareMillis });
  const read = async (): Promise<RuleList> => {
    try {
      const rules = await readRules(prometheus);
      const [values, firings] = await Promise.all([
        readValues(prometheus, rules),
        shareFirings('firings', () => readVector(prometheus, lastFirings)).catch(() => []),
      ]);
      const listed = rules.map((rule, index) =>
        describeRule(rule, values.get(String(index)) ?? null, firings, runbooks),
      );
      return { rules: listed.toSorted(compareRules) };
    } catch (error) {
      return { rules: [], reason: toText(toChatError(error)) };
    }
  };
  return {
    method: 'GET',
    path: '/api/rules',
    summary: 'All alerting rules: state, threshold, value now, last firing',
    access: 'console',
    answers: answersJson('RuleList', RuleList, exampleRules),
    errors: ['unauthorized', 'forbidden'],
    handle: async (c) => c.json(await share('rules', read)),
  };
}

/** @throws ChatError `peer_unreachable` */
async function readRules(url: string | undefined): Promise<StoredRule[]> {
  const request = { peer: 'prometheus', url, path: '/api/v1/rules?type=alert' } as const;
  const { data } = await askPeer(request, RuleGroups);
  return data.groups.flatMap(({ rules }) => rules).filter(({ name }) => name !== watchdog);
}

async function readVector(url: string | undefined, query: string): Promise<Sample[]> {
  const search = new URLSearchParams({ query, timeout: '3s' });
  const path = `/api/v1/query?${search.toString()}`;
  return (await askPeer({ peer: 'prometheus', url, path }, Vector)).data.result;
}

/** What each rule compares with its bound, by the index of the rule: the worst series. Read with one query. */
async function readValues(
  url: string | undefined,
  rules: readonly StoredRule[],
): Promise<Map<string, number>> {
  const parts = rules.flatMap(({ query }, index) => {
    const found = findComparison(query);
    if (found === undefined) return [];
    const worst = found.operator.startsWith('>') ? 'max' : 'min';
    return [`label_replace(${worst}(${found.left}), "rule", "${index}", "", "")`];
  });
  if (parts.length === 0) return new Map();
  // Without the values, the rules are still worth showing.
  const samples = await readVector(url, parts.join(' or ')).catch(() => []);
  return new Map(samples.map(({ metric, value }) => [metric['rule'] ?? '', Number(value[1])]));
}

function describeRule(
  rule: StoredRule,
  value: number | null,
  firings: readonly Sample[],
  runbooks: Runbooks,
): AlertingRule {
  const { name, query, duration, annotations, alerts, state, health, lastError } = rule;
  const { severity = '', ...labels } = rule.labels;
  const found = findComparison(query);
  const own = { ...rule.labels, alertname: name };
  const fired = firings.filter(({ metric }) => hasLabels(metric, own));
  const activeAt = alerts.map((alert) => alert.activeAt).toSorted()[0];
  const isBroken = health === 'err';
  // An active rule may hold by another condition than the first; Prometheus has the value that counts.
  const values = alerts.map((alert) => Number(alert.value));
  const worst = found?.operator.startsWith('>') === true ? Math.max : Math.min;
  const now = values.length > 0 ? worst(...values) : value;
  return {
    name,
    severity,
    labels,
    summary: textOf(annotations, 'summary'),
    state: isBroken ? 'broken' : state,
    ...(isBroken && { error: lastError ?? '' }),
    query,
    ...(found && { bound: { operator: found.operator, value: found.value } }),
    unit: unitOf(annotations),
    forSeconds: duration,
    value: now !== null && Number.isFinite(now) ? roundCount(now, annotations) : null,
    ...(activeAt !== undefined && { activeAt }),
    lastFiredAt: latest(fired),
    ...runbookOf(annotations, runbooks),
  };
}

/** The description of a rule formats its value. */
function unitOf({ description = '' }: Record<string, string>): AlertingRule['unit'] {
  if (description.includes('$value | humanizePercentage')) return '1';
  return description.includes('$value | humanizeDuration') ? 's' : '';
}

/** `increase` extrapolates, so that one failure is 1.06 failures. The description rounds the value of a rule that counts. */
function roundCount(value: number, { description = '' }: Record<string, string>): number {
  return description.includes('$value | printf "%.0f"') ? Math.round(value) : value;
}

export function hasLabels(given: Record<string, string>, wanted: Record<string, string>): boolean {
  return Object.entries(wanted).every(([name, value]) => given[name] === value);
}

function latest(samples: readonly Sample[]): string | null {
  const times = samples.map(({ value }) => Number(value[1]));
  return times.length === 0 ? null : new Date(Math.max(...times) * 1000).toISOString();
}

function compareRules(a: AlertingRule, b: AlertingRule): number {
  return rank(a) - rank(b) || a.name.localeCompare(b.name);
}

function rank({ severity }: AlertingRule): number {
  return severities.includes(severity) ? severities.indexOf(severity) : severities.length;
}

const exampleRules: RuleList = {
  rules: [
    {
      name: 'QueueBacklog',
      severity: 'warning',
      labels: {},
      summary: { en: 'The queue is filling up', zh: '队列积压' },
      state: 'pending',
      query: 'inference_queue_depth / (inference_queue_limit > 0) > 0.5',
      bound: { operator: '>', value: 0.5 },
      unit: '1',
      forSeconds: 120,
      value: 0.8,
      activeAt: '2026-04-26T03:20:00.000Z',
      lastFiredAt: null,
      runbook: 'QueueBacklog',
    },
  ],
};
