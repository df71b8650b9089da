/** The path of an alert to a person: from the rule through Alertmanager and the notifier to a channel. */
import { jobs } from '../names.ts';
import { definePanels } from './panel.ts';
import { defaultThresholds } from '../thresholds.ts';
import { counted, quantile, series } from '../promql.ts';

const notifier = `job="${jobs.notifier}"`;
// The Prometheus of a cluster also scrapes itself and Alertmanager under other jobs.
const prometheus = `{job="${jobs.prometheus}"}`;
const alertmanager = `job="${jobs.alertmanager}"`;

const byIntegration = (counter: string): string =>
  counted(`${counter}{${alertmanager}, integration=~"webhook|email"}`, { by: ['integration'] });

export const delivery = definePanels({
  firing: {
    title: { en: 'Firing alerts', zh: '正在触发的告警' },
    meaning: {
      en: 'Alerts that fire now, without the Watchdog.',
      zh: '正在触发的告警数，不含 Watchdog。',
    },
    kind: 'stat',
    unit: '{alert}',
    queries: 'count(ALERTS{alertstate="firing", alertname!="Watchdog"}) or vector(0)',
    idle: 'zero',
  },
  alerts: {
    title: { en: 'Alerts', zh: '告警' },
    meaning: {
      en: 'Firing and pending alerts. The Watchdog always fires; without it no alert arrives.',
      zh: '正在触发和待触发的告警。Watchdog 始终触发；如果缺失，说明告警无法送达。',
    },
    kind: 'timeseries',
    unit: '{alert}',
    queries: { '{{alertname}} {{alertstate}}': 'sum by (alertname, alertstate) (ALERTS)' },
    idle: 'value',
  },
  toAlertmanager: {
    title: { en: 'Prometheus to Alertmanager', zh: 'Prometheus 到 Alertmanager' },
    meaning: {
      en: 'Alerts sent, failed and dropped over 5 minutes.',
      zh: '最近 5 分钟发送、失败和丢弃的告警数。',
    },
    kind: 'timeseries',
    unit: '{alert}',
    queries: {
      sent: counted(`prometheus_notifications_sent_total${prometheus}`),
      failed: counted(`prometheus_notifications_errors_total${prometheus}`),
      dropped: counted(`prometheus_notifications_dropped_total${prometheus}`),
    },
    idle: 'value',
  },
  fromAlertmanager: {
    title: { en: 'Alertmanager to receivers', zh: 'Alertmanager 到接收方' },
    meaning: {
      en: 'Notifications sent and failed over 5 minutes, by kind of receiver.',
      zh: '最近 5 分钟发送和失败的通知数，按接收方类型分类。',
    },
    kind: 'timeseries',
    unit: '{notification}',
    queries: {
      '{{integration}} sent': byIntegration('alertmanager_notifications_total'),
      '{{integration}} failed': byIntegration('alertmanager_notifications_failed_total'),
    },
    idle: 'value',
  },
  deliveries: {
    title: { en: 'Deliveries', zh: '投递' },
    meaning: {
      en: 'Delivery attempts of the notifier over 5 minutes, by channel and outcome.',
      zh: '最近 5 分钟通知服务的投递次数，按渠道和结果分类。',
    },
    kind: 'stacked',
    unit: '{notification}',
    queries: {
      '{{channel}} {{outcome}}': counted(series('notifierNotifications', notifier), {
        by: ['channel', 'outcome'],
      }),
    },
    idle: 'value',
  },
  pendingAge: {
    title: { en: 'Oldest pending notification', zh: '最早的待投递通知' },
    meaning: {
      en: 'Age of the oldest notification that is not delivered yet.',
      zh: '最早一条未送达通知的等待时间。',
    },
    kind: 'stat',
    unit: 's',
    queries: `max(${series('notifierPendingAge', notifier)})`,
    idle: 'value',
    thresholds: { red: defaultThresholds.notifierOutboxStuck.above, orange: 60, when: 'above' },
    whenRed: {
      en: 'A channel does not accept messages: GET /api/notifications has the reason.',
      zh: '某个渠道投递失败：原因见 GET /api/notifications。',
      runbook: 'NotifierOutboxStuck',
    },
  },
  deliveryAge: {
    title: { en: 'Time to delivery', zh: '送达耗时' },
    meaning: {
      en: 'P95 from the start or end of an alert until a channel accepted its notification, by channel.',
      zh: '从告警发生（或恢复）到渠道接收通知的耗时 P95，按渠道分类。',
    },
    kind: 'timeseries',
    unit: 's',
    queries: {
      '{{channel}}': `${quantile(0.95, 'notifierDeliveryAge', { where: notifier, by: ['channel'], window: '1h' })} >= 0`,
    },
    idle: 'nothing',
    thresholds: { red: defaultThresholds.notificationsLate.above, when: 'above' },
    whenRed: {
      en: 'A rate limit or a slow channel: see the outcomes of the attempts.',
      zh: '达到频率限制，或渠道过慢：查看投递结果。',
      runbook: 'NotificationsLate',
    },
  },
  deadLetters: {
    title: { en: 'Dead letters', zh: '已放弃的通知' },
    meaning: {
      en: 'Notifications that failed and are not retried; they can be resent.',
      zh: '投递失败、不再重试的通知，可手动重发。',
    },
    kind: 'stat',
    unit: '{notification}',
    queries: `sum(${series('notifierDeadLetters', notifier)})`,
    idle: 'zero',
    thresholds: { red: 1, when: 'above' },
    whenRed: {
      en: 'GET /api/notifications has the reason. Repair the channel, then resend.',
      zh: '原因见 GET /api/notifications。修复渠道后重新发送。',
      runbook: 'NotifierFailing',
    },
  },
  heartbeatAge: {
    title: { en: 'Last Watchdog', zh: '最近一次 Watchdog' },
    meaning: {
      en: 'Time since the Watchdog arrived. After 5 minutes the alert path is broken.',
      zh: '距离上次收到 Watchdog 的时间。超过 5 分钟说明告警链路中断。',
    },
    kind: 'stat',
    unit: 's',
    queries: `max(${series('notifierHeartbeatAge', notifier)})`,
    idle: 'value',
    thresholds: { red: 300, orange: 120, when: 'above' },
    whenRed: {
      en: 'Check the path in order: rules, Alertmanager, notifier.',
      zh: '沿告警链路依次检查：规则、Alertmanager、通知服务。',
      runbook: 'Watchdog',
    },
  },
});
