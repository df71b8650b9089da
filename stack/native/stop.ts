/** `make down` in native mode. Afterwards no process of the run folder is left. `make up` uses it after a failure. */
import { setTimeout as delay } from 'node:timers/promises';
import { messages } from '../messages.ts';
import type { Settings } from '../settings.ts';
import { createProgress, say, StackError } from '../terminal.ts';
import { readPlan, type ChildDefinition } from './supervisor/plan.ts';
import { findOwnProcesses, isAlive, isOurs, signal } from './supervisor/processes.ts';
import { readState, removeState } from './supervisor/state.ts';

/** For the supervisor itself. */
const marginMillis = 10_000;
/** Where the plan is lost. */
const unknownGraceMillis = 75_000;
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

/**
 * Stops the supervisor, which stops its children in order, and then every process that is left.
 * @throws StackError when the supervisor belongs to another user.
 */
export async function stopStack(
  { runDir }: Pick<Settings, 'runDir'>,
  limits = { leftoverGraceMillis },
): Promise<void> {
  const supervisor = readState(runDir)?.supervisor;
  if (supervisor !== undefined && isAlive(supervisor) && !isOurs(supervisor.pid)) {
    throw new StackError(messages.notOurs(supervisor.pid));
  }
  await endProcesses(runDir, ({ name }) => name === 'supervisor', readGraceMillis(runDir));
  await endProcesses(runDir, () => true, limits.leftoverGraceMillis);
  removeState(runDir);
}

function readGraceMillis(runDir: string): number {
  try {
    return graceMillisOf(readPlan(runDir).children);
  } catch {
    // The folder was deleted while the stack ran.
    return unknownGraceMillis;
  }
}

/** Of the supervisor: its children stop one after the other, and each may take all of its grace. */
export function graceMillisOf(children: readonly ChildDefinition[]): number {
  const seconds = children.reduce((sum, { graceSeconds }) => sum + graceSeconds, 0);
  return seconds * 1000 + marginMillis;
}

/** Sends SIGTERM to the group leaders among the matching processes, and SIGKILL to all of them after the grace. */
async function endProcesses(
  runDir: string,
  matches: (each: { name: string }) => boolean,
  graceMillis: number,
): Promise<void> {
  const progress = createProgress();
  const leaders = findOwnProcesses(runDir).filter((each) => matches(each) && each.leader);
  for (const { pid } of leaders) signal(pid, 'SIGTERM');
  const deadline = performance.now() + graceMillis;
  for (;;) {
    const own = findOwnProcesses(runDir);
    const left = own.filter(matches);
    if (left.length === 0) return;
    const names = new Set(own.map(({ name }) => name).filter((name) => name !== 'supervisor'));
    progress((seconds) => messages.stillRunning([...names], seconds));
    if (performance.now() > deadline) for (const { pid } of left) signal(pid, 'SIGKILL');
    await delay(pollMillis);
  }
}
