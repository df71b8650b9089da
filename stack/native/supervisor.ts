/**
 * Keeps the native stack running: starts each service, restarts it with backoff when it dies or hangs, stops all of
 * them in order on SIGTERM. `make up` starts it detached, one for each checkout.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, openSync, renameSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { renderConfiguration } from '../render.ts';
import { readStackSettings } from '../settings.ts';
import { nativeServices, type Service } from './services.ts';
import { identify, stateFile, writeState, type ServiceState } from './state.ts';
import { ensureTools } from './tools.ts';

const healthIntervalMillis = 1000;
const healthTimeoutMillis = 5000;
const failuresUntilKill = 6;
const firstBackoffMillis = 500;
const longestBackoffMillis = 15_000;
/** Up for this long, a service's next restart is quick again. */
const soundMillis = 30_000;
/** The chat service drains for up to 15 s of it. */
const graceMillis = 20_000;
const longestLogBytes = 20 * 1024 * 1024;

const settings = readStackSettings(process.env);
const tools = await ensureTools(settings.root, {
  path: process.env['PATH'] ?? '',
  say: console.log,
});
const services = nativeServices(settings, tools, renderConfiguration(settings));
mkdirSync(settings.dataDir, { recursive: true });

let stopping = false;
const kept = services.map((service) => keep(service));

function save(): void {
  if (stopping) return;
  writeState(settings.runDir, {
    supervisor: identify(process.pid)!,
    services: kept.map(({ state }) => state),
  });
}

/** Runs one service for as long as the stack is up. */
function keep(service: Service) {
  const log = path.join(settings.runDir, `${service.name}.log`);
  const state: ServiceState = {
    name: service.name,
    url: service.url,
    log,
    process: undefined,
    upSince: 0,
    restarts: 0,
    lastExit: undefined,
    healthy: false,
  };
  let child: ChildProcess | undefined;
  let crashes = 0;
  let failures = 0;

  function start(): void {
    rotate(log);
    const out = openSync(log, 'a');
    const started = spawn(service.command, service.args, {
      cwd: settings.root,
      env: { ...process.env, ...service.env },
      stdio: ['ignore', out, out],
      // A process group of its own: what it forks goes with it.
      detached: true,
    });
    child = started;
    failures = 0;
    state.process = started.pid === undefined ? undefined : identify(started.pid);
    state.upSince = Date.now();
    started.once('error', (error) => onExit(error.message));
    started.once('exit', (code, signal) => onExit(signal ?? `exit code ${code}`));
  }

  function onExit(lastExit: string): void {
    if (child === undefined) return;
    child = undefined;
    if (Date.now() - state.upSince > soundMillis) crashes = 0;
    Object.assign(state, { process: undefined, healthy: false, lastExit });
    if (stopping) return;
    state.restarts += 1;
    save();
    const delay = Math.min(firstBackoffMillis * 2 ** crashes, longestBackoffMillis);
    crashes += 1;
    console.log(`${service.name} ended (${lastExit}); again in ${delay} ms`);
    setTimeout(() => {
      if (stopping) return;
      start();
      save();
    }, delay);
  }

  async function look(): Promise<void> {
    if (child === undefined) return;
    const healthy = await fetch(service.healthUrl, {
      signal: AbortSignal.timeout(healthTimeoutMillis),
    })
      .then((response) => response.ok)
      .catch(() => false);
    failures = healthy ? 0 : failures + 1;
    // Before it was healthy once it is starting, and has as long as it needs.
    if (state.healthy && !healthy && failures < failuresUntilKill) return;
    if (state.healthy && !healthy) {
      console.log(`${service.name} does not answer; killing it`);
      signalGroup('SIGKILL');
    }
    if (state.healthy === healthy) return;
    state.healthy = healthy;
    save();
  }

  function signalGroup(signal: NodeJS.Signals): void {
    if (child?.pid === undefined) return;
    try {
      process.kill(-child.pid, signal);
    } catch {
      // It ended on its own in this moment.
    }
  }

  start();
  return {
    state,
    look,
    async stop(): Promise<void> {
      if (child === undefined) return;
      const ended = new Promise((resolve) => child?.once('exit', resolve));
      child.kill('SIGTERM');
      const force = setTimeout(() => signalGroup('SIGKILL'), graceMillis);
      await ended;
      clearTimeout(force);
    },
  };
}

function rotate(log: string): void {
  const size = statSync(log, { throwIfNoEntry: false })?.size ?? 0;
  if (size > longestLogBytes) renameSync(log, `${log}.1`);
}

async function stop(): Promise<void> {
  if (stopping) return;
  stopping = true;
  // Whoever tells of trouble goes last.
  for (const name of ['chat', 'prometheus', 'alertmanager', 'notifier']) {
    await kept.find(({ state }) => state.name === name)?.stop();
  }
  rmSync(stateFile(settings.runDir), { force: true });
  process.exit(0);
}

save();
setInterval(() => {
  for (const { look } of kept) void look();
}, healthIntervalMillis);
process.on('SIGTERM', () => void stop());
process.on('SIGINT', () => void stop());
