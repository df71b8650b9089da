/** Starts the servers that the benchmark compares: processes with /v1/chat/completions and the same model. */
import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { until } from '../support/until.ts';
import { freePort } from '../support/free-ports.ts';
import { parseSamples } from '../support/otel/scrape.ts';
import { findChild, readCpuTime, type CpuTime } from './cpu-time.ts';
import type { Settings } from './settings.ts';

export const contenderNames = [
  'ours',
  'llama-server',
  'ours before',
  'bare node-llama-cpp',
  'ours, equal',
  'llama-server, equal',
] as const;
export type ContenderName = (typeof contenderNames)[number];

export interface Contender {
  url: string;
  /** The flags or settings that it was started with, and what its defaults came out as. */
  description: string;
  read(): Promise<Reading>;
  stop(): Promise<void>;
}

export interface Reading {
  cpu: CpuTime;
  /** p99 of the API process since the last reading; only known for the service. */
  eventLoopDelaySeconds?: number;
}

const loadSeconds = 120;
// nodejs_eventloop_delay_* includes the timer's interval of 10 ms (perf_hooks' monitorEventLoopDelay).
const delayResolutionSeconds = 0.01;

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Sizes of the contenders that have equal ones, and of the bare library, whose default is one sequence. */
const equal = { threads: availableParallelism(), sequences: 8, contextTokens: 4096 };

/** @returns how to start each contender that the settings ask for. */
export function listContenders(
  settings: Settings,
  modelPath: string,
): Partial<Record<ContenderName, () => Promise<Contender>>> {
  const { llamaServer, baseline } = settings;
  const { threads, sequences, contextTokens } = equal;
  const sizes = ['-t', threads, '-tb', threads, '-np', sequences, '-c', sequences * contextTokens];
  const variables = {
    CHAT_THREADS: String(threads),
    CHAT_SEQUENCES: String(sequences),
    CHAT_CONTEXT: String(contextTokens),
  };
  const minor = settings.minorRounds > 0;
  // Beside other tests, llama.cpp's threads wait for each other most of the time.
  const few: Record<string, string> = settings.smoke ? { CHAT_THREADS: '1' } : {};
  return {
    ours: () => startOurs(root, modelPath, few),
    ...(llamaServer !== undefined && {
      'llama-server': () => startLlamaServer(llamaServer, modelPath, []),
    }),
    ...(baseline !== undefined &&
      minor && { 'ours before': () => startOurs(baseline, modelPath, few) }),
    ...(minor && { 'bare node-llama-cpp': () => startOneLoopEach(modelPath, few['CHAT_THREADS']) }),
    ...(llamaServer !== undefined &&
      minor && {
        'ours, equal': () => startOurs(root, modelPath, variables),
        'llama-server, equal': () => startLlamaServer(llamaServer, modelPath, sizes.map(String)),
      }),
  };
}

