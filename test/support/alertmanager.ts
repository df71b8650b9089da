/** A real Alertmanager with intervals of seconds that sends to one webhook, for tests. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { until } from './chat-service.ts';

export interface Alertmanager {
  url: string;
  /** Raises an alert, or ends it where `endsAt` has come. */
  alert(alert: {
    labels: Record<string, string>;
    annotations?: Record<string, string>;
    endsAt?: string;
  }): Promise<void>;
  stop(): Promise<void>;
}

const root = join(import.meta.dirname, '../..');

/** @throws Error that says where Alertmanager was looked for. */
function findAlertmanager(): string {
  const folders = [
    ...(process.env['PATH'] ?? '').split(delimiter),
    join(root, '.tools/debian/usr/bin'),
  ];
  const candidates = folders.flatMap((folder) =>
    ['alertmanager', 'prometheus-alertmanager'].map((name) => join(folder, name)),
  );
  const found = candidates.find((candidate) => existsSync(candidate));
  if (found !== undefined) return found;
  throw new Error(
    'Alertmanager: expected on PATH or in .tools/debian/usr/bin; run make test, which brings it',
  );
}

export async function startAlertmanager(options: { webhookUrl: string }): Promise<Alertmanager> {
  const folder = mkdtempSync(join(tmpdir(), 'alertmanager-'));
  const config = join(folder, 'alertmanager.yml');
  // JSON is YAML.
  writeFileSync(
    config,
    JSON.stringify({
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
  );
  const address = `127.0.0.1:${await freePort()}`;
  const child = spawn(
    findAlertmanager(),
    [
      `--config.file=${config}`,
      `--storage.path=${folder}`,
      `--web.listen-address=${address}`,
      '--cluster.listen-address=',
    ],
    // The copy in .tools finds its templates from the checkout.
    { cwd: root, stdio: 'ignore' },
  );
  const url = `http://${address}`;
  await until(async () => {
    if (child.exitCode !== null) throw new Error(`Alertmanager ended with ${child.exitCode}`);
    return (await fetch(`${url}/-/ready`).catch(() => undefined))?.ok === true;
  });
  return {
    url,
    async alert(alert) {
      const response = await fetch(`${url}/api/v2/alerts`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify([alert]),
      });
      if (!response.ok) throw new Error(`Alertmanager answered ${response.status}`);
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exit = once(child, 'exit');
      child.kill();
      await exit;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
