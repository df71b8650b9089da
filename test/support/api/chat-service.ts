/** Starts the real chat service on a free port. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { until } from '../until.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));

const defaults = {
  CHAT_PORT: '0',
  CHAT_THREADS: '1',
  CHAT_MODEL: 'demo',
  CHAT_STRICT_MODEL: 'true',
};

export interface ChatService {
  url: string;
  process: ChildProcess;
  /** Every log line so far. */
  log: string[];
  /** Process id of the engine that was last ready. */
  enginePid(): number;
  /** Value of one series of a new scrape, named as in the exposition; undefined if it does not exist. */
  sample(series: string): Promise<number | undefined>;
  /** SIGTERM, then the exit code. */
  stop(): Promise<number | null>;
}

export interface StartOptions {
  readySeconds?: number;
  /** A command before that of the service, which it runs in its own place, such as `unshare`. */
  before?: readonly string[];
}

/** Other than by default, an unknown model is an error. @throws Error with the service's log if it exits or does not become ready in time. */
export async function startChatService(
  env: Record<string, string> = {},
  { readySeconds = 40, before = [] }: StartOptions = {},
): Promise<ChatService> {
  const service = [process.execPath, '--import', './otel/register.ts', 'src/main.ts'];
  const [program = '', ...args] = [...before, ...service];
  const child = spawn(program, args, {
    cwd: root,
    env: { ...process.env, ...defaults, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const log: string[] = [];
  const port = await new Promise<number>((resolve, reject) => {
    let rest = '';
    child.stdout.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        log.push(line);
        const entry = JSON.parse(line) as { msg?: string; port?: number };
        if (entry.msg === 'listening' && entry.port !== undefined) resolve(entry.port);
      }
    });
    child.once('exit', (code) => reject(new Error(`ended with ${code}:\n${log.join('\n')}`)));
  });
  const url = `http://127.0.0.1:${port}`;
  const ready = () => log.findLast((line) => line.includes('"the engine is ready"'));
  try {
    // The log line may arrive after /readyz has changed.
    await until(
      async () => (await fetch(`${url}/readyz`)).ok && ready() !== undefined,
      readySeconds,
    );
  } catch (error) {
    child.kill('SIGKILL');
    throw new Error(`not ready:\n${log.join('\n')}`, { cause: error });
  }
  return {
    url,
    process: child,
    log,
    enginePid: () => (JSON.parse(ready()!) as { pid: number }).pid,
    async sample(series) {
      const text = await (await fetch(`${url}/metrics`)).text();
      const line = text.split('\n').find((candidate) => candidate.startsWith(`${series} `));
      return line === undefined ? undefined : Number(line.slice(series.length + 1));
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
      const exit = once(child, 'exit') as Promise<[number | null]>;
      child.kill('SIGTERM');
      return (await exit)[0];
    },
  };
}

/** Request fields for an answer that takes seconds, for tests that need a running generation. */
export const longAnswer = {
  max_tokens: 3000,
  response_format: {
    type: 'json_schema' as const,
    json_schema: { name: 'long', schema: { type: 'array', items: { enum: [1] }, minItems: 1000 } },
  },
};