/** The service as `make up` runs it, with all telemetry and none of the caller's settings. */
async function startOurs(
  folder: string,
  modelPath: string,
  variables: Record<string, string>,
): Promise<Contender> {
  const port = await freePort();
  const environment = Object.entries(process.env).filter(
    ([name]) => !/^(CHAT|OTEL|METRICS|PROMETHEUS|NOTIFIER|ALERTMANAGER)_/.test(name),
  );
  const own = { CHAT_PORT: String(port), CHAT_MODEL: modelPath, ...variables };
  const { child, stop } = start(['--import', './otel/register.ts', 'src/main.ts'], {
    cwd: folder,
    env: { ...Object.fromEntries(environment), ...own },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const url = `http://127.0.0.1:${port}`;
  await untilReady(child, `${url}/readyz`);
  const { sizing } = (await (await fetch(`${url}/version`)).json()) as { sizing?: unknown };
  const set = Object.entries(variables).map((pair) => pair.join('='));
  return {
    url,
    description: [set.join(' ') || 'no settings', JSON.stringify(sizing ?? null)].join('; '),
    async read() {
      const samples = parseSamples(await (await fetch(`${url}/metrics`)).text());
      const delay = samples.get('nodejs_eventloop_delay_p99_seconds') ?? NaN;
      return {
        cpu: readCpuTime({ api: child.pid, engine: findChild(child.pid) }),
        eventLoopDelaySeconds: delay - delayResolutionSeconds,
      };
    },
    stop,
  };
}

async function startOneLoopEach(modelPath: string, fixedThreads = ''): Promise<Contender> {
  const program = fileURLToPath(new URL('one-loop-each.ts', import.meta.url));
  const { sequences, contextTokens } = equal;
  const sizes = [String(sequences), String(contextTokens), fixedThreads];
  const { child, stop } = start([program, modelPath, ...sizes], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = new AbortController();
  child.once('exit', () => ended.abort(new Error('one-loop-each.ts ended before it listened')));
  const lines = createInterface(child.stdout!);
  const [line] = (await once(lines, 'line', { signal: ended.signal })) as [string];
  const { port, threads } = JSON.parse(line) as { port: number; threads: number };
  return {
    url: `http://127.0.0.1:${port}`,
    description: `${sequences} sequences of ${contextTokens} tokens are set; its default is ${threads} threads`,
    read: async () => ({ cpu: readCpuTime({ server: child.pid }) }),
    stop,
  };
}

/**
 * llama-server with its own defaults for all that `sizes` does not name. node-llama-cpp contains its llama.cpp as a git bundle; to
 * build the server from it:
 *
 *   git clone node_modules/node-llama-cpp/llama/gitRelease.bundle llama.cpp
 *   cmake -S llama.cpp -B llama.cpp/build -DCMAKE_BUILD_TYPE=Release -DGGML_OPENMP=OFF -DLLAMA_CURL=OFF \
 *     -DGGML_NATIVE=OFF -DGGML_BACKEND_DL=ON -DGGML_CPU_ALL_VARIANTS=ON
 *   cmake --build llama.cpp/build --target llama-server
 *   make bench LLAMA_SERVER=$PWD/llama.cpp/build/bin/llama-server
 *
 * Both then choose the instruction sets of this machine when they start: node-llama-cpp's binaries are built with all variants and
 * without OpenMP. Against a server with AVX2 alone, ours reads prompts 1.5 times as fast on a CPU with AVX-512.
 */
async function startLlamaServer(
  program: string,
  modelPath: string,
  sizes: string[],
): Promise<Contender> {
  const port = await freePort();
  const args = ['-m', modelPath, '--host', '127.0.0.1', '--port', String(port), ...sizes];
  const { child, stop } = start(args, { stdio: ['ignore', 'ignore', 'pipe'] }, program);
  let threads: string | undefined;
  createInterface(child.stderr!).on('line', (line) => {
    threads ??= /n_threads = (\d+)/.exec(line)?.[1];
  });
  const url = `http://127.0.0.1:${port}`;
  await untilReady(child, `${url}/health`);
  const { total_slots: slots, default_generation_settings: slot } = (await (
    await fetch(`${url}/props`)
  ).json()) as { total_slots: number; default_generation_settings: { n_ctx: number } };
  return {
    url,
    description: `${sizes.join(' ') || 'no flags'}; ${threads ?? 'unknown'} threads, ${slots} slots, context of ${slot.n_ctx} tokens a slot`,
    read: async () => ({ cpu: readCpuTime({ server: child.pid }) }),
    stop,
  };
}

/** @throws Error when the process ends, or is not ready in time. */
async function untilReady(child: ChildProcess, url: string): Promise<void> {
  let failure: Error | undefined;
  child.once('error', (error) => (failure = error));
  child.once('exit', (code) => (failure = new Error(`${child.spawnfile} ended with ${code}`)));
  await until(async () => {
    if (failure !== undefined) throw failure;
    return (await fetch(url).catch(() => undefined))?.ok === true;
  }, loadSeconds);
}

function start(args: string[], options: SpawnOptions, program = process.execPath) {
  const child = spawn(program, args, options);
  // The exit handler runs also when a signal ends the benchmark.
  const kill = (): void => void child.kill('SIGKILL');
  process.on('exit', kill);
  const stop = async (): Promise<void> => {
    process.off('exit', kill);
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    kill();
    await exited;
  };
  return { child, stop };
}
