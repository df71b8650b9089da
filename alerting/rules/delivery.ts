/** The way of an alert to a person, watched by the way itself: rules, Alertmanager, notifier; written to `delivery.yml`. */
import { anyOf, increase, series, summed } from '../../otel/promql.ts';
import { inChinese } from './rule.ts';
import type { Alert, RuleContext } from './rule.ts';

export function deliveryAlerts(context: RuleContext): Alert[] {
  return [
    ruleEvaluationFailing(context),
    alertmanagerUnreachable(context),
    notifierFailing(context),
    notifierOutboxStuck(context),
  ];
}

function ruleEvaluationFailing({ thresholds, duration }: RuleContext): Alert {
  const { above, windowSeconds, forSeconds } = thresholds.ruleEvaluationFailing;
  const [window, held] = [duration(windowSeconds), duration(forSeconds)];
  const by = ['job', 'instance', 'rule_group'] as const;
  const graph = summed('increase', 'prometheus_rule_evaluation_failures_total', { by, window });
  return {
    alert: 'RuleEvaluationFailing',
    expr: `${graph} > ${above}`,
    for: held,
    labels: { severity: 'critical' },
    graph,
    text: {
      en: {
        summary: 'Prometheus cannot evaluate its rules',
        description: `{{ $value | printf "%.0f" }} evaluations in {{ $labels.rule_group }} failed over ${window}: alerts of that group are blind.`,
      },
      zh: {
        summary: 'Prometheus 无法计算规则',
        description: `最近 ${inChinese(window)} {{ $labels.rule_group }} 中有 {{ $value | printf "%.0f" }} 次计算失败：该组的告警已失明。`,
      },
    },
  };
}

/** With one Alertmanager only the notifier's own watch can tell it; with two, the other one does. */
function alertmanagerUnreachable({ thresholds, duration }: RuleContext): Alert {
  const { above, windowSeconds, forSeconds } = thresholds.alertmanagerUnreachable;
  const [window, held] = [duration(windowSeconds), duration(forSeconds)];
  const by = ['job', 'instance', 'alertmanager'] as const;
  const graph = summed('increase', 'prometheus_notifications_errors_total', { by, window });
  return {
    alert: 'AlertmanagerUnreachable',
    expr: `${graph} > ${above} or prometheus_notifications_alertmanagers_discovered == 0`,
    for: held,
    labels: { severity: 'critical' },
    graph,
    text: {
      en: {
        summary: 'Alerts do not reach Alertmanager',
        description: `{{ with $labels.alertmanager }}{{ . }} took no alerts{{ else }}Prometheus knows no Alertmanager{{ end }} for more than ${held} ({{ $value | printf "%.0f" }} failures over ${window}).`,
      },
      zh: {
        summary: '告警无法送达 Alertmanager',
        description: `{{ with $labels.alertmanager }}{{ . }} 不接收告警{{ else }}Prometheus 没有可用的 Alertmanager{{ end }}，已超过 ${inChinese(held)}（最近 ${inChinese(window)}失败 {{ $value | printf "%.0f" }} 次）。`,
      },
    },
  };
}

/** What a channel refused for good; a channel that takes nothing; a webhook that Alertmanager cannot hand over. */
function notifierFailing({ thresholds, duration }: RuleContext): Alert {
  const { windowSeconds, forSeconds, minimumFailures } = thresholds.notifierFailing;
  const [window, held] = [duration(windowSeconds), duration(forSeconds)];
  const attempts = (...outcomes: string[]): string =>
    increase('notifierNotifications', {
      where: anyOf('outcome', outcomes),
      by: ['job', 'instance', 'channel'],
      window,
    });
  const webhooks = summed(
    'increase',
    'alertmanager_notifications_failed_total{integration="webhook"}',
    { by: ['job', 'instance', 'integration'], window },
  );
  return {
    alert: 'NotifierFailing',
    expr: [
      `${attempts('dead')} > 0`,
      `(${attempts('retried', 'dead')} >= ${minimumFailures} unless ${attempts('delivered')} > 0)`,
      `${webhooks} >= ${minimumFailures}`,
    ].join(' or '),
    for: held,
    labels: { severity: 'critical' },
    graph: attempts('retried', 'dead'),
    text: {
      en: {
        summary: 'Notifications do not reach people',
        description: `{{ with $labels.channel }}Channel {{ . }}{{ else }}The notifier's webhook{{ end }}: {{ $value | printf "%.0f" }} attempts failed over ${window}.`,
      },
      zh: {
        summary: '通知无法送达',
        description: `{{ with $labels.channel }}通道 {{ . }}{{ else }}notifier 的 webhook{{ end }} 最近 ${inChinese(window)}有 {{ $value | printf "%.0f" }} 次投递失败。`,
      },
    },
  };
}

function notifierOutboxStuck({ thresholds, duration }: RuleContext): Alert {
  const { above, forSeconds } = thresholds.notifierOutboxStuck;
  const graph = series('notifierPendingAge', '');
  const [bound, held] = [duration(above), duration(forSeconds)];
  return {
    alert: 'NotifierOutboxStuck',
    expr: `${graph} > ${above}`,
    for: held,
    labels: { severity: 'critical' },
    graph,
    text: {
      en: {
        summary: 'Notifications wait and do not leave',
        description: `The oldest notification waits for {{ $value | humanizeDuration }}, above ${bound} for more than ${held}.`,
      },
      zh: {
        summary: '通知积压在发件箱',
        description: `最早的通知已等待 {{ $value | humanizeDuration }}，超过 ${inChinese(bound)}已达 ${inChinese(held)}。`,
      },
    },
  };
}
