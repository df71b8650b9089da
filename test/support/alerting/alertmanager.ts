/** A real Alertmanager with intervals of seconds and one webhook, for tests. */
import { startAlertmanagerNode } from './alertmanager-node.ts';

export interface Alertmanager {
  url: string;
  /** Raises an alert, or ends it when `endsAt` is in the past. */
  alert(alert: {
    labels: Record<string, string>;
    annotations?: Record<string, string>;
    endsAt?: string;
  }): Promise<void>;
  stop(): Promise<void>;
}

export async function startAlertmanager(options: { webhookUrl: string }): Promise<Alertmanager> {
  const node = await startAlertmanagerNode({
    config: JSON.stringify({
      route: {
        receiver: 'notifier',
        group_by: ['alertname', 'job'],
        group_wait: '0s',
        group_interval: '2s',
        repeat_interval: '1h',
      },
      receivers: [
        { name: 'notifier', webhook_configs: [{ url: options.webhookUrl, max_alerts: 0 }] },
      ],
    }),
  });
  return { url: node.url, alert: (alert) => node.post(alert), stop: () => node.stop() };
}
