/** `make status` and `make logs` in native mode: what runs, for how long, how often it died, and what it says. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { messages, say, StackError } from '../messages.ts';
import { age, shown, showTable } from '../report.ts';
import type { Settings } from '../settings.ts';
import { logFile } from './supervisor/log-file.ts';
import { planFile, readPlan } from './supervisor/plan.ts';
import { findOwnProcesses, isAlive } from './supervisor/processes.ts';
import { readState } from './supervisor/state.ts';

export async function showStatus({ runDir }: Settings): Promise<number> {
  const state = readState(runDir);
  const alive = state !== undefined && isAlive(state.supervisor);
  const own = findOwnProcesses(runDir).filter(({ leader }) => leader);
  if (!alive && state === undefined && own.length === 0) {
    say(messages.isDown());
    return 0;
  }
  if (!alive) {
    say(messages.supervisorDead(own.map(({ name, pid }) => `${name} (${pid})`)));
    return 0;
  }
  showTable(
    state.children.map(({ name, health, pid, since, restarts, lastExit }) => ({
      service: name,
      state: health,
      pid: String(pid ?? '-'),
      'up for': pid === undefined || since === undefined ? '-' : age(since),
      restarts: String(restarts),
      'last exit': lastExit === undefined ? '-' : `${lastExit.how}, ${age(lastExit.at)} ago`,
    })),
  );
  return 0;
}

/** Follows the logs until it is interrupted, or shows how they ended where nothing runs; `name` picks one. */
export async function followLogs(settings: Settings, name?: string): Promise<number> {
  const { root, runDir } = settings;
  const known = ['supervisor', ...namesOf(settings)];
  if (name !== undefined && !known.includes(name)) {
    throw new StackError(messages.unknownLog(name, known));
  }
  const wanted = name === undefined ? known : [name];
  const files = wanted.map((each) => logFile(runDir, each)).filter((file) => existsSync(file));
  if (files.length === 0) {
    throw new StackError(messages.noLogs(shown(root, dirname(logFile(runDir, '')))));
  }
  const runs = findOwnProcesses(runDir).length > 0;
  if (!runs) say(messages.isDown());
  // Ctrl-C reaches both; ours must outlast tail's, or the shell's prompt comes between its last lines.
  process.on('SIGINT', () => undefined);
  const follow = runs ? ['-F'] : [];
  await once(spawn('tail', ['-n', '20', ...follow, ...files], { stdio: 'inherit' }), 'exit');
  return 0;
}

/** Of what was started last, however many replicas that had. */
function namesOf({ runDir, instances }: Settings): string[] {
  return (existsSync(planFile(runDir)) ? readPlan(runDir).children : instances).map(
    ({ name }) => name,
  );
}
