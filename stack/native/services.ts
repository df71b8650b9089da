/** The four processes of the native mode: how each is started and how one sees that it is healthy. */
import path from 'node:path';
import type { Rendered } from '../render.ts';
import type { ServiceName, StackSettings } from '../settings.ts';
import type { Tools } from './tools.ts';

export interface Service {
  name: ServiceName;
  command: string;
  args: string[];
  env: Record<string, string>;
  url: string;
  healthUrl: string;
}

export function nativeServices(settings: StackSettings, tools: Tools, files: Rendered): Service[] {
  const { ports, dataDir } = settings;
  const address = (name: ServiceName): string => `127.0.0.1:${ports[name]}`;
  const service = (name: ServiceName, health: string, rest: Pick<Service, 'command' | 'args'>) => ({
    name,
    url: `http://${address(name)}`,
    healthUrl: `http://${address(name)}${health}`,
    env: {},
    ...rest,
  });
  const urls = {
    PROMETHEUS_URL: `http://${address('prometheus')}`,
    ALERTMANAGER_URL: `http://${address('alertmanager')}`,
    NOTIFIER_URL: `http://${address('notifier')}`,
  };
  return [
    {
      ...service('notifier', '/healthz', ours('alerting/notifier/main.ts')),
      env: {
        ...urls,
        OTEL_SERVICE_NAME: 'llamascope-notifier',
        NOTIFIER_PORT: String(ports.notifier),
        NOTIFIER_DB: path.join(dataDir, 'notifier.db'),
      },
    },
    service('alertmanager', '/-/healthy', {
      command: tools.alertmanager,
      args: [
        `--config.file=${files.alertmanager}`,
        `--storage.path=${path.join(dataDir, 'alertmanager')}`,
        `--web.listen-address=${address('alertmanager')}`,
        // Alone it needs no cluster, and the default opens 0.0.0.0:9094.
        '--cluster.listen-address=',
        // After a SIGKILL the default of 15m repeats a notification or forgets a resolved one.
        '--data.maintenance-interval=2s',
      ],
    }),
    {
      ...service('chat', '/healthz', ours('src/main.ts')),
      env: { ...urls, OTEL_SERVICE_NAME: 'llamascope-chat', CHAT_PORT: String(ports.chat) },
    },
    service('prometheus', '/-/healthy', {
      command: tools.prometheus,
      args: [
        `--config.file=${files.prometheus}`,
        `--storage.tsdb.path=${path.join(dataDir, 'prometheus')}`,
        `--web.listen-address=${address('prometheus')}`,
        '--enable-feature=exemplar-storage',
      ],
    }),
  ];
}

/** A program of this repository, with its telemetry. */
function ours(entry: string): Pick<Service, 'command' | 'args'> {
  return { command: process.execPath, args: ['--import', './otel/register.ts', entry] };
}
