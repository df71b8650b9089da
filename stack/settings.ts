/** Where the stack runs: folders and ports, from the environment. Everything in stack/ reads them here. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

export interface StackSettings {
  /** The checkout. */
  root: string;
  /** Rendered configuration, logs, pids of the native mode; ignored by git. */
  runDir: string;
  /** What outlives a restart: time series, silences, notifications. */
  dataDir: string;
  /** The rules that Prometheus loads; the integration test gives it a copy whose windows are shorter. */
  rulesDir: string;
  ports: { chat: number; prometheus: number; alertmanager: number; notifier: number };
  scrapeInterval: string;
  env: NodeJS.ProcessEnv;
}

const portVariables = {
  chat: ['CHAT_PORT', 8000],
  prometheus: ['PROMETHEUS_PORT', 9090],
  alertmanager: ['ALERTMANAGER_PORT', 9093],
  notifier: ['NOTIFIER_PORT', 8060],
} as const;

export type ServiceName = keyof typeof portVariables;

/** The variable that moves a service to another port. */
export function portVariable(name: ServiceName): string {
  return portVariables[name][0];
}

/** @throws Error that lists every setting that is wrong. */
export function readStackSettings(env: NodeJS.ProcessEnv): StackSettings {
  const problems: string[] = [];
  const port = (name: ServiceName): number => {
    const [variable, fallback] = portVariables[name];
    const text = env[variable] || String(fallback);
    const value = Number(text);
    if (Number.isInteger(value) && value >= 1 && value <= 65_535) return value;
    problems.push(`${variable}: expected a port from 1 to 65535, got "${text}"`);
    return fallback;
  };
  const scrapeInterval = env['SCRAPE_INTERVAL'] || '15s';
  if (!/^\d+(ms|s|m)$/.test(scrapeInterval)) {
    problems.push(
      `SCRAPE_INTERVAL: expected a duration such as 15s or 30s, got "${scrapeInterval}"`,
    );
  }
  const settings: StackSettings = {
    root,
    runDir: path.resolve(root, env['LLAMASCOPE_RUN_DIR'] || 'stack/run/native'),
    dataDir: path.resolve(root, env['LLAMASCOPE_DATA_DIR'] || 'data'),
    rulesDir: path.resolve(root, env['LLAMASCOPE_RULES_DIR'] || 'alerting/rules'),
    ports: {
      chat: port('chat'),
      prometheus: port('prometheus'),
      alertmanager: port('alertmanager'),
      notifier: port('notifier'),
    },
    scrapeInterval,
    env,
  };
  if (problems.length > 0) throw new Error(`The settings are wrong:\n  ${problems.join('\n  ')}`);
  return settings;
}
