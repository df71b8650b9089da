/** The words of a message in each language. `message.ts` puts them together. */
import type { Origin } from '../webhook.ts';

const chinese = {
  /** `summary_zh` is preferred to `summary`. */
  annotationSuffix: '_zh',
  /** `lang` of a runbook's page. */
  language: 'zh',
  firing: '告警',
  resolved: '已恢复',
  /** The state or severity before a title. */
  badge: (text: string) => `【${text}】`,
  /** The name of an alert after its summary. */
  named: (summary: string, name: string) => `${summary}（${name}）`,
  lastedFor: (duration: string) => `，持续 ${duration}`,
  /** By the label `severity`. */
  severities: new Map([
    ['critical', '严重'],
    ['warning', '警告'],
    ['info', '提示'],
    ['none', '无'],
  ]),
  startedAt: '开始',
  endedAt: '恢复',
  unknownTime: '未知',
  labels: '标签',
  action: '处理',
  runbook: '处理手册',
  dashboard: '图表',
  trace: '链路',
  query: '查询',
  /** Number of alerts that Alertmanager left out of its webhook (`truncatedAlerts`). */
  truncated: (count: number) => `另有 ${count} 条告警未列出，请查看 Alertmanager`,
  digest: (count: number) => `汇总：已达到发送频率限制，本条合并了 ${count} 条通知`,
  /** Why the message did not come from Alertmanager. */
  origins: {
    missed: '对账补发：Prometheus 中有此告警，但未收到 Alertmanager 的通知',
    unsent: '对账补发：Alertmanager 中有此告警，但未收到它的通知',
    not_resolved: '对账补发：告警已恢复，但未收到 Alertmanager 的恢复通知',
    notifier: '由通知服务自身发出',
  } satisfies Record<Origin, string>,
  /** A template of NOTIFIER_CONFIG that cannot be rendered. */
  templateFailed: (part: 'title' | 'body') =>
    `NOTIFIER_CONFIG 中的${part === 'title' ? '标题' : '正文'}模板渲染失败，本条使用内置格式`,
  colon: '：',
  /** Separator between the names of alerts. */
  comma: '、',
  units: { d: ' 天', h: ' 小时', m: ' 分', s: ' 秒' },
};

export type Texts = typeof chinese;

const english: Texts = {
  annotationSuffix: '_en',
  language: 'en',
  firing: 'firing',
  resolved: 'resolved',
  badge: (text) => `[${text}] `,
  named: (summary, name) => `${summary} (${name})`,
  lastedFor: (duration) => `, lasted ${duration}`,
  severities: new Map(),
  startedAt: 'Started',
  endedAt: 'Ended',
  unknownTime: 'unknown',
  labels: 'Labels',
  action: 'First action',
  runbook: 'Runbook',
  dashboard: 'Graph',
  trace: 'Trace',
  query: 'Query',
  truncated: (count) => `${count} more alerts are not listed; see Alertmanager`,
  digest: (count) => `Digest of ${count} notifications (rate limit reached)`,
  origins: {
    missed:
      'Found by reconciliation: Prometheus has this alert, but no notification arrived from Alertmanager',
    unsent:
      'Found by reconciliation: Alertmanager has this alert, but sent no notification that arrived',
    not_resolved:
      'Found by reconciliation: this alert is resolved, but no notification of that arrived from Alertmanager',
    notifier: 'Sent by the notifier itself',
  },
  templateFailed: (part) =>
    `The ${part} template of NOTIFIER_CONFIG failed; this is the built-in text`,
  colon: ': ',
  comma: ', ',
  units: { d: 'd', h: 'h', m: 'm', s: 's' },
};

export const texts = { 'zh-CN': chinese, en: english };
export type Locale = keyof typeof texts;
