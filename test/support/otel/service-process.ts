/** Runs a service as a process and collects its output. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { until } from '../until.ts';
import { inherited } from './program.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));

export interface ServiceProcess {
  url: string;
  /** Standard output and error so far. */
  output: () => string;
  /** Sends SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>;
}

/**
 * Starts `main`, such as `src/main.ts`, and waits until it listens and, unless told otherwise, is ready.
 * @throws Error with its output if it exits before that.
 */
export async function startProcess(
  main: string,
  env: Record<string, string>,
  { ready = true } = {},
): Promise<ServiceProcess> {
  const child = spawn(process.execPath, ['--import', './otel/register.ts', main], {
    cwd: root,
    env: { ...inherited, ...env },
    stdio: 'pipe',
  });
  const exited = once(child, 'exit') as Promise<[number | null]>;
  let output = '';
  const collect = (chunk: Buffer): void => void (output += chunk.toString());
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  let url = '';
  await until(async () => {
    if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode}:\n${output}`);
    const port = /"port":(\d+).*"msg":"listening"/.exec(output)?.[1];
    if (port === undefined) return false;
    url = `http://127.0.0.1:${port}`;
    return !ready || (await fetch(`${url}/readyz`)).ok;
  });
  return {
    url,
    output: () => output,
    async stop() {
      child.kill('SIGTERM');
      return (await exited)[0];
    },
  };
}
