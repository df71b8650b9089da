/** Starts the real notifier on a free port with its own outbox, for tests over HTTP. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../until.ts';

const root = join(import.meta.dirname, '../../..');

export interface Notifier {
  url: string;
  process: ChildProcess;
  /** The output on stdout and stderr so far. */
  output: () => string;
  post(webhook: unknown): Promise<Response>;
  list(): Promise<NotificationView[]>;
  /** Value of one series, written as in the exposition; undefined when it does not exist. */
  sample(series: string): Promise<number | undefined>;
  /** Sends `signal` (SIGTERM) and returns the exit code, null after SIGKILL. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

interface NotificationView {
  channel: string;
  state: string;
  attempts: number;
  lastReason: string | null;
  message: { title: string; text: string };
}

/** A path for NOTIFIER_DB that can be used again after a restart. */
export function newOutboxPath(): string {
  return join(mkdtempSync(join(tmpdir(), 'notifier-')), 'notifier.db');
}

/** Starts the notifier. @throws Error with its output if it exits before it is ready. */
export async function startNotifier(settings: Record<string, string> = {}): Promise<Notifier> {
  const env = {
    ...process.env,
    NOTIFIER_PORT: '0',
    NOTIFIER_DB: newOutboxPath(),
    LLAMASCOPE_LANG: 'zh',
    ...settings,
  };
  const args = ['--import', './otel/register.ts', 'alerting/notifier/main.ts'];
  const child = spawn(process.execPath, args, { cwd: root, env, stdio: 'pipe' });
  let output = '';
  const collect = (chunk: Buffer): void => void (output += chunk.toString());
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  let port: string | undefined;
  await until(() => {
    port = /"port":(\d+).*"msg":"listening"/.exec(output)?.[1];
    if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode}:\n${output}`);
    return port !== undefined;
  });
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    process: child,
    output: () => output,
    post: (webhook) =>
      fetch(`${url}/alerts/default`, { method: 'POST', body: JSON.stringify(webhook) }),
    async list() {
      const response = await fetch(`${url}/api/notifications`);
      return ((await response.json()) as { notifications: NotificationView[] }).notifications;
    },
    async sample(series) {
      const text = await (await fetch(`${url}/metrics`)).text();
      const line = text.split('\n').find((candidate) => candidate.startsWith(`${series} `));
      return line === undefined ? undefined : Number(line.slice(series.length + 1));
    },
    async stop(signal = 'SIGTERM') {
      if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
      const exit = once(child, 'exit') as Promise<[number | null]>;
      child.kill(signal);
      return (await exit)[0];
    },
  };
}
