/** The way of an alert to a person: from the rule through Alertmanager and the notifier to a channel. */
import { jobs } from '../names.ts';
import type { Panel } from './panel.ts';
import { defaultThresholds } from '../thresholds.ts';
import { increase, series } from '../promql.ts';

const notifier = `job="${jobs.notifier}"`;

export const firing: Panel = {
  id: 'firing',
  title: { en: 'Alerts that fire', zh: '正在触发的告警' },
  meaning: {
    en: 'How many alerts fire now, Watchdog aside.',
    zh: '当前触发的告警数，不含 Watchdog。',
  },
  kind: 'stat',
  unit: '{alert}',
  queries: [
    {
      expr: 'count(ALERTS{alertstate="firing", alertname!="Watchdog"}) or vector(0)',
      legend: '',
    },
  ],
  idle: 'zero',
};

export const alerts: Panel = {
  id: 'alerts',
  title: { en: 'Alerts', zh: '告警' },
  meaning: {
    en: 'What fires or is about to; Watchdog always does, or nothing would reach you.',
    zh: '正在触发或即将触发的告警；Watchdog 始终触发，否则任何告警都到不了。',
  },
  kind: 'timeseries',
  unit: '{alert}',
  queries: [
    {
      expr: 'sum by (alertname, alertstate) (ALERTS)',
      legend: '{{alertname}} {{alertstate}}',
    },
  ],
  idle: 'value',
};

export const toAlertmanager: Panel = {
  id: 'to-alertmanager',
  title: { en: 'Prometheus to Alertmanager', zh: 'Prometheus 到 Alertmanager' },
  meaning: {
    en: 'Alerts sent, failed and dropped in five minutes.',
    zh: '五分钟内发送、失败和丢弃的告警。',
  },
  kind: 'timeseries',
  unit: '{alert}',
  queries: [
    { expr: 'sum(increase(prometheus_notifications_sent_total[5m]))', legend: 'sent' },
    { expr: 'sum(increase(prometheus_notifications_errors_total[5m]))', legend: 'failed' },
    { expr: 'sum(increase(prometheus_notifications_dropped_total[5m]))', legend: 'dropped' },
  ],
  idle: 'value',
};

export const fromAlertmanager: Panel = {
  id: 'from-alertmanager',
  title: { en: 'Alertmanager to receivers', zh: 'Alertmanager 到接收方' },
  meaning: {
    en: 'Notifications sent and failed in five minutes, by kind of receiver.',
    zh: '五分钟内发送和失败的通知，按接收方类型分类。',
  },
  kind: 'timeseries',
  unit: '{notification}',
  queries: [
    {
      expr: 'sum by (integration) (increase(alertmanager_notifications_total{integration=~"webhook|email"}[5m]))',
      legend: '{{integration}} sent',
    },
    {
      expr: 'sum by (integration) (increase(alertmanager_notifications_failed_total{integration=~"webhook|email"}[5m]))',
      legend: '{{integration}} failed',
    },
  ],
  idle: 'value',
};

export const deliveries: Panel = {
  id: 'deliveries',
  title: { en: 'Deliveries', zh: '投递' },
  meaning: {
    en: 'What became of each attempt to tell a person, in five minutes.',
    zh: '五分钟内每次通知尝试的结果。',
  },
  kind: 'stacked',
  unit: '{notification}',
  queries: [
    {
      expr: increase('notifierNotifications', { where: notifier, by: ['channel', 'outcome'] }),
      legend: '{{channel}} {{outcome}}',
    },
  ],
  idle: 'value',
};

export const pendingAge: Panel = {
  id: 'pending-age',
  title: { en: 'Oldest undelivered', zh: '最久未送达' },
  meaning: {
    en: 'Age of the oldest notification that nobody has got yet.',
    zh: '尚未送达的通知中最早一条的等待时间。',
  },
  kind: 'stat',
  unit: 's',
  queries: [{ expr: `max(${series('notifierPendingAge', notifier)})`, legend: '' }],
  idle: 'value',
  thresholds: { red: defaultThresholds.notifierOutboxStuck.above, orange: 60, when: 'above' },
  whenRed: {
    en: 'A channel does not take messages: GET /api/notifications says why.',
    zh: '某个渠道不接收消息：GET /api/notifications 写明原因。',
    runbook: 'NotifierOutboxStuck',
  },
};

export const deadLetters: Panel = {
  id: 'dead-letters',
  title: { en: 'Given up', zh: '已放弃' },
  meaning: {
    en: 'Notifications that no channel took; they can be sent again.',
    zh: '没有渠道接受的通知；可以重新发送。',
  },
  kind: 'stat',
  unit: '{notification}',
  queries: [{ expr: `sum(${series('notifierDeadLetters', notifier)})`, legend: '' }],
  idle: 'zero',
  thresholds: { red: 1, when: 'above' },
  whenRed: {
    en: 'GET /api/notifications says why; repair the channel, then resend.',
    zh: 'GET /api/notifications 写明原因；修复渠道后重新发送。',
    runbook: 'NotifierFailing',
  },
};

export const heartbeatAge: Panel = {
  id: 'heartbeat-age',
  title: { en: 'Last Watchdog', zh: '最近一次 Watchdog' },
  meaning: {
    en: 'How long ago the alert that always fires last arrived; after five minutes the path is broken.',
    zh: '始终触发的告警上次到达距今多久；超过五分钟说明告警链路已断。',
  },
  kind: 'stat',
  unit: 's',
  queries: [{ expr: `max(${series('notifierHeartbeatAge', notifier)})`, legend: '' }],
  idle: 'value',
  thresholds: { red: 300, orange: 120, when: 'above' },
  whenRed: {
    en: 'Follow the path: rules, Alertmanager, notifier.',
    zh: '沿链路检查：规则、Alertmanager、notifier。',
    runbook: 'Watchdog',
  },
};
