/** Asks Docker, and runs Compose on `stack/compose.yaml`. Used by the commands of docker mode, and to choose the mode. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { messages } from '../messages.ts';
import { runProgram } from '../program.ts';
import { addressOf, maxReplicas, type Settings } from '../settings.ts';
import { localize, StackError } from '../terminal.ts';

const timeoutMillis = 2000;
/** Earlier versions have no optional `env_file`. */
const oldestCompose = [2, 24] as const;

export interface Compose {
  /** Runs `docker compose` with its output on the terminal; returns the exit code. */
  run(args: string[], env?: Record<string, string>): Promise<number>;
  /** Runs `docker compose` and calls `onLine` for each line of its output. */
  follow(args: string[], onLine: (line: string) => void): Promise<void>;
  /** All containers of the project, including exited containers, sorted by name. */
  containers(): Promise<Container[]>;
  /** Stops containers with their grace period, and removes them. */
  remove(containers: readonly Container[]): Promise<void>;
  /** The number of cores that the Docker engine has; on macOS and Windows, its virtual machine may have fewer than the machine. */
  countCores(): Promise<number>;
}

export interface Container {
  id: string;
  /** `chat`; its second replica is `chat-2`. */
  name: string;
  /** The published address; undefined while the container does not run. */
  url: string | undefined;
  /** `healthy`, `unhealthy` or `starting` while it runs; else Docker's status, such as `exited`. */
  state: string;
  /** ISO 8601; undefined while the container does not run. */
  since: string | undefined;
  restarts: number;
  /** The last end of the container. `how` is undefined while it runs, because Docker then keeps only the time. */
  lastExit: { at: string; how: string | undefined } | undefined;
}

/** Why docker mode is not possible; undefined when an engine and Compose answer within 2 seconds. */
export async function missingDocker(): Promise<string | undefined> {
  const [engine, compose] = await Promise.all([
    runProgram('docker', ['version', '--format', '{{.Server.Version}}'], { timeoutMillis }),
    runProgram('docker', ['compose', 'version', '--short'], { timeoutMillis }),
  ]);
  if (engine.code !== 0) return engine.text.trim();
  if (compose.code !== 0) return compose.text.trim();
  const [major = 0, minor = 0] = compose.text.replace(/^\D+/, '').split('.').map(Number);
  const [oldestMajor, oldestMinor] = oldestCompose;
  const isNew = major > oldestMajor || (major === oldestMajor && minor >= oldestMinor);
  return isNew ? undefined : `Compose ${compose.text.trim()}`;
}

/** @throws StackError with what is missing. */
export async function requireDocker(): Promise<void> {
  const missing = await missingDocker();
  if (missing !== undefined) throw new StackError(messages.noDocker(missing));
}

export function createCompose(settings: Settings): Compose {
  const file = join(settings.root, 'stack/compose.yaml');
  return {
    async run(args, env = {}) {
      const shared = { ...composeEnvironment(settings), ...env };
      const child = spawn('docker', ['compose', '--file', file, ...args], {
        cwd: settings.root,
        env: shared,
        stdio: 'inherit',
      });
      // Ctrl-C reaches Compose too. This process waits for it, so that the shell's prompt follows Compose's output.
      process.once('SIGINT', () => undefined);
      const [code] = (await once(child, 'exit')) as [number | null];
      return code ?? 1;
    },
    async follow(args, onLine) {
      const child = spawn('docker', ['compose', '--file', file, ...args], {
        cwd: settings.root,
        env: composeEnvironment(settings),
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      process.once('SIGINT', () => undefined);
      for await (const line of createInterface({ input: child.stdout })) onLine(line);
    },
    async containers() {
      const label = `label=com.docker.compose.project=${settings.project}`;
      const listed = await demand(['ps', '--all', '--quiet', '--filter', label]);
      const ids = listed.split('\n').filter((id) => id !== '');
      if (ids.length === 0) return [];
      const found = JSON.parse(await demand(['inspect', ...ids])) as Inspected[];
      return found.map(toContainer).toSorted((a, b) => a.name.localeCompare(b.name));
    },
    async remove(containers) {
      const ids = containers.map(({ id }) => id);
      if (ids.length === 0) return;
      await demand(['stop', ...ids]);
      await demand(['rm', ...ids]);
    },
    countCores: async () => Number(await demand(['info', '--format', '{{.NCPU}}'])),
  };
}

/** The last lines of a container's log. */
export async function readContainerLog({ id }: Container, lines: number): Promise<string> {
  return (await runProgram('docker', ['logs', '--tail', String(lines), id])).text.trimEnd();
}

function composeEnvironment(settings: Settings): NodeJS.ProcessEnv {
  const { addresses, replicas, modelsDir } = settings;
  const first = addresses.chat.port;
  const last = first + replicas - 1;
  return {
    ...process.env,
    COMPOSE_PROJECT_NAME: settings.project,
    LLAMASCOPE_RUN_DIR: settings.runDir,
    CHAT_MODELS_DIR: modelsDir,
    CHAT_CONTAINERS: containerNames(settings).join(','),
    CHAT_PORTS: first === last ? String(first) : `${first}-${last}`,
    DASHBOARD_LOCALE: process.env['DASHBOARD_LOCALE'] || localize({ en: 'en', zh: 'zh-CN' }),
  };
}

/** The names under which other containers reach the chat services. Of all that there may be, so that scaling changes no container. */
function containerNames({ project }: Settings): string[] {
  return ['chat', ...Array.from({ length: maxReplicas }, (_, at) => `${project}-chat-${at + 1}`)];
}

/** The fields of `docker inspect` that are used here. */
interface Inspected {
  Id: string;
  RestartCount: number;
  Config: { Labels: Record<string, string> };
  NetworkSettings: { Ports: Record<string, { HostIp: string; HostPort: string }[] | null> };
  State: {
    Status: string;
    StartedAt: string;
    FinishedAt: string;
    ExitCode: number;
    OOMKilled: boolean;
    Health?: { Status: string };
  };
}

function toContainer({ Id, RestartCount, Config, NetworkSettings, State }: Inspected): Container {
  const service = Config.Labels['com.docker.compose.service'] ?? '';
  const number = Config.Labels['com.docker.compose.container-number'] ?? '1';
  const published = Object.values(NetworkSettings.Ports).find((port) => port !== null)?.[0];
  const isRunning = State.Status === 'running';
  const how = State.OOMKilled ? 'out of memory' : `code ${State.ExitCode}`;
  // Docker reports "never" as the year 1.
  const hasEnded = !State.FinishedAt.startsWith('0001');
  return {
    id: Id,
    name: number === '1' ? service : `${service}-${number}`,
    url: published && addressOf(published.HostIp, Number(published.HostPort)).url,
    state: isRunning ? (State.Health?.Status ?? 'running') : State.Status,
    since: isRunning ? State.StartedAt : undefined,
    restarts: RestartCount,
    lastExit: hasEnded ? { at: State.FinishedAt, how: isRunning ? undefined : how } : undefined,
  };
}

async function demand(args: string[]): Promise<string> {
  const { code, text } = await runProgram('docker', args);
  if (code !== 0) throw new StackError(messages.noDocker(text.trim()));
  return text.trim();
}
