/** `make down` in native mode: an orderly stop, after which no process of the run folder is left. `make up` uses it on failure. */
import { setTimeout as delay } from 'node:timers/promises';
import { messages } from '../messages.ts';
import type { Settings } from '../settings.ts';
import { createProgress, say, StackError } from '../terminal.ts';
import {
  findOwnProcesses,
  isAlive,
  stopOwnProcesses,
  type OwnProcess,
} from './supervisor/processes.ts';
import { readState, removeState } from './supervisor/state.ts';

/** The graces of all children, which stop one after the other, and a margin. */
const supervisorSeconds = 75;
const leftoverGraceMillis = 20_000;
const pollMillis = 100;

export async function takeDown(settings: Settings): Promise<number> {
  const supervisor = readState(settings.runDir)?.supervisor;
  const isDown = supervisor === undefined && findOwnProcesses(settings.runDir).length === 0;
  if (supervisor !== undefined && isAlive(supervisor)) say(messages.stopping(supervisor.pid));
  await stopStack(settings);
  say(isDown ? messages.isDown() : messages.stopped());
  return 0;
}

/** Stops the supervisor, which stops its children, and then every process that is left. */
export async function stopStack(
  { runDir }: Pick<Settings, 'runDir'>,
  limits = { leftoverGraceMillis },
): Promise<void> {
  const onWait = showStillRunning();
  const supervisor = readState(runDir)?.supervisor;
  if (supervisor !== undefined && isAlive(supervisor)) {
    kill(supervisor.pid, 'SIGTERM');
    const deadline = performance.now() + supervisorSeconds * 1000;
    while (isAlive(supervisor) && performance.now() < deadline) {
      onWait(findOwnProcesses(runDir));
      await delay(pollMillis);
    }
    if (isAlive(supervisor)) kill(supervisor.pid, 'SIGKILL');
  }
  await stopOwnProcesses({ runDir, graceMillis: limits.leftoverGraceMillis, onWait });
  removeState(runDir);
}

/** Stops what a killed supervisor left behind. */
export async function stopLeftovers({ runDir }: Pick<Settings, 'runDir'>): Promise<void> {
  const names = new Set(findOwnProcesses(runDir).map(({ name }) => name));
  if (names.size > 0) say(messages.stoppingLeftovers([...names]));
  const onWait = showStillRunning();
  await stopOwnProcesses({ runDir, graceMillis: leftoverGraceMillis, onWait });
  removeState(runDir);
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EPERM') throw new StackError(messages.notOurs(pid), { cause: error });
    if (code !== 'ESRCH') throw error;
  }
}

function showStillRunning(): (left: OwnProcess[]) => void {
  const progress = createProgress();
  return (left) => {
    const names = new Set(left.map(({ name }) => name).filter((name) => name !== 'supervisor'));
    progress((seconds) => messages.stillRunning([...names], seconds));
  };
}
