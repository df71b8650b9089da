/** `make up` in native mode: clears away what a killed run left, starts the supervisor, and waits until all is well. */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { writeConfiguration } from '../configuration.ts';
import { withLock } from '../lock.ts';
import { messages, say, StackError } from '../messages.ts';
import { bringModel, waitForModels } from '../model.ts';
import { showModel, shown, showNextSteps, showTable } from '../report.ts';
import type { Settings } from '../settings.ts';
import { describeChildren } from './children.ts';
import { logFile, readLogEnd } from './supervisor/log-file.ts';
import { readPlan, supervisionLimits, writePlan, type Plan } from './supervisor/plan.ts';
import { refuseTakenPorts } from '../ports.ts';
import {
  findOwnProcesses,
  isAlive,
  markOf,
  readEnvironment,
  stopOwnProcesses,
  type ProcessIdentity,
} from './supervisor/processes.ts';
import { readState, removeState, type ChildState } from './supervisor/state.ts';
import { leftoverGraceMillis, stopStack, tellProgress } from './stop.ts';
import { ensureTools } from './tools/tools.ts';

const healthySeconds = 120;
const pollMillis = 100;
const progressMillis = 3000;
/** How much of a log a person needs to see why a process did not start. */
const logLines = 20;

/** The variables that decide what runs: two runs with the same ones are the same stack. */
const settingNames =
  /^(REPLICAS$|(CHAT|PROMETHEUS|ALERTMANAGER|NOTIFIER|JAEGER|METRICS|DINGTALK|WECOM|FEISHU|SMTP|MAIL|OTEL|SCRAPE|LOG)_)/;

/** @throws StackError with the sentence for the person at the terminal. What it started is then stopped again. */
export async function startStack(settings: Settings): Promise<number> {
  const { runDir } = settings;
  return withLock(join(runDir, 'command.lock'), async () => {
    const running = readState(runDir)?.supervisor;
    const adopts = running !== undefined && isAlive(running);
    if (adopts) tellRunning(running.pid);
    const supervisor = adopts ? running : await startSupervisor(settings);
    try {
      await waitUntilHealthy(settings, supervisor, !adopts);
    } catch (error) {
      if (!adopts) {
        await stopStack(settings);
        say(messages.stoppedAgain());
      }
      throw error;
    }
    return showStack(settings);
  });
}

function tellRunning(pid: number): void {
  say(messages.alreadyRunning(pid));
  const theirs = readEnvironment(pid);
  const names = new Set([...Object.keys(theirs), ...Object.keys(process.env)]);
  const differing = [...names].filter((name) => {
    return settingNames.test(name) && (theirs[name] ?? '') !== (process.env[name] ?? '');
  });
  if (differing.length > 0) say(messages.settingsDiffer(differing.toSorted()));
}

async function startSupervisor(settings: Settings): Promise<ProcessIdentity> {
  const { root, runDir } = settings;
  const leftovers = new Set(findOwnProcesses(runDir).map(({ name }) => name));
  if (leftovers.size > 0) {
    say(messages.cleaningLeftovers([...leftovers]));
    const onWait = tellProgress();
    await stopOwnProcesses({ runDir, graceMillis: leftoverGraceMillis, onWait });
  }
  removeState(runDir);
  await refuseTakenPorts(settings);
  await bringModel(root);
  const tools = await ensureTools(process.env['PATH'] ?? '', settings.toolsDir);
  const children = describeChildren(settings, tools, writeConfiguration(settings));
  writePlan(runDir, { root, children, limits: supervisionLimits });
  say(messages.starting(shown(root, dirname(logFile(runDir, '')))));
  return spawnSupervisor({ root, runDir });
}

/** Runs the plan that lies in the run folder; also the door by which tests bring plans of their own. */
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
  let gone = false;
  supervisor.once('exit', () => (gone = true));
  for (;;) {
    const state = readState(runDir);
    if (state?.supervisor.pid === supervisor.pid && state !== undefined) {
      supervisor.unref();
      return state.supervisor;
    }
    if (gone) throw new StackError(messages.supervisorGone(readLogEnd(output, logLines)));
    await delay(pollMillis);
  }
}

async function waitUntilHealthy(
  settings: Settings,
  supervisor: ProcessIdentity,
  startedHere: boolean,
): Promise<void> {
  const { root, runDir } = settings;
  const startedAt = performance.now();
  const told = new Set<string>();
  let toldAt = startedAt;
  for (;;) {
    const seconds = Math.round((performance.now() - startedAt) / 1000);
    const children = readState(runDir)?.children ?? [];
    for (const child of children) {
      if (child.health === 'healthy' && !told.has(child.name)) {
        told.add(child.name);
        toldAt = performance.now();
        if (startedHere) say(messages.healthy(child.name, seconds));
      } else if (startedHere && child.lastExit !== undefined) {
        throw new StackError(explainExit(child, { root, runDir }));
      }
    }
    const missing = children.filter(({ name }) => !told.has(name)).map(({ name }) => name);
    if (children.length > 0 && missing.length === 0) return;
    if (!isAlive(supervisor)) {
      const log = readLogEnd(logFile(runDir, 'supervisor'), logLines);
      throw new StackError(messages.supervisorGone(log));
    }
    if (seconds > healthySeconds) throw new StackError(messages.neverHealthy(missing, seconds));
    if (performance.now() - toldAt > progressMillis) {
      toldAt = performance.now();
      say(messages.stillWaiting(missing, seconds));
    }
    await delay(pollMillis);
  }
}

function explainExit(child: ChildState, { root, runDir }: { root: string; runDir: string }) {
  const file = logFile(runDir, child.name);
  const how = child.lastExit?.how ?? '';
  const log = readLogEnd(file, logLines);
  return messages.childFailed({ name: child.name, how, logFile: shown(root, file), log });
}

async function showStack({ root, runDir }: Settings): Promise<number> {
  const plan = readPlan(runDir);
  const urls = urlsOf(plan);
  const chats = Object.keys(urls).filter((name) => name.startsWith('chat'));
  const model = await waitForModels(chats.map((name) => urls[name] ?? ''));
  showTable(
    (readState(runDir)?.children ?? []).map(({ name, pid }) => ({
      service: name,
      url: urls[name] ?? '',
      pid: String(pid ?? '-'),
      log: shown(root, logFile(runDir, name)),
    })),
  );
  showModel(model);
  await showNextSteps(urls);
  return model === undefined ? 1 : 0;
}

/** From the plan, not from the settings: what runs is what counts. */
function urlsOf({ children }: Plan): Record<string, string> {
  return Object.fromEntries(
    children.map(({ name, healthUrl }) => [name, new URL(healthUrl).origin]),
  );
}
