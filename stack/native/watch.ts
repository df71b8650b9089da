/** `make status` and `make logs` in native mode: what runs, for how long, how often it died, and what it says. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { messages, say, StackError } from '../messages.ts';
import { shown, showTable } from '../report.ts';
import { services, type Settings } from '../settings.ts';
import { logFile } from './log-file.ts';
import { findOwnProcesses, isAlive } from './processes.ts';
import { readState } from './state.ts';

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

/** Follows the logs until it is interrupted; `name` picks one. */
export async function followLogs({ root, runDir }: Settings, name?: string): Promise<number> {
  const known = ['supervisor', ...services];
  if (name !== undefined && !known.includes(name)) {
    throw new StackError(messages.unknownLog(name, known));
  }
  const wanted = name === undefined ? known : [name];
  const files = wanted.map((each) => logFile(runDir, each)).filter((file) => existsSync(file));
  if (files.length === 0) {
    throw new StackError(messages.noLogs(shown(root, dirname(logFile(runDir, '')))));
  }
  // Ctrl-C reaches both; ours must outlast tail's, or the shell's prompt comes between its last lines.
  process.on('SIGINT', () => undefined);
  await once(spawn('tail', ['-n', '20', '-F', ...files], { stdio: 'inherit' }), 'exit');
  return 0;
}

/** `2h 5m`: the two largest units. */
function age(since: string): string {
  const seconds = Math.max(0, Math.round((Date.now() - Date.parse(since)) / 1000));
  const parts = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ] as const;
  const first = parts.findIndex(([count]) => count > 0);
  if (first === -1) return '0s';
  return parts
    .slice(first, first + 2)
    .map(([count, unit]) => `${count}${unit}`)
    .join(' ');
}
