/** Runs `make up`'s own program on free ports and folders of its own, for tests of the whole stack. */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));

export interface Stack {
  env: NodeJS.ProcessEnv;
  urls: { chat: string; prometheus: string; alertmanager: string; notifier: string };
  /** `node stack/up.ts COMMAND`; what it printed, on both streams. */
  command(name: 'up' | 'down' | 'status', env?: NodeJS.ProcessEnv): Promise<string>;
  /** 0 while it does not run. */
  pid(service: string): number;
  /** The values of an instant query. */
  query(expression: string): Promise<number[]>;
}

export async function createStack(settings: Record<string, string>): Promise<Stack> {
  const [chat, prometheus, alertmanager, notifier] = await freePorts(4);
  const folder = mkdtempSync(path.join(tmpdir(), 'llamascope-stack-'));
  const env = {
    ...process.env,
    CHAT_PORT: String(chat),
    PROMETHEUS_PORT: String(prometheus),
    ALERTMANAGER_PORT: String(alertmanager),
    NOTIFIER_PORT: String(notifier),
    LLAMASCOPE_RUN_DIR: path.join(folder, 'run'),
    LLAMASCOPE_DATA_DIR: path.join(folder, 'data'),
    // vitest has a MODE of its own.
    MODE: 'native',
    CHAT_MODEL: 'demo',
    CHAT_THREADS: '1',
    SCRAPE_INTERVAL: '1s',
    ...settings,
  };
  return {
    env,
    urls: {
      chat: url(chat),
      prometheus: url(prometheus),
      alertmanager: url(alertmanager),
      notifier: url(notifier),
    },
    async command(name, more = {}) {
      const options = { cwd: root, env: { ...env, ...more } };
      return run(process.execPath, ['stack/up.ts', name], options).then(
        ({ stdout, stderr }) => stdout + stderr,
        (error: { stdout: string; stderr: string }) => {
          throw new Error(error.stdout + error.stderr);
        },
      );
    },
    pid(service) {
      const file = path.join(env.LLAMASCOPE_RUN_DIR, `${service}.pid`);
      return existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0;
    },
    async query(expression) {
      const response = await fetch(
        `${url(prometheus)}/api/v1/query?query=${encodeURIComponent(expression)}`,
      );
      const { data } = (await response.json()) as {
        data: { result: { value: [number, string] }[] };
      };
      return data.result.map(({ value }) => Number(value[1]));
    },
  };
}

function url(port: number | undefined): string {
  return `http://127.0.0.1:${port}`;
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  await Promise.all(
    servers.map((server) => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  for (const server of servers) server.close();
  return ports;
}
