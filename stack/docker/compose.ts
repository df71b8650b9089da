/** Asks Docker and runs Compose on `stack/compose.yaml`. Used by the commands of docker mode, and to pick the mode. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { languageOf, messages, StackError } from '../messages.ts';
import { addressOf, type Settings } from '../settings.ts';

const answerMillis = 2000;
/** Older ones know no optional `env_file`. */
const oldestCompose = [2, 24] as const;

export interface Compose {
  /** Its words go to the terminal; the exit code. */
  run(args: string[], env?: Record<string, string>): Promise<number>;
  /** Every container of the project, also those that have ended, by service and number. */
  containers(): Promise<Container[]>;
  /** That the engine may use: a virtual machine's own, on macOS and Windows. */
  countCores(): Promise<number>;
}

export interface Container {
  id: string;
  /** `chat`, and `chat-2` for the second of its replicas. */
  name: string;
  /** Where it is published; undefined while it does not run. */
  url: string | undefined;
  /** `healthy`, `unhealthy` and `starting` while it runs; else Docker's word: `exited`, `restarting`. */
  state: string;
  /** When it was started last, as ISO 8601; undefined while it does not run. */
  since: string | undefined;
  restarts: number;
  /** Docker forgets how, once it runs again. */
  lastExit: { at: string; how: string | undefined } | undefined;
}

/** Why docker mode cannot be; undefined when an engine and Compose answer in time. */
export async function missingDocker(): Promise<string | undefined> {
  const signal = AbortSignal.timeout(answerMillis);
  const [engine, compose] = await Promise.all([
    capture('docker', ['version', '--format', '{{.Server.Version}}'], { signal }),
    capture('docker', ['compose', 'version', '--short'], { signal }),
  ]);
  if (engine.code !== 0) return engine.text.trim();
  if (compose.code !== 0) return compose.text.trim();
  const [major = 0, minor = 0] = compose.text.replace(/^\D+/, '').split('.').map(Number);
  const [oldestMajor, oldestMinor] = oldestCompose;
  const isNew = major > oldestMajor || (major === oldestMajor && minor >= oldestMinor);
  return isNew ? undefined : `Compose ${compose.text.trim()}`;
}

/** @throws StackError that says what is missing and what to do instead. */
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
      // Ctrl-C reaches both; ours must outlast it, or the shell's prompt comes between its last lines.
      process.once('SIGINT', () => undefined);
      const [code] = (await once(child, 'exit')) as [number | null];
      return code ?? 1;
    },
    async containers() {
      const label = `label=com.docker.compose.project=${settings.project}`;
      const listed = await demand(['ps', '--all', '--quiet', '--filter', label]);
      const ids = listed.split('\n').filter((id) => id !== '');
      if (ids.length === 0) return [];
      const found = JSON.parse(await demand(['inspect', ...ids])) as Inspected[];
      return found.map(toContainer).toSorted((a, b) => a.name.localeCompare(b.name));
    },
    countCores: async () => Number(await demand(['info', '--format', '{{.NCPU}}'])),
  };
}

/** The last words of a container. */
export async function readContainerLog({ id }: Container, lines: number): Promise<string> {
  return (await capture('docker', ['logs', '--tail', String(lines), id])).text.trimEnd();
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
    CHAT_PORTS: first === last ? String(first) : `${first}-${last}`,
    DASHBOARD_LOCALE:
      process.env['DASHBOARD_LOCALE'] || (languageOf(process.env) === 'zh' ? 'zh-CN' : 'en'),
  };
}

/** The part of `docker inspect` that is read here. */
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
  // Docker's word for never is the year 1.
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
  const { code, text } = await capture('docker', args);
  if (code !== 0) throw new StackError(messages.noDocker(text.trim()));
  return text.trim();
}

/** Both streams together; a program that is not there or takes too long is one that fails. */
function capture(
  program: string,
  args: string[],
  options: { signal?: AbortSignal } = {},
): Promise<{ code: number; text: string }> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (part: string) => (text += part));
    }
    child.once('error', (error) => {
      const late = `no answer within ${answerMillis / 1000} s`;
      resolve({ code: 1, text: error.name === 'AbortError' ? late : error.message });
    });
    child.once('close', (code) => resolve({ code: code ?? 1, text }));
  });
}
