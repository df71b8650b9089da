/** `make up`, `down`, `status`, `logs`: brings the stack up, says what runs where, takes it down. */
import { spawn } from 'node:child_process';
import { mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureTools } from './native/tools.ts';
import { identify, isAlive, readState, stateFile, type StackState } from './native/state.ts';
import {
  portVariable,
  readStackSettings,
  type ServiceName,
  type StackSettings,
} from './settings.ts';

const healthySeconds = 120;
const downSeconds = 60;

function say(line: string): void {
  console.log(line);
}

function giveUp(message: string): never {
  console.error(message);
  process.exit(1);
}

async function waitFor(seconds: number, condition: () => boolean): Promise<boolean> {
  const deadline = performance.now() + seconds * 1000;
  while (!condition()) {
    if (performance.now() > deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return true;
}

async function up(settings: StackSettings): Promise<void> {
  const mode = settings.env['MODE'] || 'native';
  if (mode !== 'native') {
    giveUp(`MODE: expected "native", got "${mode}". Containers are not part of this release yet.`);
  }
  if (isAlive(readState(settings.runDir)?.supervisor)) {
    say('The stack is up already.');
  } else {
    await stopLeftovers(settings);
    await ensureTools(settings.root, { path: process.env['PATH'] ?? '', say });
    for (const name of Object.keys(settings.ports) as ServiceName[])
      await checkPort(settings, name);
    say('Starting notifier, Alertmanager, chat and Prometheus');
    startSupervisor(settings);
  }
  await waitUntilHealthy(settings);
  await printTable(settings);
}

async function checkPort(settings: StackSettings, name: ServiceName): Promise<void> {
  const port = settings.ports[name];
  const server = createServer();
  const error = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
    server.once('error', resolve);
    server.listen(port, '127.0.0.1', () => resolve(undefined));
  });
  server.close();
  if (error === undefined) return;
  giveUp(
    `Port ${port}, which ${name} wants, cannot be had (${error.code}). ` +
      `Stop what uses it, or choose another: ${portVariable(name)}=${port + 10_000} make up`,
  );
}

function startSupervisor(settings: StackSettings): void {
  mkdirSync(settings.runDir, { recursive: true });
  const log = openSync(path.join(settings.runDir, 'supervisor.log'), 'a');
  const supervisor = fileURLToPath(new URL('native/supervisor.ts', import.meta.url));
  spawn(process.execPath, [supervisor], {
    cwd: settings.root,
    detached: true,
    stdio: ['ignore', log, log],
    env: process.env,
  }).unref();
}

async function waitUntilHealthy(settings: StackSettings): Promise<void> {
  let told = '';
  const healthy = await waitFor(healthySeconds, () => {
    const services = readState(settings.runDir)?.services ?? [];
    const line = services
      .map((service) => `${service.name} ${service.healthy ? 'ok' : '...'}`)
      .join('   ');
    if (line !== told) say(`  ${line}`);
    told = line;
    const broken = services.find((service) => service.restarts > 2 && !service.healthy);
    if (broken !== undefined) {
      console.error(tail(broken.log, 15));
      giveUp(
        `${broken.name} does not start (${broken.lastExit}). Its log is above and in ${broken.log}; make down stops the rest.`,
      );
    }
    return services.length > 0 && services.every((service) => service.healthy);
  });
  if (!healthy)
    giveUp(`Not everything is healthy after ${healthySeconds} s: see make status and make logs.`);
}

function tail(file: string, lines: number): string {
  return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
}

async function printTable(settings: StackSettings): Promise<void> {
  const { chat, prometheus } = settings.ports;
  const { id, title, notice } = await readModel(`http://127.0.0.1:${chat}/readyz`);
  status(settings);
  say(`
Model / 模型: ${id} (${title})${notice === undefined ? '' : `\n${notice}`}

Try / 试试:
  make chat Q="Hello"
  curl -N http://127.0.0.1:${chat}/chat -d '{"prompt":"你好"}'
  curl http://127.0.0.1:${chat}/metrics
  http://127.0.0.1:${prometheus}/graph?g0.expr=sum(rate(http_requests_total{job="qwen-instruct"}[5m])) by (status_code)
  make status · make logs · make down`);
}

