/** `make status` and `make logs` in native mode. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { isDiskFull } from '../../src/kit/free-space.ts';
import { formatLogLine } from '../log-lines.ts';
import { messages } from '../messages.ts';
import { readReadiness, type Readiness } from '../model.ts';
import { describeLife, describeReadiness, shortPath, showCauses, showTable } from '../report.ts';
import type { Settings } from '../settings.ts';
import { print, say, StackError } from '../terminal.ts';
import { logFile } from './supervisor/log-file.ts';
import { planFile, readPlan } from './supervisor/plan.ts';
import { findOwnProcesses, isAlive, readProcess } from './supervisor/processes.ts';
import { readState, stateFile, type ChildState } from './supervisor/state.ts';

export async function showStatus({ root, runDir }: Settings): Promise<number> {
  const state = readState(runDir);
  const own = findOwnProcesses(runDir).filter(({ leader }) => leader);
  if (state !== undefined && isAlive(state.supervisor)) {
    const readiness = await readChats(runDir);
    showTable(state.children.map((child) => describeChild(child, readiness)));
    showCauses(readiness);
    if (state.children.some(hasEnded)) say(messages.stateIsOld(shortPath(root, stateFile(runDir))));
    const logs = dirname(logFile(runDir, ''));
    if (isDiskFull(logs)) say(messages.logDiskFull(shortPath(root, logs)));
  } else if (state === undefined && own.length === 0) {
    say(messages.isDown());
  } else {
    say(messages.supervisorDied(own.map(({ name, pid }) => `${name} (${pid})`)));
  }
  return 0;
}

/** The state file still has a process that has ended. */
function hasEnded({ pid }: ChildState): boolean {
  return pid !== undefined && readProcess(pid) === undefined;
}

function describeChild(
  { name, health, pid, since, ...ended }: ChildState,
  readiness: ReadonlyMap<string, Readiness | undefined>,
) {
  const { state, queue, threads, engineRestarts } = describeReadiness(health, readiness.get(name));
  const life = { ...ended, since: pid === undefined ? undefined : since };
  const { upFor, restarts, lastExit } = describeLife(life);
  const process = { service: name, state, pid: String(pid ?? '-'), upFor };
  return { ...process, queue, restarts, engineRestarts, threads, lastExit };
}

/** The readiness of each chat service by name. */
async function readChats(runDir: string): Promise<Map<string, Readiness | undefined>> {
  const chats = readPlan(runDir).children.filter(({ name }) => name.startsWith('chat'));
  const answers = chats.map(
    async ({ name, healthUrl }) => [name, await readReadiness(new URL(healthUrl).origin)] as const,
  );
  return new Map(await Promise.all(answers));
}

/** Follows the logs until Ctrl-C, or shows their ends when nothing runs. @param name One log; else all. */
export async function followLogs(settings: Settings, name?: string): Promise<number> {
  const { root, runDir } = settings;
  const known = ['supervisor', ...namesOf(settings)];
  if (name !== undefined && !known.includes(name)) {
    throw new StackError(messages.unknownLog(name, known));
  }
  const wanted = name === undefined ? known : [name];
  const files = wanted.map((each) => logFile(runDir, each)).filter((file) => existsSync(file));
  if (files.length === 0) {
    throw new StackError(messages.noLogs(shortPath(root, dirname(logFile(runDir, '')))));
  }
  const runs = findOwnProcesses(runDir).length > 0;
  if (!runs) say(messages.isDown());
  // Ctrl-C reaches `tail` too. This process waits for it, so that the shell's prompt follows the output of `tail`.
  process.on('SIGINT', () => undefined);
  const options = ['-n', '20', ...(runs ? ['-F'] : [])];
  if (process.stdout.isTTY) {
    await Promise.all(files.map((file) => followPretty(file, options)));
  } else {
    // Unchanged lines, for programs.
    await once(spawn('tail', [...options, ...files], { stdio: 'inherit' }), 'exit');
  }
  return 0;
}

/** Prints one log with the name of its process before each line. */
async function followPretty(file: string, options: string[]): Promise<void> {
  const tail = spawn('tail', [...options, file], { stdio: ['ignore', 'pipe', 'ignore'] });
  const name = basename(file, '.log');
  for await (const line of createInterface({ input: tail.stdout })) {
    const columns = process.stdout.columns || 100;
    print(formatLogLine(name, line, { columns, nameColumns }));
  }
}

/** Of `alertmanager`, the longest name. */
const nameColumns = 12;

/** The children of the last start. Their number of replicas may differ from the current settings. */
function namesOf({ runDir, instances }: Settings): string[] {
  return (existsSync(planFile(runDir)) ? readPlan(runDir).children : instances).map(
    ({ name }) => name,
  );
}
