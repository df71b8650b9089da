/** `make up`, `down`, `status` and `logs` in docker mode: what native mode does, by Compose. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { withLock } from '../lock.ts';
import { messages, say, StackError } from '../messages.ts';
import { bringModel, waitForModels } from '../model.ts';
import { refuseTakenPorts } from '../ports.ts';
import { age, showModel, shown, showNextSteps, showTable } from '../report.ts';
import type { Settings } from '../settings.ts';
import { createCompose, readContainerLog, requireDocker, type Compose } from './compose.ts';
import { grafanaPassword, writeDockerFiles } from './files.ts';

/** Counted from the last image on: building and pulling come before. */
const healthySeconds = 180;
const everyProfile = ['--profile', 'minimal', '--profile', 'full'];
/** How much of a log a person needs to see why a container is not well. */
const logLines = 20;

/** @throws StackError with the sentence for the person at the terminal. What it started is then stopped again. */
export async function startContainers(settings: Settings): Promise<number> {
  await requireDocker();
  const { root, runDir, modelsDir, profile, replicas } = settings;
  return withLock(join(runDir, 'command.lock'), async () => {
    const compose = createCompose(settings);
    const adopts = (await compose.containers()).length > 0;
    if (!adopts) await refuseTakenPorts(settings);
    await bringModel(root);
    mkdirSync(modelsDir, { recursive: true });
    const password = grafanaPassword(settings);
    const configuration = writeDockerFiles(settings, process.env);
    say(messages.startingContainers());
    const wait = ['--wait', '--wait-timeout', String(healthySeconds)];
    const scale = ['--scale', `chat=${replicas}`];
    const up = ['up', '--detach', '--remove-orphans', ...wait, ...scale];
    const cores = await compose.countCores();
    const env = {
      ...configuration,
      CHAT_CPUS: process.env['CHAT_CPUS'] || (cores / replicas).toFixed(2),
    };
    // One image for two services: `up --build` would make it twice.
    const built = await compose.run([...everyProfile, 'build', 'chat'], env);
    const code = built === 0 ? await compose.run(['--profile', profile, ...up], env) : built;
    if (code !== 0) {
      await tellFailed(compose);
      if (!adopts && (await removeAll(compose)) === 0) say(messages.stoppedAgain());
      throw new StackError(messages.containersFailed());
    }
    const exitCode = await showContainers(settings, compose);
    if (profile === 'full' && password.created) {
      say(messages.grafanaPassword(password.value, shown(root, password.file)));
    }
    return exitCode;
  });
}

/** The volumes stay: what was measured and told outlives the containers. */
export async function removeContainers(settings: Settings): Promise<number> {
  await requireDocker();
  return withLock(join(settings.runDir, 'command.lock'), async () => {
    const compose = createCompose(settings);
    const nothing = (await compose.containers()).length === 0;
    const code = await removeAll(compose);
    if (code === 0) say(nothing ? messages.isDown() : messages.stopped());
    return code;
  });
}

export async function showContainerStatus(settings: Settings): Promise<number> {
  await requireDocker();
  const containers = await createCompose(settings).containers();
  if (containers.length === 0) {
    say(messages.isDown());
    return 0;
  }
  showTable(
    containers.map(({ name, id, state, since, restarts, lastExit }) => ({
      service: name,
      state,
      container: id.slice(0, 12),
      'up for': since === undefined ? '-' : age(since),
      restarts: String(restarts),
      'last exit':
        lastExit === undefined
          ? '-'
          : [lastExit.how, `${age(lastExit.at)} ago`].filter(Boolean).join(', '),
    })),
  );
  return 0;
}

/** Follows the logs until it is interrupted; `name` picks one. */
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
  await compose.run([...everyProfile, 'logs', '--follow', '--tail', String(logLines), ...one]);
  return 0;
}

function removeAll(compose: Compose): Promise<number> {
  return compose.run([...everyProfile, 'down', '--remove-orphans']);
}

async function tellFailed(compose: Compose): Promise<void> {
  for (const container of await compose.containers()) {
    if (container.state === 'healthy' || container.state === 'created') continue;
    const log = await readContainerLog(container, logLines);
    say(messages.containerFailed({ name: container.name, state: container.state, log }));
  }
}

/** What runs is what counts: Docker deals a range of ports out as it likes. */
async function showContainers({ instances }: Settings, compose: Compose): Promise<number> {
  const containers = await compose.containers();
  const running = instances.flatMap(({ name }) => containers.filter((each) => each.name === name));
  const urls = Object.fromEntries(running.map(({ name, url = '' }) => [name, url]));
  const chats = instances.filter(({ service }) => service === 'chat');
  const model = await waitForModels(chats.map(({ name }) => urls[name] ?? ''));
  showTable(
    running.map(({ name, url = '', id }) => ({ service: name, url, container: id.slice(0, 12) })),
  );
  showModel(model);
  await showNextSteps(urls);
  return model === undefined ? 1 : 0;
}
