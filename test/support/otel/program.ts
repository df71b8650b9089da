/** Runs programs the way users do: `node --import ./otel/register.ts program`. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The variables of the test run that a program keeps; its telemetry settings come from the test alone. */
export const inherited = {
  PATH: process.env['PATH'],
  NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'],
};
const root = fileURLToPath(new URL('../../..', import.meta.url));

export interface Run {
  code: number | null;
  /** Lines of standard output, log lines included. */
  lines: string[];
  stderr: string;
}

/** Writes a program into `folder` and runs it. `telemetry`, `createLogger` and `print` are in scope. */
export async function runRegistered(
  folder: string,
  program: string,
  options: { env?: Record<string, string>; imported?: boolean } = {},
): Promise<Run> {
  const { env = {}, imported = true } = options;
  const file = join(folder, `${Math.random()}.mjs`);
  const head = [
    `import { currentTelemetry } from '${root}otel/sdk.ts';`,
    `import { createLogger } from '${root}otel/logger.ts';`,
    `const telemetry = currentTelemetry();`,
    `const print = (value) => console.log(JSON.stringify(value));`,
  ];
  writeFileSync(file, [...head, program].join('\n'));
  const args = imported ? ['--import', './otel/register.ts', file] : [file];
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: { ...inherited, ...env },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, lines: stdout.split('\n').filter((line) => line !== ''), stderr };
}
