/** Storms: processes that are killed again and again under load, and stacks that start and stop in a row. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { findOwnProcesses, signal } from '../../../stack/native/supervisor/processes.ts';
import { readPlan, writeEnvironment, writePlan } from '../../../stack/native/supervisor/plan.ts';
import { readState } from '../../../stack/native/supervisor/state.ts';
import { killAtEveryStep } from '../../support/alerting/notifier-kill.ts';
import { writeEndlessModel } from '../../support/engine/host.ts';
import { createSandbox, type Sandbox } from '../../support/stack/sandbox.ts';
import { until } from '../../support/until.ts';
import { random } from '../random.ts';
import { startStorm } from '../storm.ts';
import { claim, note, type Row, type Section } from './section.ts';

const kills = Number(process.env['KILLS'] ?? 50);
const seeds = Number(process.env['SEEDS'] ?? 100);
const steps = Number(process.env['STEPS'] ?? 200);
const ups = Number(process.env['UPS'] ?? 20);
const huntRequests = process.env['REQUESTS'] ?? '400';

const leaders = ['alertmanager', 'chat', 'notifier', 'prometheus', 'supervisor'];

export const storms: Section = {
  title: 'Storms',
  introduction:
    'SIGKILL and SIGTERM in turn, at a random moment after the process is healthy, while 3 clients ask the chat service. The stack is the one of `make up MODE=native`, with a backoff of 0.1 s.',
  columns: ['claim', 'measured'],
  parts: {
    engine: stormEngine,
    chat: () => stormProcess('chat'),
    notifier: () => stormProcess('notifier'),
    prometheus: () => stormProcess('prometheus'),
    alertmanager: () => stormProcess('alertmanager'),
    'notifier-steps': stormNotifier,
    'up-down': upAndDown,
    'two-ups': twoAtOnce,
    hunt,
  },
};

/** Every phase of a request, by SIGKILL, SIGABRT, SIGSEGV and SIGSTOP. */
async function stormEngine(): Promise<Row[]> {
  const modelPath = writeEndlessModel();
  const storm = await startStorm(modelPath);
  const problems: string[] = [];
  const endings = new Map<string, number>();
  let slowest = 0;
  for (let seed = 0; seed < seeds; seed++) {
    const round = await storm.round(seed);
    problems.push(...round.problems.map((problem) => `seed ${seed}: ${problem}`));
    slowest = Math.max(slowest, round.backSeconds);
    for (const { ending = 'problem' } of round.outcomes) {
      endings.set(ending, (endings.get(ending) ?? 0) + 1);
    }
  }
  const left = await storm.killService();
  rmSync(path.dirname(modelPath), { recursive: true });
  const counts = [...endings].map(([ending, count]) => `${ending} ${count}`).join(', ');
  return [
    claim(
      `the engine process is killed ${seeds} times, in every phase: each client gets an answer, an error frame, or 503 or 429 with Retry-After`,
      `${counts}; ready after ${slowest.toFixed(1)} s at most${list(problems)}`,
      problems.length === 0,
    ),
    claim(
      'no engine outlives a chat service that is killed',
      `${left.length} left`,
      left.length === 0,
    ),
  ];
}

async function stormNotifier(): Promise<Row[]> {
  const { raised, repeats, faults } = await killAtEveryStep(
    Array.from({ length: steps }, (_, at) => at + 1),
  );
  return [
    claim(
      `the notifier is killed ${steps} times, at every step of a delivery: nothing is lost, late or repeated`,
      `${raised} notifications; ${repeats} repeats by a robot that cannot recognise them${list(faults)}`,
      faults.length === 0,
    ),
  ];
}

async function stormProcess(name: string): Promise<Row[]> {
  const model = writeEndlessModel();
  await using sandbox = await createSandbox({ CHAT_MODEL: model });
  const up = await sandbox.run('up');
  if (up.code !== 0) throw new Error(up.text);
  await shortenBackoff(sandbox);
  const dice = random(name.length);
  const stopped = new AbortController();
  const load = ask(sandbox, stopped.signal);
  const restarts = new Map(
    readState(sandbox.runDir)!.children.map((child) => [child.name, child.restarts]),
  );
  let slowest = 0;
  for (let kill = 0; kill < kills; kill++) {
    await pause(dice.integer(0, 300));
    const { pid } = childOf(sandbox, name);
    signal(pid!, kill % 2 === 0 ? 'SIGKILL' : 'SIGTERM');
    const killedAt = performance.now();
    await until(() => ![pid, undefined].includes(childOf(sandbox, name).pid), 60);
    await untilHealthy(sandbox);
    slowest = Math.max(slowest, (performance.now() - killedAt) / 1000);
  }
  stopped.abort();
  const endings = await load;
  const others = readState(sandbox.runDir)!.children.filter(
    (child) => child.name !== name && child.restarts !== restarts.get(child.name),
  );
  const down = await sandbox.run('down');
  const left = findOwnProcesses(sandbox.runDir).length;
  const isLost = name !== 'chat' && Object.keys(endings).some((ending) => ending !== '200');
  rmSync(path.dirname(model), { recursive: true });
  return [
    claim(
      `${name} is killed ${kills} times: it comes back, ${name === 'chat' ? 'and' : 'every question is answered, and'} nothing else restarts`,
      `healthy after ${slowest.toFixed(1)} s at most; questions by their end: ${show(endings)}${list(others.map((other) => `${other.name} restarted`))}`,
      others.length === 0 && !isLost,
    ),
    claim(`… and \`make down\` leaves nothing`, `${left} processes`, down.code === 0 && left === 0),
  ];
}

