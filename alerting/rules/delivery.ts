/** The path of an alert to a person: rules, Alertmanager, notifier. Generates `delivery.yml`. */
import { anyOf, increase, quantile, series, summed } from '../../otel/promql.ts';
import type { Alert } from './rule.ts';

const window = '<window>';

const attempts = (...outcomes: string[]): string =>
  increase('notifierNotifications', {
    where: anyOf('outcome', outcomes),
    by: ['job', 'instance', 'channel'],
    window,
  });

const failedWebhooks = summed(
  'increase',
  'alertmanager_notifications_failed_total{integration="webhook"}',
  { by: ['job', 'instance', 'integration'], window },
);

export const deliveryAlerts: Alert[] = [
  {
    alert: 'RuleEvaluationFailing',
    labels: { severity: 'critical' },
    graph: summed('increase', 'prometheus_rule_evaluation_failures_total', {
      by: ['job', 'instance', 'rule_group'],
      window,
    }),
    summary: { en: 'Prometheus cannot evaluate its rules', zh: 'Prometheus 规则评估失败' },
    description: {
      en: '{{ $value | printf "%.0f" }} evaluations of {{ $labels.rule_group }} failed over <window>. Alerts of that group cannot fire.',
      zh: '规则组 {{ $labels.rule_group }} 最近 <window>有 {{ $value | printf "%.0f" }} 次评估失败。该组告警已失效，不会触发。',
    },
  },
  {
    // A single Alertmanager that is down cannot deliver this alert; the notifier detects the missing Watchdog instead.
    alert: 'AlertmanagerUnreachable',
    labels: { severity: 'critical' },
    graph: summed('increase', 'prometheus_notifications_errors_total', {
      by: ['job', 'instance', 'alertmanager'],
      window,
    }),
    expr: '<graph> > <above> or prometheus_notifications_alertmanagers_discovered == 0',
    summary: { en: 'Alerts do not reach Alertmanager', zh: '告警无法送达 Alertmanager' },
    description: {
      en: '{{ with $labels.alertmanager }}Sending alerts to {{ . }} has failed{{ else }}Prometheus has had no Alertmanager{{ end }} for more than <for> ({{ $value | printf "%.0f" }} failures over <window>).',
      zh: '{{ with $labels.alertmanager }}向 {{ . }} 发送告警失败{{ else }}Prometheus 没有可用的 Alertmanager{{ end }}，已持续 <for>（最近 <window>失败 {{ $value | printf "%.0f" }} 次）。',
    },
  },
  {
    // Dead notifications, a channel without successful deliveries, or failed webhook calls of Alertmanager.
    alert: 'NotifierFailing',
    labels: { severity: 'critical' },
    graph: attempts('retried', 'dead'),
    expr: [
      `${attempts('dead')} > 0`,
      `(<graph> >= <minimumFailures> unless ${attempts('delivered')} > 0)`,
      `${failedWebhooks} >= <minimumFailures>`,
    ].join(' or '),
    summary: { en: 'Notifications do not reach people', zh: '通知无法送达' },
    description: {
      en: 'Failed attempts over <window> through {{ with $labels.channel }}channel {{ . }}{{ else }}the webhook of the notifier{{ end }}: {{ $value | printf "%.0f" }}.',
      zh: '{{ with $labels.channel }}渠道 {{ . }} {{ else }}通知服务的 webhook {{ end }}最近 <window>有 {{ $value | printf "%.0f" }} 次投递失败。',
    },
  },
  {
    alert: 'NotificationsLate',
    labels: { severity: 'warning' },
    graph: quantile(0.95, 'notifierDeliveryAge', {
      where: '',
      by: ['job', 'instance', 'channel'],
      window,
    }),
    summary: { en: 'Notifications are late', zh: '通知送达过慢' },
    description: {
      en: 'Through channel {{ $labels.channel }}, P95 of the time from alert to delivery is {{ $value | humanizeDuration }} over <window>, above <above> s for more than <for>.',
      zh: '最近 <window>渠道 {{ $labels.channel }} 从告警发生到送达的耗时 P95 为 {{ $value | printf "%.0f" }} 秒，高于 <above> 秒，已持续 <for>。',
    },
  },
  {
    alert: 'NotifierOutboxStuck',
    labels: { severity: 'critical' },
    graph: series('notifierPendingAge', ''),
    numbers: ({ thresholds, duration }) => ({
      age: duration(thresholds.notifierOutboxStuck.above),
    }),
    summary: { en: 'Notifications are stuck in the outbox', zh: '通知积压在发件箱' },
    description: {
      en: 'The oldest notification has waited for {{ $value | humanizeDuration }}, above <age> for more than <for>.',
      zh: '最早的通知已等待 {{ $value | humanizeDuration | reReplaceAll "d" " 天" | reReplaceAll "h" " 小时" | reReplaceAll "m" " 分" | reReplaceAll "s" " 秒" }}，高于 <age>，已持续 <for>。',
    },
  },
];
