/** `make up` in native mode: stops processes that a killed run left, starts the supervisor, and waits until every child is healthy. */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { readChannelVariables } from '../channel-variables.ts';
import { writeConfiguration } from '../configuration.ts';
import { messages } from '../messages.ts';
import { fetchModel } from '../model.ts';
import { refuseTakenPorts } from '../ports.ts';
import { shortPath, showRunning } from '../report.ts';
import type { Settings } from '../settings.ts';
import { createProgress, say, StackError } from '../terminal.ts';
import { describeChildren } from './children.ts';
import { stopStack } from './stop.ts';
import { logFile, readLogEnd } from './supervisor/log-file.ts';
import { readPlan, supervisionLimits, writePlan } from './supervisor/plan.ts';
import {
  findOwnProcesses,
  isAlive,
  markOf,
  readEnvironment,
  type ProcessIdentity,
} from './supervisor/processes.ts';
import { readState, type ChildState } from './supervisor/state.ts';
import { ensureTools } from './tools/tools.ts';

const healthySeconds = 120;
const pollMillis = 100;
/** Enough of a log to see why a process did not start. */
const logLines = 20;

/** The variables that change the stack, in addition to the variables of the notifier's channels. */
const settingNames =
  /^(REPLICAS$|(CHAT|PROMETHEUS|ALERTMANAGER|NOTIFIER|JAEGER|METRICS|OTEL|SCRAPE|LOG)_)/;

/** @throws StackError if a process does not start; all processes that this call started are then stopped again. */
export async function startStack(settings: Settings): Promise<number> {
  const running = readState(settings.runDir)?.supervisor;
  if (running !== undefined && isAlive(running)) {
    showDifferences(running.pid, settings.root);
    await waitUntilHealthy(settings, running);
    return showStack(settings);
  }
  const supervisor = await startSupervisor(settings);
  try {
    await waitUntilHealthy(settings, supervisor, { showEach: true });
  } catch (error) {
    await stopStack(settings);
    say(messages.stoppedAgain());
    throw error;
  }
  return showStack(settings);
}

/** Prints the settings in which the running stack differs from the environment. */
function showDifferences(supervisorPid: number, root: string): void {
  say(messages.alreadyRunning(supervisorPid));
  const running = readEnvironment(supervisorPid);
  const differing = findDifferences(running, process.env, readChannelVariables(root));
  if (differing.length > 0) say(messages.settingsDiffer(differing));
}

/** The names of the settings whose values differ, sorted. */
export function findDifferences(
  running: NodeJS.ProcessEnv,
  current: NodeJS.ProcessEnv,
  channelVariables: ReadonlySet<string>,
): string[] {
  const names = new Set([...Object.keys(running), ...Object.keys(current)]);
  const differing = [...names].filter((name) => {
    const isSetting = settingNames.test(name) || channelVariables.has(name);
    return isSetting && (running[name] ?? '') !== (current[name] ?? '');
  });
  return differing.toSorted();
}

async function startSupervisor(settings: Settings): Promise<ProcessIdentity> {
  const { root, runDir } = settings;
  const leftovers = new Set(findOwnProcesses(runDir).map(({ name }) => name));
  if (leftovers.size > 0) say(messages.stoppingLeftovers([...leftovers]));
  await stopStack(settings);
  await refuseTakenPorts(settings);
  await fetchModel(root);
  const tools = await ensureTools(process.env['PATH'] ?? '', settings.toolsDir);
  const children = describeChildren(settings, tools, writeConfiguration(settings));
  writePlan(runDir, { root, children, limits: supervisionLimits });
  say(messages.starting(shortPath(root, dirname(logFile(runDir, '')))));
  return spawnSupervisor({ root, runDir });
}

/** Starts a supervisor on the plan in the run folder. Tests call it with plans of their own. */
export async function spawnSupervisor(options: {
  root: string;
  runDir: string;
}): Promise<ProcessIdentity> {
  const { root, runDir } = options;
  const output = logFile(runDir, 'supervisor');
  mkdirSync(dirname(output), { recursive: true });
  const log = openSync(output, 'a');
  const program = fileURLToPath(import.meta.resolve('./supervisor/supervisor.ts'));
  const supervisor = spawn(process.execPath, [program, runDir], {
    cwd: root,
    env: { ...process.env, ...markOf('supervisor', runDir) },
    detached: true,
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  let hasExited = false;
  supervisor.once('exit', () => (hasExited = true));
  for (;;) {
    const state = readState(runDir);
    if (state?.supervisor.pid === supervisor.pid && state !== undefined) {
      supervisor.unref();
      return state.supervisor;
    }
    if (hasExited) throw new StackError(messages.supervisorFailed(readLogEnd(output, logLines)));
    await delay(pollMillis);
  }
}

/** @param options With `showEach`, prints each child that becomes healthy, and throws when one exits. */
async function waitUntilHealthy(
  { root, runDir }: Settings,
  supervisor: ProcessIdentity,
  { showEach = false } = {},
): Promise<void> {
  const startedAt = performance.now();
  const progress = createProgress();
  const healthy = new Set<string>();
  for (;;) {
    const seconds = Math.round((performance.now() - startedAt) / 1000);
    const children = readState(runDir)?.children ?? [];
    for (const child of children) {
      if (child.health === 'healthy' && !healthy.has(child.name)) {
        healthy.add(child.name);
        if (showEach) say(messages.healthy(child.name, seconds));
      } else if (showEach && child.lastExit !== undefined) {
        throw new StackError(explainExit(child, { root, runDir }));
      }
    }
    const missing = children.map(({ name }) => name).filter((name) => !healthy.has(name));
    if (children.length > 0 && missing.length === 0) return;
    if (!isAlive(supervisor)) {
      const log = readLogEnd(logFile(runDir, 'supervisor'), logLines);
      throw new StackError(messages.supervisorFailed(log));
    }
    if (seconds > healthySeconds) throw new StackError(messages.neverHealthy(missing, seconds));
    progress((waited) => messages.waitingFor(missing, waited));
    await delay(pollMillis);
  }
}

function explainExit(child: ChildState, { root, runDir }: { root: string; runDir: string }) {
  const file = logFile(runDir, child.name);
  const how = child.lastExit?.how ?? '';
  const log = readLogEnd(file, logLines);
  return messages.childFailed({ name: child.name, how, logFile: shortPath(root, file), log });
}

/** URLs come from the plan, because the running stack may have other settings than the environment. */
function showStack({ root, runDir }: Settings): Promise<number> {
  const { children } = readPlan(runDir);
  const urls = Object.fromEntries(
    children.map(({ name, healthUrl }) => [name, new URL(healthUrl).origin]),
  );
  return showRunning(urls, () =>
    (readState(runDir)?.children ?? []).map(({ name, pid }) => ({
      service: name,
      url: urls[name] ?? '',
      pid: String(pid ?? '-'),
      log: shortPath(root, logFile(runDir, name)),
    })),
  );
}