interface Model {
  id: string;
  title: string;
  notice?: string;
}

/** The service is healthy before its model is loaded; a table that comes earlier would invite a 503. */
async function readModel(url: string): Promise<Model> {
  for (;;) {
    const response = await fetch(url);
    const { model } = (await response.json()) as { model: Model };
    if (response.ok) return model;
    say('  the model is being loaded');
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

function status(settings: StackSettings): void {
  const state = readState(settings.runDir);
  if (state === undefined) return say('The stack is down. Start it with make up.');
  if (!isAlive(state.supervisor)) {
    say('The supervisor is gone; nothing restarts what dies. Run make up (or make down).');
  }
  const rows = state.services.map((service) => ({
    service: service.name,
    state: !isAlive(service.process) ? 'down' : service.healthy ? 'healthy' : 'starting',
    url: service.url,
    pid: service.process?.pid ?? '-',
    restarts: service.restarts,
    'last exit': service.lastExit ?? '-',
    log: path.relative(settings.root, service.log),
  }));
  console.table(Object.fromEntries(rows.map(({ service, ...row }) => [service, row])));
}

async function down(settings: StackSettings): Promise<void> {
  const state = readState(settings.runDir);
  if (state === undefined) return say('The stack is down already.');
  if (isAlive(state.supervisor)) {
    say('Stopping; running answers have 15 s to finish');
    process.kill(state.supervisor.pid, 'SIGTERM');
    if (!(await waitFor(downSeconds, () => !isAlive(state.supervisor)))) {
      process.kill(state.supervisor.pid, 'SIGKILL');
    }
  }
  await stopLeftovers(settings);
  say('The stack is down.');
}

/** What a killed supervisor left running. */
async function stopLeftovers(settings: StackSettings): Promise<void> {
  const state: StackState | undefined = readState(settings.runDir);
  for (const service of state?.services ?? []) {
    if (!isAlive(service.process)) continue;
    process.kill(service.process.pid, 'SIGTERM');
    const { process: left } = service;
    if (!(await waitFor(20, () => !isAlive(left)))) process.kill(-left.pid, 'SIGKILL');
  }
  rmSync(stateFile(settings.runDir), { force: true });
}

function logs(settings: StackSettings): void {
  const files = (readState(settings.runDir)?.services ?? []).map((service) => service.log);
  if (files.length === 0) return say('The stack is down; there is nothing to follow.');
  spawn('tail', ['-n', '20', '-F', ...files], { stdio: 'inherit' });
}

/** Two `make up` at once would start two supervisors. */
function lock(settings: StackSettings): void {
  mkdirSync(settings.runDir, { recursive: true });
  const file = path.join(settings.runDir, 'lock');
  const holder = ((): number => {
    try {
      return Number(readFileSync(file, 'utf8'));
    } catch {
      return 0;
    }
  })();
  if (holder !== 0 && identify(holder) !== undefined) {
    giveUp(`Another make up or make down (pid ${holder}) is at work; wait for it.`);
  }
  rmSync(file, { force: true });
  const fd = openSync(file, 'wx');
  writeSync(fd, String(process.pid));
  process.on('exit', () => rmSync(file, { force: true }));
}

const commands = { up, down, status, logs };
const command = process.argv[2] ?? 'up';
if (!(command in commands))
  giveUp(`expected one of ${Object.keys(commands).join(', ')}, got "${command}"`);
try {
  const settings = readStackSettings(process.env);
  if (command === 'up' || command === 'down') lock(settings);
  await commands[command as keyof typeof commands](settings);
} catch (error) {
  giveUp(error instanceof Error ? error.message : String(error));
}
