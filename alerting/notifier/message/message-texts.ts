/** The words of a message in each language. `message.ts` puts them together. */
import type { Origin } from '../webhook.ts';

export const locales = ['zh-CN', 'en'] as const;
export type Locale = (typeof locales)[number];

export interface Texts {
  /** `summary_zh` is preferred to `summary`. */
  annotationSuffix: string;
  firing: string;
  resolved: string;
  /** By the label `severity`. */
  severities: ReadonlyMap<string, string>;
  startedAt: string;
  endedAt: string;
  lasted: string;
  unknownTime: string;
  labels: string;
  /** Before the summary of an alert that is over. */
  resolvedAlert: string;
  runbook: string;
  dashboard: string;
  trace: string;
  query: string;
  /** Alerts that Alertmanager left out of its webhook. */
  truncated: (count: number) => string;
  digest: (count: number) => string;
  /** Why the message did not come from Alertmanager. */
  origins: Record<Origin, string>;
  colon: string;
  /** Between the names of alerts. */
  comma: string;
  units: { d: string; h: string; m: string; s: string };
}

export const texts = {
  'zh-CN': {
    annotationSuffix: '_zh',
    firing: '告警',
    resolved: '已恢复',
    severities: new Map([
      ['critical', '严重'],
      ['warning', '警告'],
      ['info', '提示'],
      ['none', '无'],
    ]),
    startedAt: '开始',
    endedAt: '恢复',
    lasted: '持续',
    unknownTime: '未知',
    labels: '标签',
    resolvedAlert: '原告警',
    runbook: '处理手册',
    dashboard: '图表',
    trace: '链路',
    query: '查询',
    truncated: (count) => `另有 ${count} 条告警未列出，请查看 Alertmanager`,
    digest: (count) => `汇总：已达到发送频率限制，本条合并了 ${count} 条通知`,
    origins: {
      missed: '对账补发：Prometheus 中有此告警，Alertmanager 没有发送通知',
      not_resolved: '对账补发：告警已恢复，Alertmanager 没有发送恢复通知',
      notifier: '由通知服务自身发出',
    },
    colon: '：',
    comma: '、',
    units: { d: ' 天', h: ' 小时', m: ' 分', s: ' 秒' },
  },
  en: {
    annotationSuffix: '_en',
    firing: 'Firing',
    resolved: 'Resolved',
    severities: new Map(),
    startedAt: 'Started',
    endedAt: 'Ended',
    lasted: 'Duration',
    unknownTime: 'unknown',
    labels: 'Labels',
    resolvedAlert: 'Alert',
    runbook: 'Runbook',
    dashboard: 'Graph',
    trace: 'Trace',
    query: 'Query',
    truncated: (count) => `${count} more alerts are not listed; see Alertmanager`,
    digest: (count) => `Digest of ${count} notifications (rate limit reached)`,
    origins: {
      missed: 'Sent by reconciliation: Prometheus has this alert, Alertmanager did not send it',
      not_resolved:
        'Sent by reconciliation: this alert is resolved, Alertmanager did not report it',
      notifier: 'Sent by the notifier itself',
    },
    colon: ': ',
    comma: ', ',
    units: { d: 'd', h: 'h', m: 'm', s: 's' },
  },
} as const satisfies Record<Locale, Texts>;
