/**
 * The kill storm: in the round of each seed several clients send requests, and the engine process is killed in one of its phases. Used
 * by `make chaos` and, with fewer seeds, by a test.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { startChatService, type ChatService } from '../support/api/chat-service.ts';
import { until } from '../support/until.ts';
import { startClient, type Client, type Outcome } from './clients.ts';
import { random } from './random.ts';

const phases = ['loading', 'tokenising', 'queued', 'prefill', 'decode'] as const;
// SIGSTOP makes the engine hang, which the watchdog detects.
const signals = ['SIGKILL', 'SIGABRT', 'SIGSEGV', 'SIGSTOP'] as const;

export interface Round {
  seed: number;
  phase: (typeof phases)[number];
  signal: (typeof signals)[number];
  outcomes: Outcome[];
  /** Time from the kill until the service was ready again. */
  backSeconds: number;
  /** Endings that no client should see, and wrong counts. */
  problems: string[];
}

export interface Storm {
  round(seed: number): Promise<Round>;
  /** Kills the service under load. @returns the processes that it left behind. */
  killService(): Promise<number[]>;
  stop(): Promise<void>;
}

export async function startStorm(modelPath: string): Promise<Storm> {
  const service = await startChatService({
    CHAT_MODEL: modelPath,
    CHAT_SEQUENCES: '2',
    CHAT_CONTEXT: '2048',
    CHAT_QUEUE_LIMIT: '6',
    CHAT_HANG_SECONDS: '2',
    CHAT_EMBEDDINGS: 'true',
  });
  let sent = 0;

  function start(dice: ReturnType<typeof random>, count: number, long = false): Client[] {
    sent += count;
    return Array.from({ length: count }, () => startClient(service.url, dice, long));
  }

  /** Starts clients and waits for the phase. The length of the wait is random, so that the kill hits any part of the phase. */
  async function reach(phase: Round['phase'], dice: ReturnType<typeof random>): Promise<Client[]> {
    const count = dice.integer(6, 10);
    if (phase === 'loading') {
      const before = enginePid(service);
      const half = Math.floor(count / 2);
      const clients = start(dice, half);
      await clients[0]!.firstByte;
      process.kill(before!, 'SIGKILL');
      await until(() => ![undefined, before].includes(enginePid(service)));
      await pause(dice.integer(0, 700));
      return [...clients, ...start(dice, half)];
    }
    const clients = start(dice, count, phase === 'prefill');
    if (phase === 'tokenising') await pause(dice.integer(0, 20));
    if (phase === 'prefill') await pause(dice.integer(20, 300));
    if (phase === 'queued') await Promise.race(clients.map(({ firstByte }) => firstByte));
    if (phase === 'decode') {
      await Promise.race(clients.map(({ firstByte }) => firstByte));
      await pause(dice.integer(0, 400));
    }
    return clients;
  }

  async function round(seed: number): Promise<Round> {
    const dice = random(seed);
    const phase = phases[seed % phases.length]!;
    // 4 signals and 5 phases have no common divisor: 20 seeds are all combinations.
    const signal = signals[seed % signals.length]!;
    const clients = await reach(phase, dice);
    const victim = enginePid(service);
    if (victim !== undefined) process.kill(victim, signal);
    const killedAt = performance.now();
    const isBack = async (): Promise<boolean> =>
      ![undefined, victim].includes(enginePid(service)) &&
      (await fetch(`${service.url}/readyz`)).ok;
    const problems: string[] = [];
    const back = note(problems, until(isBack, 90)).then(() => performance.now() - killedAt);
    const outcomes = await Promise.all(clients.map(({ outcome }) => outcome));
    for (const { kind, problem } of outcomes) {
      if (problem !== undefined) problems.push(`${kind}: ${problem}`);
    }
    const backSeconds = (await back) / 1000;
    const [probe] = start(dice, 1);
    const { ending } = await probe!.outcome;
    if (ending !== 'answer') problems.push(`ready, but a probe ended with ${ending}`);
    await note(problems, untilIdle(service, sent));
    return { seed, phase, signal, outcomes, backSeconds, problems };
  }

  return {
    round,
    async killService() {
      const engine = enginePid(service)!;
      const clients = start(random(0), 6);
      await clients[0]!.firstByte;
      service.process.kill('SIGKILL');
      await Promise.all(clients.map(({ outcome }) => outcome));
      await until(() => !isAlive(engine), 5).catch(() => {});
      return isAlive(engine) ? [engine] : [];
    },
    async stop() {
      await service.stop();
    },
  };
}

async function note(problems: string[], condition: Promise<void>): Promise<void> {
  await condition.catch((error: unknown) => problems.push((error as Error).message));
}

/** Waits until no request waits or runs, and every request has one outcome. */
async function untilIdle(service: ChatService, sent: number): Promise<void> {
  let seen = '';
  const isIdle = async (): Promise<boolean> => {
    const text = await (await fetch(`${service.url}/metrics`)).text();
    const values = [...text.matchAll(/^inference_(?:embeddings_)?requests_total\{.*\} (\d+)$/gm)];
    const counted = values.reduce((sum, [, value]) => sum + Number(value), 0);
    const depth = /^inference_queue_depth (\d+)$/m.exec(text)?.[1];
    const active = /^inference_sequences_active (\d+)$/m.exec(text)?.[1];
    seen = `sent ${sent}, counted ${counted}, queue depth ${depth}, sequences active ${active}`;
    return counted === sent && depth === '0' && active === '0';
  };
  await until(isIdle, 10).catch(() => Promise.reject(new Error(seen)));
}

/** The engine is the only child of the service. A zombie has no command line. */
function enginePid(service: ChatService): number | undefined {
  const { pid } = service.process;
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return children.split(' ').map(Number).find(isAlive);
}

function isAlive(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== '';
  } catch {
    return false;
  }
}