/** The backoff of the supervisor would double up to 30 s. Every child is restarted with the new limits. */
async function shortenBackoff(sandbox: Sandbox): Promise<void> {
  const plan = readPlan(sandbox.runDir);
  writePlan(sandbox.runDir, {
    ...plan,
    revision: 'storm',
    limits: { ...plan.limits, firstBackoffMillis: 100, longestBackoffMillis: 100 },
    children: plan.children.map((child) =>
      Object.assign(child, { inputs: { ...child.inputs, storm: '1' } }),
    ),
  });
  writeEnvironment(sandbox.runDir, sandbox.env);
  signal(readState(sandbox.runDir)!.supervisor.pid, 'SIGUSR2');
  await until(() => readState(sandbox.runDir)?.revision === 'storm', 90);
  await untilHealthy(sandbox);
}

function childOf(sandbox: Sandbox, name: string) {
  return readState(sandbox.runDir)!.children.find((child) => child.name === name)!;
}

/** The chat service is healthy while it loads the model, and ready afterwards. */
async function untilHealthy(sandbox: Sandbox): Promise<void> {
  const readyz = `http://127.0.0.1:${sandbox.env['CHAT_PORT']}/readyz`;
  const isReady = async (): Promise<boolean> => (await fetch(readyz)).ok;
  await until(
    () => readState(sandbox.runDir)!.children.every(({ health }) => health === 'healthy'),
    90,
  );
  await until(() => isReady().catch(() => false), 90);
}

/** @returns how many questions ended with which status, or without one. */
async function ask(sandbox: Sandbox, stopped: AbortSignal): Promise<Record<string, number>> {
  const endings: Record<string, number> = {};
  const clients = Array.from({ length: 3 }, async () => {
    while (!stopped.aborted) {
      const ending = await fetch(
        `http://127.0.0.1:${sandbox.env['CHAT_PORT']}/v1/chat/completions`,
        {
          method: 'POST',
          body: JSON.stringify({ messages: [{ role: 'user', content: 'Go.' }], max_tokens: 100 }),
        },
      ).then(
        async (response) => {
          const isWhole = await response.text().then(
            () => true,
            () => false,
          );
          return isWhole ? String(response.status) : 'cut';
        },
        () => 'no connection',
      );
      endings[ending] = (endings[ending] ?? 0) + 1;
      await pause(100);
    }
  });
  await Promise.all(clients);
  return endings;
}

async function upAndDown(): Promise<Row[]> {
  await using sandbox = await createSandbox({ CHAT_MODEL: 'demo' });
  const problems: string[] = [];
  let slowest = 0;
  for (let round = 1; round <= ups; round++) {
    const startedAt = performance.now();
    const up = await sandbox.run('up');
    slowest = Math.max(slowest, (performance.now() - startedAt) / 1000);
    if (up.code !== 0) problems.push(`up ${round}: ${up.text.slice(-200)}`);
    const down = await sandbox.run('down');
    const left = findOwnProcesses(sandbox.runDir);
    if (down.code !== 0 || left.length > 0) problems.push(`down ${round}: ${left.length} left`);
  }
  return [
    claim(
      `\`make up\` and \`make down\` ${ups} times in a row: each starts all, and leaves nothing`,
      `up took ${slowest.toFixed(1)} s at most${list(problems)}`,
      problems.length === 0,
    ),
  ];
}

async function twoAtOnce(): Promise<Row[]> {
  await using sandbox = await createSandbox({ CHAT_MODEL: 'demo' });
  const rounds = 5;
  const problems: string[] = [];
  for (let round = 1; round <= rounds; round++) {
    const both = await Promise.all([sandbox.run('up'), sandbox.run('up')]);
    const own = findOwnProcesses(sandbox.runDir).filter(({ leader }) => leader);
    const names = own.map(({ name }) => name).toSorted();
    if (both.some(({ code }) => code !== 0)) problems.push(`round ${round}: an exit code`);
    if (names.join() !== leaders.join()) problems.push(`round ${round}: ${names.join()}`);
    await sandbox.run('down');
  }
  return [
    claim(
      `two \`make up\` at once, ${rounds} times: one stack, and both exit with 0`,
      problems.length === 0 ? 'as claimed' : list(problems).slice(2),
      problems.length === 0,
    ),
  ];
}

/** The program that hunts requests that delay others. */
async function hunt(): Promise<Row[]> {
  const program = fileURLToPath(new URL('../hunt.ts', import.meta.url));
  const child = spawn(process.execPath, [program], {
    env: { ...process.env, REQUESTS: huntRequests },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  const lines = text.trim().split('\n');
  const alone = lines.find((line) => line.startsWith('alone:')) ?? '';
  const end = lines.find((line) => / problems of /.test(line)) ?? lines.at(-1) ?? '';
  return [
    claim(
      `of ${huntRequests} hostile requests, bred to delay others, none delays a token by 500 ms or /healthz by 100 ms`,
      `${end}; ${alone}`,
      code === 0,
    ),
    note('the longest gap', lines[lines.indexOf('the longest gaps:') + 1] ?? ''),
  ];
}

function show(endings: Record<string, number>): string {
  return Object.entries(endings)
    .map(([ending, count]) => `${ending}: ${count}`)
    .join(', ');
}

function list(problems: readonly string[]): string {
  return problems.length === 0 ? '' : `; **${problems.slice(0, 3).join('; ')}**`;
}
