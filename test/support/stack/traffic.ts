/** A stack that has served requests, so that every panel has data. Used by the tests of the console. */
import { until } from '../until.ts';
import { driveTraffic } from '../otel/prometheus-traffic.ts';
import { createStack, type Stack } from './stack.ts';

/** One sequence and a queue of one, so that the queue is easily full. */
export async function createUsedStack(settings: Record<string, string> = {}): Promise<Stack> {
  const stack = await createStack({ CHAT_SEQUENCES: '1', CHAT_QUEUE_LIMIT: '1', ...settings });
  try {
    await stack.command('up');
    // Requests before the first scrape would not count as an increase.
    await until(async () => (await stack.query('up{job="qwen-instruct"}'))[0] === 1);
    await driveTraffic(stack.chatUrl, stack.pid('chat'));
  } catch (error) {
    await stack.dispose();
    throw error;
  }
  return stack;
}

interface RaisedAlert {
  name: string;
  severity?: 'critical' | 'warning';
  summary?: string;
  summaryZh?: string;
  /** True to end the alert now. */
  over?: boolean;
}

/** Fires an alert with the runbook of that name. */
export async function raiseAlert(stack: Pick<Stack, 'env'>, alert: RaisedAlert): Promise<void> {
  const { name, severity = 'critical', over = false } = alert;
  const { summary = 'Requests are failing', summaryZh = '请求失败率过高' } = alert;
  const body = [
    {
      labels: { alertname: name, severity, job: 'qwen-instruct' },
      annotations: {
        summary,
        summary_zh: summaryZh,
        description: 'One in three of the last five minutes.',
        description_zh: '最近 5 分钟有 33% 的生成请求返回 5xx。',
        runbook_url: `http://127.0.0.1:8060/runbooks/${name}`,
      },
      ...(over && { endsAt: new Date().toISOString() }),
    },
  ];
  const answer = await fetch(`${alertmanagerOf(stack)}/api/v2/alerts`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`Alertmanager answers ${answer.status}`);
}

export function alertmanagerOf(stack: Pick<Stack, 'env'>): string {
  return `http://127.0.0.1:${stack.env['ALERTMANAGER_PORT']}`;
}
