/** SLOs and error budgets, over the series that `alerting/rules/slo.ts` records. */
import type { Text } from '../text.ts';
import { definePanels, type PanelEntry } from './panel.ts';
import { burnRates, defaultThresholds, errorBudget } from '../thresholds.ts';
import { ratioTexts } from '../outcomes.ts';
import { ofChat, selectedChat } from '../promql.ts';

const budget = errorBudget(defaultThresholds.slo.objective);
const [{ factor: red }, { factor: orange }] = burnRates.fast;
const burnLimits = { red, orange, when: 'above' } as const;
const total = (recording: string): string => `sum_over_time(${recording}{${ofChat()}}[30d])`;

const burnRate = (window: string, slo?: string): string =>
  `job:slo_errors:ratio_rate${window}{${slo === undefined ? ofChat() : ofChat(`slo="${slo}"`)}} / ${budget}`;

const lower = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);

const burnsTooFast = {
  en: 'Users get errors or wait too long now: follow the runbook.',
  zh: '用户正在受影响：请按处理手册先确认影响范围，再定位原因。',
  runbook: 'ChatErrorBudgetBurn',
};

const burnPanel = (slo: string, title: Text, meaning: Text): PanelEntry => ({
  title,
  meaning,
  kind: 'timeseries',
  unit: 'x',
  queries: Object.fromEntries(
    ['5m', '1h', '6h', '3d'].map((window) => [window, burnRate(window, slo)]),
  ),
  idle: 'nothing',
  thresholds: burnLimits,
  whenRed: burnsTooFast,
});

export const slo = definePanels({
  budgetLeft: {
    title: { en: 'Error budget left, 30 days', zh: '剩余错误预算（30 天）' },
    meaning: {
      en: 'Share of the 30-day error budget that is left; below 0 the SLO is missed.',
      zh: '30 天错误预算的剩余比例；低于 0 表示 SLO 未达标。',
    },
    kind: 'stat',
    unit: '1',
    queries: {
      '{{slo}}': `1 - ${total('job:slo_errors:rate5m')} / (${total('job:slo_requests:rate5m')} > 0) / ${budget}`,
    },
    idle: 'nothing',
    overspent: { en: 'spent {times} times over', zh: '已超支，用量为预算的 {times} 倍' },
    thresholds: { red: 0, orange: 0.25, when: 'below' },
    whenRed: {
      en: 'Release nothing risky until the budget grows again. The panel Rejections and failures shows the causes.',
      zh: '预算恢复之前，不要发布有风险的变更。消耗来源见“拒绝与失败”面板。',
      runbook: 'ChatErrorBudgetBurn',
    },
  },
  burnNow: {
    title: { en: 'Burn rate, last hour', zh: '燃烧率（最近 1 小时）' },
    meaning: {
      en: 'Speed at which the error budget is used up; at 1 it lasts exactly 30 days.',
      zh: '错误预算的消耗速度；为 1 时，预算恰好够用 30 天。',
    },
    kind: 'stat',
    unit: 'x',
    queries: { '{{slo}}': burnRate('1h') },
    idle: 'nothing',
    thresholds: burnLimits,
    whenRed: burnsTooFast,
  },
  burnAvailability: burnPanel(
    'availability',
    { en: 'Burn rates: availability', zh: '燃烧率：可用性' },
    {
      en: 'Speed at which failed, rejected and given up requests use up the error budget, by window.',
      zh: '失败、被拒绝和等待过久而放弃的请求消耗错误预算的速度，按时间窗口统计。',
    },
  ),
  burnLatency: burnPanel(
    'latency',
    { en: 'Burn rates: latency', zh: '燃烧率：首 token 延迟' },
    {
      en: 'Speed at which late and missing first tokens use up the error budget, by window.',
      zh: '首 token 延迟超标或没有首 token 的请求消耗错误预算的速度，按时间窗口统计。',
    },
  ),
  promiseKept: {
    title: { en: 'SLI, last hour', zh: '达标率（最近 1 小时）' },
    meaning: {
      en: `Availability: ${lower(ratioTexts.availability.en)} Latency: ${lower(ratioTexts.latency.en)}`,
      zh: `可用性：${ratioTexts.availability.zh}延迟：${ratioTexts.latency.zh}`,
    },
    kind: 'stat',
    unit: '1',
    queries: { '{{slo}}': `1 - job:slo_errors:ratio_rate1h{${ofChat()}}` },
    idle: 'nothing',
  },
  requestsByStatus: {
    title: { en: 'Requests by status code', zh: '请求数（按状态码）' },
    meaning: {
      en: 'Requests per second by HTTP status; a stream that broke off on our side counts as 500.',
      zh: '每秒请求数，按 HTTP 状态码分类；因服务端原因中途断开的流式响应计为 500。',
    },
    kind: 'stacked',
    unit: '{request}/s',
    queries: {
      '{{status_code}}': `sum(rate(http_requests_total{${selectedChat}}[5m])) by (status_code)`,
    },
    idle: 'zero',
  },
});
