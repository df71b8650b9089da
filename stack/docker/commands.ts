/** `make up`, `down`, `status` and `logs` in docker mode, by Compose. `up.ts` runs one `up` or `down` at a time. */
import { mkdirSync } from 'node:fs';
import { formatLogLine } from '../log-lines.ts';
import { messages } from '../messages.ts';
import { fetchModel, identifyModel, readReadiness } from '../model.ts';
import { refuseTakenPorts } from '../ports.ts';
import {
  describeLife,
  describeReadiness,
  shortPath,
  showCauses,
  showRunning,
  showTable,
} from '../report.ts';
import type { Settings } from '../settings.ts';
import { print, say, StackError } from '../terminal.ts';
import {
  createCompose,
  readContainerLog,
  requireDocker,
  type Compose,
  type Container,
} from './compose.ts';
import { grafanaPassword, writeDockerFiles } from './files.ts';

/** Time until the containers must be healthy, counted from the end of builds and pulls. */
const healthySeconds = 180;
const everyProfile = ['--profile', 'minimal', '--profile', 'full'];
/** Of `alertmanager-1`, the longest name. */
const nameColumns = 14;
/** Enough of a log to see why a container is not healthy. */
const logLines = 20;

/** @throws StackError when a container does not become healthy; containers that were not running before are removed again. */
export async function startContainers(settings: Settings): Promise<number> {
  await requireDocker();
  const { root, modelsDir, profile, replicas } = settings;
  const compose = createCompose(settings);
  const running = await compose.containers();
  const isRunning = running.length > 0;
  if (!isRunning) await refuseTakenPorts(settings);
  const hasEngine = settings.backendUrl === undefined;
  if (hasEngine) await fetchModel(root);
  mkdirSync(modelsDir, { recursive: true });
  const password = grafanaPassword(settings);
  const env = {
    ...writeDockerFiles(settings, process.env, {
      model: hasEngine ? await identifyModel(root) : '',
    }),
    CHAT_CPUS: process.env['CHAT_CPUS'] || (await shareOfCores(compose, replicas)),
  };
  say(messages.startingContainers());
  const wait = ['--wait', '--wait-timeout', String(healthySeconds)];
  const up = ['up', '--detach', '--remove-orphans', ...wait, '--scale', `chat=${replicas}`];
  // Two services share the image; `up --build` would build it twice.
  let code = await compose.run([...everyProfile, 'build', 'chat'], env);
  if (code === 0) {
    await compose.remove(surplusReplicas(settings, running));
    code = await compose.run(['--profile', profile, ...up], env);
  }
  if (code !== 0) {
    await showFailedContainers(compose);
    if (!isRunning && (await removeAll(compose)) === 0) say(messages.stoppedAgain());
    throw new StackError(messages.containersFailed());
  }
  const exitCode = await showContainers(settings, compose);
  if (profile === 'full' && password.created) {
    say(messages.grafanaPassword(password.value, shortPath(root, password.file)));
  }
  return exitCode;
}

/** The running replicas with numbers above REPLICAS. Compose could keep any of them, but Prometheus scrapes the numbers 1 to REPLICAS. */
function surplusReplicas({ instances }: Settings, running: Container[]): Container[] {
  const names = new Set(instances.map(({ name }) => name));
  return running.filter(({ name }) => name.startsWith('chat') && !names.has(name));
}

/** Threads of replicas that share a core wait for each other; a single one may use all, which 0 means. */
async function shareOfCores(compose: Compose, replicas: number): Promise<string> {
  return replicas === 1 ? '0' : ((await compose.countCores()) / replicas).toFixed(2);
}

/** Removes the containers but keeps the volumes with metrics and notifications. */
export async function removeContainers(settings: Settings): Promise<number> {
  await requireDocker();
  const compose = createCompose(settings);
  const isDown = (await compose.containers()).length === 0;
  const code = await removeAll(compose);
  if (code === 0) say(isDown ? messages.isDown() : messages.stopped());
  return code;
}

export async function showContainerStatus(settings: Settings): Promise<number> {
  await requireDocker();
  const containers = await createCompose(settings).containers();
  const chats = containers.filter(({ name, url }) => name.startsWith('chat') && url);
  const answers = chats.map(
    async ({ name, url = '' }) => [name, await readReadiness(url)] as const,
  );
  const readiness = new Map(await Promise.all(answers));
  const rows = containers.map(({ name, id, state: health, ...life }) => {
    const { state, queue, threads, engineRestarts } = describeReadiness(
      health,
      readiness.get(name),
    );
    const { upFor, restarts, lastExit } = describeLife(life);
    return {
      service: name,
      state,
      container: id.slice(0, 12),
      upFor,
      queue,
      restarts,
      engineRestarts,
      threads,
      lastExit,
    };
  });
  if (rows.length > 0) showTable(rows);
  else say(messages.isDown());
  showCauses(readiness);
  return 0;
}

/** Follows the logs until Ctrl-C. @param name One container; else all. */
export async function followContainerLogs(settings: Settings, name?: string): Promise<number> {
  await requireDocker();
  const compose = createCompose(settings);
  const known = (await compose.containers()).map((container) => container.name);
  if (known.length === 0) throw new StackError(messages.isDown());
  if (name !== undefined && !known.includes(name)) {
    throw new StackError(messages.unknownLog(name, known));
  }
  const [, service, number] = /^(.+?)(?:-(\d+))?$/.exec(name ?? '') ?? [];
  const one = service === undefined ? [] : [`--index=${number ?? 1}`, service];
  const logs = [...everyProfile, 'logs', '--follow', '--tail', String(logLines)];
  if (process.stdout.isTTY) {
    await compose.follow([...logs, '--no-color', ...one], (line) => {
      // Compose writes `chat-1  | text`.
      const [, container = '', text = line] = /^(\S+) *\| (.*)$/.exec(line) ?? [];
      const columns = process.stdout.columns || 100;
      print(formatLogLine(container, text, { columns, nameColumns }));
    });
  } else {
    await compose.run([...logs, ...one]);
  }
  return 0;
}

function removeAll(compose: Compose): Promise<number> {
  return compose.run([...everyProfile, 'down', '--remove-orphans']);
}

async function showFailedContainers(compose: Compose): Promise<void> {
  for (const container of await compose.containers()) {
    if (container.state === 'healthy' || container.state === 'created') continue;
    const log = await readContainerLog(container, logLines);
    say(messages.containerFailed({ name: container.name, state: container.state, log }));
  }
}

/** URLs come from the containers, because Docker assigns the ports of a range in any order. */
async function showContainers({ instances }: Settings, compose: Compose): Promise<number> {
  const containers = await compose.containers();
  const running = instances.flatMap(({ name }) => containers.filter((each) => each.name === name));
  const urls = Object.fromEntries(running.map(({ name, url = '' }) => [name, url]));
  return showRunning(urls, () =>
    running.map(({ name, url = '', id }) => ({ service: name, url, container: id.slice(0, 12) })),
  );
}
