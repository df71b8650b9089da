/** `make up` in native mode: starts the supervisor, or restarts what changed, and waits until every child is healthy. */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { readChannelVariables } from '../channel-variables.ts';
import { nginxFiles, writeConfiguration } from '../configuration.ts';
import { readFolder } from '../folder.ts';
import { formatLogLine } from '../log-lines.ts';
import { messages } from '../messages.ts';
import { fetchModel, identifyModel } from '../model.ts';
import { refuseTakenPorts } from '../ports.ts';
import { shortPath, showRunning } from '../report.ts';
import type { Settings } from '../settings.ts';
import { createProgress, say, StackError } from '../terminal.ts';
import { describeChildren } from './children.ts';
import { stopStack } from './stop.ts';
import { logBytes, logFile, readLogEnd } from './supervisor/log-file.ts';
import {
  findChanges,
  readPlan,
  supervisionLimits,
  writeEnvironment,
  writePlan,
  type ChildDefinition,
  type Plan,
} from './supervisor/plan.ts';
import {
  findOwnProcesses,
  isAlive,
  markOf,
  signal,
  type ProcessIdentity,
} from './supervisor/processes.ts';
import { readState, type ChildState } from './supervisor/state.ts';
import { ensureNginx } from './tools/nginx.ts';
import { ensureTools } from './tools/tools.ts';

const healthySeconds = 120;
const pollMillis = 100;
/** Enough of a log to see why a process did not start. */
const logLines = 20;

/**
 * Starts the stack, or restarts what changed of a running one.
 * @throws StackError if a process does not start; if this call started the stack, everything is then stopped again.
 */
export async function startStack(settings: Settings): Promise<number> {
  const { runDir } = settings;
  const state = readState(runDir);
  if (state !== undefined && isAlive(state.supervisor)) {
    const before = readPlan(runDir);
    // A supervisor of an earlier version cannot change its plan.
    if (before.revision !== undefined) return updateStack(settings, before, state.supervisor);
  }
  const leftovers = new Set(findOwnProcesses(runDir).map(({ name }) => name));
  if (leftovers.size > 0) say(messages.stoppingLeftovers([...leftovers]));
  await stopStack(settings);
  await refuseTakenPorts(settings);
  const plan = await preparePlan(settings);
  writePlan(runDir, plan);
  const logStarts = findLogStarts(runDir, plan.children);
  say(messages.starting(shortPath(settings.root, dirname(logFile(runDir, '')))));
  const supervisor = await spawnSupervisor({ root: settings.root, runDir });
  try {
    await waitUntilHealthy(settings, supervisor, logStarts);
  } catch (error) {
    await stopStack(settings);
    say(messages.stoppedAgain());
    throw error;
  }
  return showStack(settings);
}

async function preparePlan(settings: Settings): Promise<Plan> {
  const { root, toolsDir } = settings;
  const hasEngine = settings.backendUrl === undefined;
  if (hasEngine) await fetchModel(root);
  const model = hasEngine ? await identifyModel(root) : '';
  const path = process.env['PATH'] ?? '';
  const tools = await ensureTools(path, toolsDir);
  const nginx = settings.nginx && (await ensureNginx(path, toolsDir));
  const configuration = writeConfiguration(settings);
  const children = describeChildren(settings, { ...tools, nginx }, configuration, {
    model,
    prometheus: readText(dirname(configuration.prometheusFile)),
    alertmanager: readText(dirname(configuration.alertmanagerFile)),
    nginx: JSON.stringify([...nginxFiles(settings)]),
    channelVariables: readChannelVariables(root),
  });
  return { revision: randomUUID(), root, children, limits: supervisionLimits };
}

/** All files of a folder of configuration, without scrape targets. */
function readText(folder: string): string {
  return JSON.stringify([...readFolder(folder)].filter(([name]) => !name.startsWith('targets/')));
}

async function updateStack(
  settings: Settings,
  before: Plan,
  supervisor: ProcessIdentity,
): Promise<number> {
  const { runDir } = settings;
  say(messages.alreadyRunning(supervisor.pid));
  const held = new Set(before.children.map(({ healthUrl }) => new URL(healthUrl).origin));
  const instances = settings.instances.filter(({ address }) => !held.has(address.url));
  await refuseTakenPorts({ instances });
  const plan = await preparePlan(settings);
  const changed = plan.children.filter((child) => {
    const old = before.children.find(({ name }) => name === child.name);
    const names = old === undefined ? [] : findChanges(old, child);
    if (old !== undefined && names.length > 0) say(messages.restarting(child.name, names));
    if (old === undefined) say(messages.adding(child.name));
    return old === undefined || names.length > 0;
  });
  const names = new Set(plan.children.map(({ name }) => name));
  const removed = before.children.filter(({ name }) => !names.has(name));
  for (const { name } of removed) say(messages.removing(name));
  const logStarts = findLogStarts(runDir, changed);
  if (changed.length + removed.length > 0) {
    writePlan(runDir, plan);
    writeEnvironment(runDir, process.env);
    signal(supervisor.pid, 'SIGUSR2');
    const progress = createProgress();
    while (readState(runDir)?.revision !== plan.revision && isAlive(supervisor)) {
      progress((seconds) =>
        messages.waitingFor(
          changed.map(({ name }) => name),
          seconds,
        ),
      );
      await delay(pollMillis);
    }
  }
  await waitUntilHealthy(settings, supervisor, logStarts);
  return showStack(settings);
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

/** The sizes of the children's logs, which have lines of earlier runs. */
function findLogStarts(runDir: string, children: readonly ChildDefinition[]): Map<string, number> {
  return new Map(children.map(({ name }) => [name, logBytes(logFile(runDir, name))]));
}

/**
 * @param logStarts The children that this command starts, with the sizes of their logs before: prints each that becomes healthy,
 * and throws when one exits.
 */
async function waitUntilHealthy(
  { root, runDir }: Settings,
  supervisor: ProcessIdentity,
  logStarts: ReadonlyMap<string, number>,
): Promise<void> {
  const isNew = ({ name }: ChildState): boolean => logStarts.has(name);
  const startedAt = performance.now();
  const progress = createProgress();
  const healthy = new Set<string>();
  for (;;) {
    const seconds = Math.round((performance.now() - startedAt) / 1000);
    const children = readState(runDir)?.children ?? [];
    for (const child of children) {
      if (child.health === 'healthy' && !healthy.has(child.name)) {
        healthy.add(child.name);
        if (isNew(child)) say(messages.healthy(child.name, seconds));
      } else if (isNew(child) && child.lastExit !== undefined) {
        throw new StackError(explainExit(child, { root, runDir }, logStarts.get(child.name) ?? 0));
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

/** Shows only what the child wrote since this command started it. */
function explainExit(
  child: ChildState,
  { root, runDir }: Pick<Settings, 'root' | 'runDir'>,
  from: number,
) {
  const file = logFile(runDir, child.name);
  const how = child.lastExit?.how ?? '';
  const layout = {
    columns: process.stdout.columns || 200,
    nameColumns: 0,
    paint: (_: unknown, text: string) => text,
  };
  const lines = readLogEnd(file, logLines, from).split('\n');
  const log = lines.map((line) => formatLogLine('', line, layout)).join('\n');
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
