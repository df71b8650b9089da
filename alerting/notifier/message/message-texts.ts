/** The words of a message in each language; `message.ts` puts them together. */
import type { Origin } from '../webhook.ts';

export const locales = ['zh-CN', 'en'] as const;
export type Locale = (typeof locales)[number];

export interface Texts {
  /** Read before the plain annotation: `summary_zh` before `summary`. */
  annotationSuffix: string;
  firing: string;
  resolved: string;
  severities: Record<string, string>;
  since: string;
  endedAt: string;
  lasted: string;
  unknownTime: string;
  about: string;
  wasAbout: string;
  runbook: string;
  dashboard: string;
  trace: string;
  query: string;
  more: (count: number) => string;
  digest: (count: number) => string;
  /** Why we tell what Alertmanager did not. */
  origins: Record<Origin, string>;
  colon: string;
  units: { d: string; h: string; m: string; s: string };
}

export const texts = {
  'zh-CN': {
    annotationSuffix: '_zh',
    firing: '告警',
    resolved: '已恢复',
    severities: { critical: '严重', warning: '警告', info: '提示', none: '通知' },
    since: '开始',
    endedAt: '恢复',
    lasted: '持续',
    unknownTime: '时间不详',
    about: '对象',
    wasAbout: '原告警',
    runbook: '处理手册',
    dashboard: '图表',
    trace: '链路',
    query: '查询',
    more: (count) => `还有 ${count} 条告警未列出，请查看 Alertmanager`,
    digest: (count) => `汇总：通知过于频繁，以下合并 ${count} 条`,
    origins: {
      never_told: '对账发现：Prometheus 中有此告警，Alertmanager 没有通知',
      end_never_told: '对账发现：告警已经结束，Alertmanager 没有通知恢复',
      notifier: '由通知服务自身发出',
    },
    colon: '：',
    units: { d: ' 天', h: ' 小时', m: ' 分', s: ' 秒' },
  },
  en: {
    annotationSuffix: '_en',
    firing: 'Firing',
    resolved: 'Resolved',
    severities: { critical: 'critical', warning: 'warning', info: 'info', none: 'notice' },
    since: 'Since',
    endedAt: 'Ended',
    lasted: 'Lasted',
    unknownTime: 'unknown',
    about: 'About',
    wasAbout: 'Was',
    runbook: 'Runbook',
    dashboard: 'Graph',
    trace: 'Trace',
    query: 'Query',
    more: (count) => `${count} more alerts are not listed: see Alertmanager`,
    digest: (count) =>
      `Digest: too much to tell one by one; this stands for ${count} notifications`,
    origins: {
      never_told: 'Found by reconciling: Prometheus had this alert, Alertmanager never told',
      end_never_told: 'Found by reconciling: this alert is over, Alertmanager never said so',
      notifier: 'The notifier itself says this',
    },
    colon: ': ',
    units: { d: 'd', h: 'h', m: 'm', s: 's' },
  },
} as const satisfies Record<Locale, Texts>;
