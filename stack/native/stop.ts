/** `make down` in native mode: an orderly end, and nothing of this run folder left running, whatever had happened to it. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { withLock } from '../lock.ts';
import { messages, say, StackError } from '../messages.ts';
import type { Settings } from '../settings.ts';
import {
  findOwnProcesses,
  isAlive,
  stopOwnProcesses,
  type OwnProcess,
} from './supervisor/processes.ts';
import { pidFiles, readState, removeState } from './supervisor/state.ts';

/** All children's graces, one after the other, and some. */
const supervisorSeconds = 75;
export const leftoverGraceMillis = 20_000;
const pollMillis = 100;
const progressMillis = 3000;

export async function takeDown(settings: Settings): Promise<number> {
  return withLock(join(settings.runDir, 'command.lock'), async () => {
    const running = readState(settings.runDir)?.supervisor;
    const nothing = running === undefined && findOwnProcesses(settings.runDir).length === 0;
    if (running !== undefined && isAlive(running)) say(messages.stopping(running.pid));
    await stopStack(settings);
    say(nothing ? messages.isDown() : messages.stopped());
    return 0;
  });
}

/** The caller holds the lock. */
export async function stopStack(
  { runDir }: Pick<Settings, 'runDir'>,
  limits = { leftoverGraceMillis },
): Promise<void> {
  const tell = tellProgress();
  const supervisor = readState(runDir)?.supervisor;
  if (supervisor !== undefined && isAlive(supervisor)) {
    kill(supervisor.pid, 'SIGTERM');
    const deadline = performance.now() + supervisorSeconds * 1000;
    while (isAlive(supervisor) && performance.now() < deadline) {
      tell(findOwnProcesses(runDir));
      await delay(pollMillis);
    }
    if (isAlive(supervisor)) kill(supervisor.pid, 'SIGKILL');
  }
  await stopOwnProcesses({ runDir, graceMillis: limits.leftoverGraceMillis, onWait: tell });
  for (const file of pidFiles(runDir)) rmSync(file, { force: true });
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

/** Names what still runs, every few seconds. */
export function tellProgress(): (left: OwnProcess[]) => void {
  const startedAt = performance.now();
  let toldAt = startedAt;
  return (left) => {
    const now = performance.now();
    if (now - toldAt < progressMillis) return;
    toldAt = now;
    const names = new Set(left.map(({ name }) => name).filter((name) => name !== 'supervisor'));
    say(messages.stillStopping([...names], Math.round((now - startedAt) / 1000)));
  };
}
