/** The processes of the stack in native mode: command, environment and health check of each. Used by `make up`. */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Configuration } from '../configuration.ts';
import { localize } from '../terminal.ts';
import { digest, digestSettings } from './inputs.ts';
import type { ServiceName, Settings } from '../settings.ts';
import type { ChildDefinition } from './supervisor/plan.ts';
import type { Tools } from './tools/tools.ts';

/** What shapes the processes beside their commands. With a change `make up` restarts a process. */
export interface Inputs {
  /** Path, size and time of the model file. */
  model: string;
  /** The text of Prometheus' configuration without its targets, which it reloads itself. */
  prometheus: string;
  alertmanager: string;
  /** The text of nginx' configuration, with NGINX_PORT. */
  nginx?: string;
  channelVariables: ReadonlySet<string>;
}

/**
 * Returns the processes in start order: each starts after the processes that it connects to.
 */
export function describeChildren(
  settings: Settings,
  tools: Pick<Tools, 'prometheus' | 'alertmanager'> & { nginx?: string | undefined },
  configuration: Configuration,
  inputs: Inputs,
): ChildDefinition[] {
  const { addresses, dataDir } = settings;
  const listenAddress = (name: ServiceName): string =>
    `${addresses[name].host}:${addresses[name].port}`;
  const healthUrl = (name: ServiceName, path: string): string => addresses[name].url + path;
  // The language of the terminal, because a background process may have been started from another one.
  const language = { LLAMASCOPE_LANG: localize({ en: 'en', zh: 'zh' }) };
  const urls = {
    PROMETHEUS_URL: addresses.prometheus.url,
    ALERTMANAGER_URL: addresses.alertmanager.url,
    NOTIFIER_URL: addresses.notifier.url,
  };
  const notifierDatabase = process.env['NOTIFIER_DB'] || join(dataDir, 'notifier.db');
  const traces = process.env['TRACES_DB'] || join(dataDir, 'traces.db');

  return [
    {
      name: 'notifier',
      command: nodeProgram('alerting/notifier/main.ts'),
      env: {
        ...urls,
        ...language,
        OTEL_SERVICE_NAME: 'llamascope-notifier',
        NOTIFIER_DB: notifierDatabase,
        // The file of the chat service.
        TRACES_DB: '',
      },
      healthUrl: healthUrl('notifier', '/healthz'),
      graceSeconds: 10,
      inputs: digestSettings(
        process.env,
        (name) => notifierSettings.test(name) || inputs.channelVariables.has(name),
      ),
    },
    {
      name: 'alertmanager',
      command: [
        tools.alertmanager,
        `--config.file=${configuration.alertmanagerFile}`,
        `--storage.path=${dataFolder(dataDir, 'alertmanager')}`,
        `--web.listen-address=${listenAddress('alertmanager')}`,
        `--web.external-url=${addresses.alertmanager.url}`,
        // A single Alertmanager needs no cluster, and would listen on 0.0.0.0:9094 by default.
        '--cluster.listen-address=',
        ...maintenance(tools.alertmanager),
      ],
      env: {},
      healthUrl: healthUrl('alertmanager', '/-/healthy'),
      graceSeconds: 10,
      inputs: { configuration: digest(inputs.alertmanager) },
    },
    {
      name: 'prometheus',
      command: [
        tools.prometheus,
        `--config.file=${configuration.prometheusFile}`,
        `--storage.tsdb.path=${dataFolder(dataDir, 'prometheus')}`,
        // 31 days, because the error budget covers 30 days.
        '--storage.tsdb.retention.time=31d',
        `--web.listen-address=${listenAddress('prometheus')}`,
        `--web.external-url=${addresses.prometheus.url}`,
        '--enable-feature=exemplar-storage',
      ],
      env: {},
      healthUrl: healthUrl('prometheus', '/-/healthy'),
      graceSeconds: 15,
      inputs: { configuration: digest(inputs.prometheus) },
    },
    ...settings.instances
      .filter(({ service }) => service === 'chat')
      .map(({ name, address }) => ({
        name,
        command: nodeProgram('src/main.ts'),
        env: {
          ...urls,
          ...shareOfThreads(settings.replicas),
          OTEL_SERVICE_NAME: 'llamascope-chat',
          CHAT_PORT: String(address.port),
          // Replicas share the file, so each of them finds every trace.
          TRACES_DB: traces,
        },
        healthUrl: `${address.url}/healthz`,
        // Longer than CHAT_GRACE_SECONDS, which running answers have.
        graceSeconds: Number(process.env['CHAT_GRACE_SECONDS'] || 15) + 5,
        inputs: {
          ...digestSettings(process.env, (variable) => chatSettings.test(variable)),
          model: digest(inputs.model),
        },
      })),
    ...describeNginx(settings, tools.nginx, configuration.nginxFile, inputs.nginx),
  ];
}

function describeNginx(
  { nginx, dataDir }: Settings,
  program: string | undefined,
  file: string | undefined,
  text: string | undefined,
): ChildDefinition[] {
  if (nginx === undefined || program === undefined || file === undefined) return [];
  return [
    {
      name: 'nginx',
      // Bodies that it keeps in files, and its pid, are below the prefix.
      command: [program, '-p', dataFolder(dataDir, 'nginx'), '-e', 'stderr', '-c', file],
      env: {},
      healthUrl: `${nginx.url}/nginx-health`,
      graceSeconds: 5,
      inputs: { configuration: digest(text ?? '') },
    },
  ];
}

/** The variables that each program reads, in addition to those of the notifier's channels. */
const chatSettings =
  /^(BACKEND|CHAT|JAEGER|GRAFANA|METRICS|OTEL|LOG)_(?!PORT$)|_PUBLIC_URL$|^NOTIFIER_TOKEN(_FILE)?$/;
const notifierSettings = /^(NOTIFIER|METRICS|OTEL|LOG)_|^TZ$/;

/** Divides the cores among replicas. With the default (all cores) each, their threads would wait for one another. */
function shareOfThreads(replicas: number): Record<string, string> {
  if (replicas === 1 || process.env['CHAT_THREADS']) return {};
  return { CHAT_THREADS: String(Math.max(1, Math.floor(availableParallelism() / replicas))) };
}

/** The command that runs a program of this repository with telemetry. */
function nodeProgram(entry: string): string[] {
  return [process.execPath, '--import', './otel/register.ts', entry];
}

function dataFolder(dataDir: string, name: string): string {
  const folder = join(dataDir, name);
  mkdirSync(folder, { recursive: true });
  return folder;
}

/**
 * Saves Alertmanager's state every 2 s. With the default of 15 min, a SIGKILL repeats notifications or loses resolved
 * notifications. Older releases do not have the option.
 */
function maintenance(alertmanager: string): string[] {
  const help = execFileSync(alertmanager, ['--help'], { stdio: 'pipe' }).toString();
  return help.includes('--data.maintenance-interval') ? ['--data.maintenance-interval=2s'] : [];
}
