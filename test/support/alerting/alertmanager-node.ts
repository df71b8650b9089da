/** One real Alertmanager process on a configuration of the test's own, alone or in a cluster. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { until } from '../until.ts';
import { freePort } from '../free-ports.ts';

export const root = join(import.meta.dirname, '../../..');

interface PostedAlert {
  labels: Record<string, string>;
  annotations?: Record<string, string>;
  endsAt?: string;
}

interface SeenAlert {
  labels: Record<string, string>;
  status: { state: 'active' | 'suppressed' | 'unprocessed'; inhibitedBy: string[] };
}

export interface AlertmanagerNode {
  url: string;
  /** Where others of its cluster find it; empty when it is alone. */
  peer: string;
  /** Raises alerts, or ends those whose `endsAt` has come. */
  post(...alerts: PostedAlert[]): Promise<void>;
  list(): Promise<SeenAlert[]>;
  status(): Promise<{ cluster: { status: string; peers: { address: string }[] } }>;
  stop(signal?: NodeJS.Signals): Promise<void>;
}

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

export interface NodeOptions {
  /** The text of alertmanager.yml; JSON is YAML. */
  config: string;
  /** Those it joins; with an empty list it waits to be joined, without one it stays alone. */
  peers?: readonly string[];
  args?: readonly string[];
}

/** @throws Error when it ends before it is ready, as on a configuration that it refuses. */
export async function startAlertmanagerNode(options: NodeOptions): Promise<AlertmanagerNode> {
  const { config, peers, args = [] } = options;
  const folder = mkdtempSync(join(tmpdir(), 'alertmanager-'));
  const configFile = join(folder, 'alertmanager.yml');
  writeFileSync(configFile, config);
  const address = `127.0.0.1:${await freePort()}`;
  const peer = peers === undefined ? '' : `127.0.0.1:${await freePort()}`;
  const child = spawn(
    findAlertmanager(),
    [
      `--config.file=${configFile}`,
      `--storage.path=${folder}`,
      `--web.listen-address=${address}`,
      `--cluster.listen-address=${peer}`,
      ...(peers ?? []).map((other) => `--cluster.peer=${other}`),
      ...args,
    ],
    // The copy in .tools finds its templates from the checkout.
    { cwd: root, stdio: 'ignore' },
  );
  const url = `http://${address}`;
  const read = async <Answer>(path: string): Promise<Answer> =>
    (await (await fetch(`${url}/api/v2/${path}`)).json()) as Answer;
  await until(async () => {
    if (child.exitCode !== null) throw new Error(`Alertmanager ended with ${child.exitCode}`);
    return (await fetch(`${url}/-/ready`).catch(() => undefined))?.ok === true;
  });
  return {
    url,
    peer,
    async post(...alerts) {
      const response = await fetch(`${url}/api/v2/alerts`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(alerts),
      });
      if (!response.ok) throw new Error(`Alertmanager answered ${response.status}`);
    },
    list: () => read('alerts'),
    status: () => read('status'),
    async stop(signal) {
      if (child.exitCode === null && child.signalCode === null) {
        const exit = once(child, 'exit');
        child.kill(signal);
        await exit;
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
