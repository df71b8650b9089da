/**
 * `make up`, `down`, `status` and `logs`: picks how the stack runs and hands the work over. Run as
 * `node stack/up.ts up|down|status|logs [NAME]`.
 */
import {
  followContainerLogs,
  removeContainers,
  showContainerStatus,
  startContainers,
} from './docker/commands.ts';
import { missingDocker } from './docker/compose.ts';
import { messages, runCommand, StackError } from './messages.ts';
import { findOwnProcesses } from './native/supervisor/processes.ts';
import { startStack } from './native/start.ts';
import { takeDown } from './native/stop.ts';
import { followLogs, showStatus } from './native/watch.ts';
import { readSettings, type Settings } from './settings.ts';

/** What each way to run the stack does for each command; an answer is the exit code. */
interface Mode {
  up: (settings: Settings) => Promise<number>;
  down: (settings: Settings) => Promise<number>;
  status: (settings: Settings) => Promise<number>;
  logs: (settings: Settings, name?: string) => Promise<number>;
}

const modes: Record<'native' | 'docker', Mode> = {
  native: { up: startStack, down: takeDown, status: showStatus, logs: followLogs },
  docker: {
    up: startContainers,
    down: removeContainers,
    status: showContainerStatus,
    logs: followContainerLogs,
  },
};

/** What MODE says; else where it runs already; else containers where an engine answers. */
async function pickMode({ mode, runDir }: Settings): Promise<'native' | 'docker'> {
  if (mode !== undefined) return mode;
  const isLinux = process.platform === 'linux';
  if (isLinux && findOwnProcesses(runDir).length > 0) return 'native';
  return (await missingDocker()) === undefined ? 'docker' : 'native';
}

await runCommand(async () => {
  const [command = 'up', name] = process.argv.slice(2);
  const picked = await pickMode(readSettings(process.env));
  if (picked === 'native' && process.platform !== 'linux') {
    throw new StackError(messages.needsLinux(process.platform));
  }
  const settings = readSettings({ ...process.env, MODE: picked });
  const mode = modes[picked];
  switch (command) {
    case 'up':
    case 'down':
    case 'status':
      return mode[command](settings);
    case 'logs':
      return mode.logs(settings, name || undefined);
    default:
      throw new StackError(messages.unknownCommand(Object.keys(mode), command));
  }
});
