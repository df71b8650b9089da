/** A real Alertmanager process with a configuration of the test, alone or in a cluster. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findTools } from '../../../stack/native/tools/tools.ts';
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
  /** The cluster address of this Alertmanager; empty without a cluster. */
  peer: string;
  /** Raises alerts; ends an alert if its `endsAt` is in the past. */
  post(...alerts: PostedAlert[]): Promise<void>;
  list(): Promise<SeenAlert[]>;
  status(): Promise<{ cluster: { status: string; peers: { address: string }[] } }>;
  stop(signal?: NodeJS.Signals): Promise<void>;
}

export interface NodeOptions {
  /** The text of alertmanager.yml; JSON is YAML. */
  config: string;
  /** Cluster addresses to join; an empty list starts a cluster, undefined stays alone. */
  peers?: readonly string[];
  args?: readonly string[];
}

/** Starts Alertmanager. @throws Error if it exits before it is ready, for example because it rejects its configuration. */
export async function startAlertmanagerNode(options: NodeOptions): Promise<AlertmanagerNode> {
  const { config, peers, args = [] } = options;
  const folder = mkdtempSync(join(tmpdir(), 'alertmanager-'));
  const configFile = join(folder, 'alertmanager.yml');
  writeFileSync(configFile, config);
  const address = `127.0.0.1:${await freePort()}`;
  const url = `http://${address}`;
  const peer = peers === undefined ? '' : `127.0.0.1:${await freePort()}`;
  const child = await startServer(
    'alertmanager',
    [
      `--config.file=${configFile}`,
      `--storage.path=${folder}`,
      `--web.listen-address=${address}`,
      `--cluster.listen-address=${peer}`,
      ...(peers ?? []).map((other) => `--cluster.peer=${other}`),
      ...args,
    ],
    url,
  );
  const read = async <Answer>(path: string): Promise<Answer> =>
    (await (await fetch(`${url}/api/v2/${path}`)).json()) as Answer;
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
      await endProcess(child, signal);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/**
 * Starts Prometheus or Alertmanager from PATH or .tools and waits until it is ready at `url`.
 * @throws Error when the program is missing or ends before it is ready.
 */
export async function startServer(
  name: 'prometheus' | 'alertmanager',
  args: readonly string[],
  url: string,
): Promise<ChildProcess> {
  const program = findTools(process.env['PATH'] ?? '', join(root, '.tools'))[name];
  if (program === undefined) throw new Error(`${name}: not on PATH or in .tools; run make test`);
  // The copy of Alertmanager in .tools finds its templates from the checkout.
  const child = spawn(program, args, { cwd: root, stdio: 'ignore' });
  await until(async () => {
    if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}`);
    return (await fetch(`${url}/-/ready`).catch(() => undefined))?.ok === true;
  });
  return child;
}

export async function endProcess(child: ChildProcess, signal?: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill(signal);
  await exit;
}
