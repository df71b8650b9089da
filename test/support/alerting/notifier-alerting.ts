/**
 * A real Prometheus that scrapes one metric and a real Alertmanager, at intervals of a second, for tests of the whole path.
 * Alertmanager can be killed and started again.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findTools } from '../../../stack/native/tools/tools.ts';
import { until } from '../until.ts';
import { freePorts } from '../free-ports.ts';

const root = join(import.meta.dirname, '../../..');

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
  /** With its previous data, or `empty` as after the loss of its disk. */
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
  const { prometheus, alertmanager } = findTools(process.env['PATH'] ?? '', join(root, '.tools'));
  if (prometheus === undefined || alertmanager === undefined) {
    throw new Error('Prometheus and Alertmanager: expected on PATH or in .tools; run make test');
  }
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
  const start = async (args: string[], url: string): Promise<ChildProcess> => {
    const [program = '', ...rest] = args;
    const child = spawn(program, rest, { cwd: root, stdio: 'ignore' });
    await until(async () => {
      if (child.exitCode !== null) throw new Error(`${program} ended with ${child.exitCode}`);
      return (await fetch(`${url}/-/ready`).catch(() => undefined))?.ok === true;
    });
    return child;
  };
  let lives = 1;
  const alertmanagerArgs = (): string[] => [
    alertmanager,
    `--storage.path=${join(folder, `alertmanager-${lives}`)}`,
    `--config.file=${join(folder, 'alertmanager.yml')}`,
    `--web.listen-address=127.0.0.1:${alertmanagerPort}`,
    '--cluster.listen-address=',
    '--data.maintenance-interval=2s',
  ];
  let alertmanagerProcess = await start(alertmanagerArgs(), alertmanagerUrl);
  const prometheusProcess = await start(
    [
      prometheus,
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'prometheus')}`,
      `--web.listen-address=127.0.0.1:${prometheusPort}`,
      `--rules.alert.resend-delay=${resendDelay}`,
    ],
    prometheusUrl,
  );
  // Until it has found its Alertmanager, Prometheus drops alerts, and sends them again a minute later.
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
    stopAlertmanager: (signal) => end(alertmanagerProcess, signal),
    async startAlertmanager({ empty } = { empty: false }) {
      lives += empty ? 1 : 0;
      alertmanagerProcess = await start(alertmanagerArgs(), alertmanagerUrl);
    },
    async stop() {
      await end(prometheusProcess, 'SIGKILL');
      await end(alertmanagerProcess, 'SIGKILL');
      target.closeAllConnections();
      target.close();
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

async function end(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill(signal);
  await exit;
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
