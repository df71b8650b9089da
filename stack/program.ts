import { spawn } from 'node:child_process';

export interface Ended {
  /** 1 for a program that did not start or exceeded the timeout. */
  code: number;
  /** Stdout and stderr, or why the program did not start. */
  text: string;
}

/** Runs a program until it exits. Used for docker, apt and dpkg, and by tests. */
export function runProgram(
  program: string,
  args: string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv; timeoutMillis?: number } = {},
): Promise<Ended> {
  const { timeoutMillis, ...place } = options;
  const signal = timeoutMillis === undefined ? undefined : AbortSignal.timeout(timeoutMillis);
  return new Promise((resolve) => {
    const child = spawn(program, args, { ...place, signal, stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (part: string) => (text += part));
    }
    child.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') resolve({ code: 1, text: `${program} not found` });
      else if (error.code !== 'ABORT_ERR') resolve({ code: 1, text: error.message });
      else resolve({ code: 1, text: `no answer within ${(timeoutMillis ?? 0) / 1000} s` });
    });
    child.once('close', (code) => resolve({ code: code ?? 1, text }));
  });
}
