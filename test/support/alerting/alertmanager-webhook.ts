/** Webhook payloads of Alertmanager, for tests of the notifier. */

export interface WebhookAlert {
  status: 'firing' | 'resolved';
  labels: Record<string, string>;
  annotations: Record<string, string>;
  startsAt: string;
  endsAt: string;
  generatorURL: string;
  fingerprint: string;
}

/** HighErrorRate as the rules raise it, with the fields of `alert` replaced. */
export function createAlert(alert: Partial<WebhookAlert> = {}): WebhookAlert {
  const isResolved = alert.status === 'resolved';
  return {
    status: 'firing',
    labels: { alertname: 'HighErrorRate', job: 'qwen-instruct', severity: 'critical' },
    annotations: {
      summary: 'Requests are failing',
      description: '12.3% of generation requests over 5m ended in 5xx.',
      summary_zh: '请求失败率过高',
      description_zh: '最近 5 分钟有 12.3% 的生成请求返回 5xx。',
      runbook_url: 'http://127.0.0.1:8060/runbooks/HighErrorRate',
      dashboard_url: 'http://127.0.0.1:9090/graph?g0.expr=sum(up)',
    },
    startsAt: '2026-04-26T03:21:41.5Z',
    endsAt: isResolved ? '2026-04-26T03:29:53.5Z' : '0001-01-01T00:00:00Z',
    generatorURL: 'http://127.0.0.1:9090/graph?g0.expr=up&g0.tab=1',
    fingerprint: 'c0ffee0000000001',
    ...alert,
  };
}

export function createWebhook(alerts: WebhookAlert[], groupKey = '{}:{alertname="HighErrorRate"}') {
  return {
    version: '4' as const,
    groupKey,
    truncatedAlerts: 0,
    status: alerts.some(({ status }) => status === 'firing') ? 'firing' : 'resolved',
    receiver: 'notifier',
    groupLabels: { alertname: 'HighErrorRate' },
    commonLabels: {},
    commonAnnotations: {},
    externalURL: 'http://127.0.0.1:9093',
    alerts,
  };
}
