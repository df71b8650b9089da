/**
 * A real Prometheus that scrapes one metric and a real Alertmanager, at intervals of a second, for tests of the whole path.
 * Alertmanager can be killed and started again.
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../until.ts';
import { endProcess, startServer } from './alertmanager-node.ts';
import { freePorts } from '../free-ports.ts';

export interface AlertingOptions {
  webhookUrls: string[];
  groupInterval?: string;
  /** How often Prometheus sends an alert that is still firing; its own default is a minute. */
  resendDelay?: string;
}

export interface Alerting {
  prometheusUrl: string;
  alertmanagerUrl: string;
  /** While the value is 1, the alert `Crossing` is firing for this name. */
  setMetric(name: string, value: number): void;
  /** Silences the alert of this name. */
  silence(name: string): Promise<void>;
  stopAlertmanager(signal?: NodeJS.Signals): Promise<void>;
  /** Starts Alertmanager with its previous data, or `empty`, as after the loss of its disk. */
  startAlertmanager(options?: { empty: boolean }): Promise<void>;
  /** Sum of the series of a metric of Alertmanager or Prometheus whose labels contain `labels`. */
  sample(metric: string, labels?: string): Promise<number>;
  stop(): Promise<void>;
}

export async function startAlerting({
  webhookUrls,
  groupInterval = '1s',
  resendDelay = '1m',
}: AlertingOptions): Promise<Alerting> {
  const folder = mkdtempSync(join(tmpdir(), 'notifier-alerting-'));
  const values = new Map<string, number>();
  const target = createServer((_, response) => {
    const lines = [...values].map(([name, value]) => `test_value{name="${name}"} ${value}\n`);
    response.end(`test_value{name="none"} 0\n${lines.join('')}`);
  });
  const targetPort = await listen(target);
  const [prometheusPort, alertmanagerPort] = await freePorts(2);
  const prometheusUrl = `http://127.0.0.1:${prometheusPort}`;
  const alertmanagerUrl = `http://127.0.0.1:${alertmanagerPort}`;
  write(folder, 'alertmanager.yml', {
    route: {
      receiver: 'all',
      group_by: ['alertname', 'name'],
      group_wait: '0s',
      group_interval: groupInterval,
      repeat_interval: '1h',
    },
    receivers: [
      { name: 'all', webhook_configs: webhookUrls.map((url) => ({ url, max_alerts: 0 })) },
    ],
  });
  write(folder, 'rules.yml', {
    groups: [
      {
        name: 'test',
        rules: [
          {
            alert: 'Crossing',
            expr: 'test_value == 1',
            labels: { severity: 'critical' },
            annotations: { summary: '{{ $labels.name }} crossed' },
          },
        ],
      },
    ],
  });
  write(folder, 'prometheus.yml', {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: ['rules.yml'],
    alerting: {
      alertmanagers: [{ static_configs: [{ targets: [`127.0.0.1:${alertmanagerPort}`] }] }],
    },
    scrape_configs: [
      { job_name: 'test', static_configs: [{ targets: [`127.0.0.1:${targetPort}`] }] },
    ],
  });
  let disks = 1;
  const alertmanagerArgs = (): string[] => [
    `--storage.path=${join(folder, `alertmanager-${disks}`)}`,
    `--config.file=${join(folder, 'alertmanager.yml')}`,
    `--web.listen-address=127.0.0.1:${alertmanagerPort}`,
    '--cluster.listen-address=',
    '--data.maintenance-interval=2s',
  ];
  const startOne = () => startServer('alertmanager', alertmanagerArgs(), alertmanagerUrl);
  let alertmanagerProcess = await startOne();
  const prometheusProcess = await startServer(
    'prometheus',
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'prometheus')}`,
      `--web.listen-address=127.0.0.1:${prometheusPort}`,
      `--rules.alert.resend-delay=${resendDelay}`,
    ],
    prometheusUrl,
  );
  // Before Prometheus has discovered Alertmanager, it drops alerts and sends them again a minute later.
  await until(async () => {
    const answer = await (await fetch(`${prometheusUrl}/api/v1/alertmanagers`)).text();
    return answer.includes(`:${alertmanagerPort}/`);
  });
  return {
    prometheusUrl,
    alertmanagerUrl,
    setMetric: (name, value) => void values.set(name, value),
    async silence(name) {
      const hour = 3_600_000;
      const response = await fetch(`${alertmanagerUrl}/api/v2/silences`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          matchers: [{ name: 'name', value: name, isRegex: false, isEqual: true }],
          startsAt: new Date().toISOString(),
          endsAt: new Date(Date.now() + hour).toISOString(),
          createdBy: 'test',
          comment: 'test',
        }),
      });
      if (!response.ok) throw new Error(`Alertmanager answered ${response.status}`);
    },
    async sample(metric, labels = '') {
      const url = metric.startsWith('prometheus_') ? prometheusUrl : alertmanagerUrl;
      const text = await (await fetch(`${url}/metrics`)).text();
      const lines = text.split('\n').filter((line) => line.startsWith(metric));
      const series = lines.filter((line) => line.includes(labels));
      return series.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
    },
    stopAlertmanager: (signal) => endProcess(alertmanagerProcess, signal),
    async startAlertmanager({ empty } = { empty: false }) {
      disks += empty ? 1 : 0;
      alertmanagerProcess = await startOne();
    },
    async stop() {
      await endProcess(prometheusProcess, 'SIGKILL');
      await endProcess(alertmanagerProcess, 'SIGKILL');
      target.closeAllConnections();
      target.close();
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** JSON is YAML. */
function write(folder: string, name: string, content: object): void {
  writeFileSync(join(folder, name), JSON.stringify(content));
}

async function listen(server: ReturnType<typeof createServer>): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}
