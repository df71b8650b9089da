/** Starts the servers that the benchmark compares: processes with an OpenAI endpoint and the same model, threads and context. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { until } from '../support/until.ts';
import { freePort } from '../support/free-ports.ts';
import { parseSamples } from '../support/otel/scrape.ts';
import { findChild, readCpuTime, type CpuTime } from './cpu-time.ts';
import type { Settings } from './settings.ts';

export type ContenderName = 'ours' | 'llama-server' | 'one loop each';

export interface Contender {
  name: ContenderName;
  url: string;
  /** The command line of the server, for the report. */
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

/** The service as `make up` runs it, with all telemetry. */
export async function startOurs(settings: Settings, modelPath: string): Promise<Contender> {
  const port = await freePort();
  const sizes = {
    CHAT_THREADS: String(settings.threads),
    CHAT_SEQUENCES: String(settings.sequences),
    CHAT_CONTEXT: String(settings.contextTokens),
  };
  const own = {
    CHAT_PORT: String(port),
    CHAT_MODEL: modelPath,
    CHAT_API_KEYS: '',
    METRICS_TOKEN: '',
  };
  const args = ['--import', './otel/register.ts', 'src/main.ts'];
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: { ...process.env, ...sizes, ...own },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const contender = ofProcess('ours', child, {
    url: `http://127.0.0.1:${port}`,
    description: `node ${args.join(' ')}, ${Object.entries(sizes)
      .map((pair) => pair.join('='))
      .join(' ')}`,
  });
  await untilReady(child, `${contender.url}/readyz`);
  return {
    ...contender,
    async read() {
      const samples = parseSamples(await (await fetch(`${contender.url}/metrics`)).text());
      const delay = samples.get('nodejs_eventloop_delay_p99_seconds') ?? NaN;
      return {
        cpu: readCpuTime({ api: child.pid, engine: findChild(child.pid) }),
        eventLoopDelaySeconds: delay - delayResolutionSeconds,
      };
    },
  };
}

export async function startOneLoopEach(settings: Settings, modelPath: string): Promise<Contender> {
  const program = fileURLToPath(new URL('one-loop-each.ts', import.meta.url));
  const sizes = [
    ['--threads', String(settings.threads)],
    ['--sequences', String(settings.sequences)],
    ['--context', String(settings.contextTokens)],
  ].flat();
  const child = spawn(process.execPath, [program, '--model', modelPath, ...sizes], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = new AbortController();
  child.once('exit', () => ended.abort(new Error('one-loop-each.ts ended before it listened')));
  const [port] = await once(createInterface(child.stdout), 'line', { signal: ended.signal });
  return ofProcess('one loop each', child, {
    url: `http://127.0.0.1:${port}`,
    description: `node test/bench/one-loop-each.ts ${sizes.join(' ')}`,
  });
}

/**
 * llama-server with its defaults for batches (-b 2048, -ub 512) and prompt caching; LLAMA_SERVER_ARGS changes them. node-llama-cpp
 * contains its llama.cpp as a git bundle; to build the server from it:
 *
 *   git clone node_modules/node-llama-cpp/llama/gitRelease.bundle llama.cpp
 *   cmake -S llama.cpp -B llama.cpp/build -DCMAKE_BUILD_TYPE=Release -DGGML_OPENMP=OFF -DLLAMA_CURL=OFF \
 *     -DGGML_NATIVE=OFF -DGGML_SSE42=ON -DGGML_AVX=ON -DGGML_AVX2=ON -DGGML_BMI2=ON -DGGML_FMA=ON -DGGML_F16C=ON
 *   cmake --build llama.cpp/build --target llama-server
 *   make bench LLAMA_SERVER=$PWD/llama.cpp/build/bin/llama-server
 *
 * OpenMP is off because node-llama-cpp's binaries are built without it. The instruction sets are those of its AVX2 binary and of
 * llama.cpp's releases. With GGML_NATIVE=ON prefill is 5.5 % faster on Zen 1.
 */
export async function startLlamaServer(
  settings: Settings & { llamaServer: string },
  modelPath: string,
): Promise<Contender> {
  const { threads, sequences, contextTokens, llamaServer } = settings;
  const port = await freePort();
  const sizes = ['-t', threads, '-tb', threads, '-np', sequences, '-c', contextTokens * sequences];
  const args = [...sizes.map(String), '--no-webui', ...settings.llamaServerArgs];
  const child = spawn(
    llamaServer,
    ['-m', modelPath, '--host', '127.0.0.1', '--port', String(port), '-lv', '1', ...args],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  const contender = ofProcess('llama-server', child, {
    url: `http://127.0.0.1:${port}`,
    description: `llama-server ${args.join(' ')}`,
  });
  await untilReady(child, `${contender.url}/health`);
  return contender;
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

function ofProcess(
  name: ContenderName,
  child: ChildProcess,
  facts: { url: string; description: string },
): Contender {
  // The exit handler runs also when a signal ends the benchmark.
  const kill = (): void => void child.kill('SIGKILL');
  process.on('exit', kill);
  return {
    name,
    ...facts,
    read: async () => ({ cpu: readCpuTime({ server: child.pid }) }),
    async stop() {
      process.off('exit', kill);
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      kill();
      await exited;
    },
  };
}
