/** What was promised and how much of the promise is left, over the SLO recordings of `alerting/generated/slo.yml`. */
import type { Text } from '../text.ts';
import type { Panel, PanelQuery } from './panel.ts';
import { burnRates, defaultThresholds, errorBudget } from '../thresholds.ts';
import { ofChat, selectedChat } from '../promql.ts';

const budget = errorBudget(defaultThresholds.slo.objective);
const [{ factor: red }, { factor: orange }] = burnRates.fast;
const burnLimits = { red, orange, when: 'above' } as const;
const total = (recording: string): string => `sum_over_time(${recording}{${ofChat()}}[30d])`;

export const budgetLeft: Panel = {
  id: 'budget-left',
  title: { en: 'Error budget left, 30 days', zh: '剩余错误预算（30 天）' },
  meaning: {
    en: 'What is left of the failures that the objective allows in 30 days; below zero the promise is broken.',
    zh: '30 天内目标所允许的失败还剩多少；低于零即违背承诺。',
  },
  kind: 'stat',
  unit: '1',
  queries: [
    {
      expr: `1 - ${total('job:slo_errors:rate5m')} / (${total('job:slo_requests:rate5m')} > 0) / ${budget}`,
      legend: '{{slo}}',
    },
  ],
  idle: 'nothing',
  thresholds: { red: 0, orange: 0.25, when: 'below' },
  whenRed: {
    en: 'Let nothing risky out until it grows again; Refusals and failures says what used it up.',
    zh: '恢复之前不要发布有风险的变更；“拒绝与失败”面板说明是什么消耗了它。',
    runbook: 'ChatErrorBudgetBurn',
  },
};

const burnRate = (window: string, slo?: string): string =>
  `job:slo_errors:ratio_rate${window}{${slo === undefined ? ofChat() : ofChat(`slo="${slo}"`)}} / ${budget}`;

const burnsTooFast = {
  en: 'Somebody gets errors or waits now: the runbook begins with who and why.',
  zh: '现在有人遇到错误或等待过久：runbook 从“谁、为什么”开始。',
  runbook: 'ChatErrorBudgetBurn',
};

export const burnNow: Panel = {
  id: 'burn-now',
  title: { en: 'Burn rate, last hour', zh: '预算消耗速度（最近一小时）' },
  meaning: {
    en: 'How many times faster than allowed the budget is used up; at 1 it lasts exactly 30 days.',
    zh: '预算消耗是允许速度的多少倍；为 1 时恰好用 30 天。',
  },
  kind: 'stat',
  unit: 'x',
  queries: [{ expr: burnRate('1h'), legend: '{{slo}}' }],
  idle: 'nothing',
  thresholds: burnLimits,
  whenRed: burnsTooFast,
};

const burnWindows = (slo: string): PanelQuery[] =>
  ['5m', '1h', '6h', '3d'].map((window) => ({ expr: burnRate(window, slo), legend: window }));

function burnPanel(slo: string, title: Text, meaning: Text): Panel {
  return {
    id: `burn-${slo}`,
    title,
    meaning,
    kind: 'timeseries',
    unit: 'x',
    queries: burnWindows(slo),
    idle: 'nothing',
    thresholds: burnLimits,
    whenRed: burnsTooFast,
  };
}

export const burnAvailability = burnPanel(
  'availability',
  { en: 'Burn rates: availability', zh: '消耗速度：可用性' },
  {
    en: 'The speed at which failed and refused requests use up the budget, by how far back it looks.',
    zh: '失败和被拒绝的请求消耗预算的速度，按回看时长分类。',
  },
);

export const burnLatency = burnPanel(
  'latency',
  { en: 'Burn rates: first token in time', zh: '消耗速度：首个 token 及时性' },
  {
    en: 'The speed at which late first tokens use up the budget, by how far back it looks.',
    zh: '过晚的首个 token 消耗预算的速度，按回看时长分类。',
  },
);

export const kept: Panel = {
  id: 'promise-kept',
  title: { en: 'Promise kept, last hour', zh: '达标率（最近一小时）' },
  meaning: {
    en: 'The share of requests that were answered, and of first tokens that came in time.',
    zh: '得到回答的请求比例，以及及时到达的首个 token 比例。',
  },
  kind: 'stat',
  unit: '1',
  queries: [{ expr: `1 - job:slo_errors:ratio_rate1h{${ofChat()}}`, legend: '{{slo}}' }],
  idle: 'nothing',
};

export const byStatus: Panel = {
  id: 'requests-by-status',
  title: { en: 'Requests by status code', zh: '按状态码的请求' },
  meaning: {
    en: 'Requests a second by how HTTP saw them; a stream that broke off is a 200 here.',
    zh: '每秒请求数，按 HTTP 状态码；中途断开的流在这里是 200。',
  },
  kind: 'stacked',
  unit: '{request}/s',
  queries: [
    {
      expr: `sum(rate(http_requests_total{${selectedChat}}[5m])) by (status_code)`,
      legend: '{{status_code}}',
    },
  ],
  idle: 'zero',
};
