/**
 * `make up`, `down`, `status` and `logs`: picks how the stack runs and hands the work over. Run as
 * `node stack/up.ts up|down|status|logs [NAME]`.
 */
import { messages, runCommand, StackError } from './messages.ts';
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

const native: Mode = { up: startStack, down: takeDown, status: showStatus, logs: followLogs };

function modeOf({ mode }: Settings): Mode {
  // Containers get their own Mode here.
  if (mode === 'docker') throw new StackError(messages.dockerNotYet());
  if (process.platform !== 'linux') throw new StackError(messages.needsLinux(process.platform));
  return native;
}

await runCommand(async () => {
  const [command = 'up', name] = process.argv.slice(2);
  const settings = readSettings(process.env);
  const mode = modeOf(settings);
  switch (command) {
    case 'up':
    case 'down':
    case 'status':
      return mode[command](settings);
    case 'logs':
      return mode.logs(settings, name || undefined);
    default:
      throw new StackError(messages.unknownCommand(Object.keys(native), command));
  }
});
