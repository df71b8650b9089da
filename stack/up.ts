/**
 * `make up`, `down`, `status` and `logs`: chooses native or docker mode and runs the command in it.
 * Run as `node stack/up.ts up|down|status|logs [NAME]`.
 */
import { join } from 'node:path';
import { findProblems } from './check-settings.ts';
import { withFileLock } from '../src/kit/file-lock.ts';
import * as docker from './docker/commands.ts';
import { missingDocker } from './docker/compose.ts';
import { messages } from './messages.ts';
import { showStatus, followLogs } from './native/status.ts';
import { startStack } from './native/start.ts';
import { takeDown } from './native/stop.ts';
import { findOwnProcesses } from './native/supervisor/processes.ts';
import { isLoopbackUrl, readSettings, type Settings } from './settings.ts';
import { runCommand, sayWaiting, StackError } from './terminal.ts';

/** The commands of one mode; each returns the exit code. */
interface Mode {
  up: (settings: Settings) => Promise<number>;
  down: (settings: Settings) => Promise<number>;
  status: (settings: Settings) => Promise<number>;
  logs: (settings: Settings, name?: string) => Promise<number>;
}

const modes: Record<'native' | 'docker', Mode> = {
  native: { up: startStack, down: takeDown, status: showStatus, logs: followLogs },
  docker: {
    up: docker.startContainers,
    down: docker.removeContainers,
    status: docker.showContainerStatus,
    logs: docker.followContainerLogs,
  },
};

/**
 * The mode in MODE; else the mode of the running stack; else docker if a Docker engine answers, unless a container could not reach
 * BACKEND_URL.
 */
async function chooseMode({ mode, runDir, backendUrl }: Settings): Promise<'native' | 'docker'> {
  if (mode !== undefined) return mode;
  const isLinux = process.platform === 'linux';
  if (isLinux && isLoopbackUrl(backendUrl)) return 'native';
  if (isLinux && findOwnProcesses(runDir).length > 0) return 'native';
  return (await missingDocker()) === undefined ? 'docker' : 'native';
}

await runCommand(async () => {
  const [command = 'up', name] = process.argv.slice(2);
  const root = join(import.meta.dirname, '..');
  const problems = command === 'up' ? await findProblems(root, process.env) : [];
  const chosen = await chooseMode(readSettings(process.env, problems));
  if (chosen === 'native' && process.platform !== 'linux') {
    throw new StackError(messages.needsLinux(process.platform));
  }
  const settings = readSettings({ ...process.env, MODE: chosen });
  const mode = modes[chosen];
  switch (command) {
    case 'up':
    case 'down': {
      const file = join(settings.runDir, 'command.lock');
      return withFileLock({ file, onWait: sayWaiting }, () => mode[command](settings));
    }
    case 'status':
      return mode.status(settings);
    case 'logs':
      return mode.logs(settings, name || undefined);
    default:
      throw new StackError(messages.unknownCommand(Object.keys(mode), command));
  }
});
