/** A stack with its own folders and ports, separate from a running one. Used by the stack's tests. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  supervisionLimits,
  writePlan,
  type ChildDefinition,
} from '../../../stack/native/supervisor/plan.ts';
import type { SupervisionLimits } from '../../../stack/native/supervisor/plan.ts';
import { findOwnProcesses, signal } from '../../../stack/native/supervisor/processes.ts';
import { spawnSupervisor } from '../../../stack/native/start.ts';
import { runProgram, type Ended } from '../../../stack/program.ts';
import { freePort, freePorts } from '../free-ports.ts';

export const root = path.join(import.meta.dirname, '../../..');

export interface Sandbox {
  runDir: string;
  env: NodeJS.ProcessEnv;
  /** Runs `node stack/up.ts COMMAND`. */
  run: (command: string, env?: NodeJS.ProcessEnv) => Promise<Ended>;
  /** Starts a supervisor with the test's children. */
  supervise: (children: ChildDefinition[], limits?: Partial<SupervisionLimits>) => Promise<void>;
  /** Kills the remaining processes and removes the folders. */
  [Symbol.asyncDispose]: () => Promise<void>;
}

/** The folder has a space in its name, as a user's folder may. */
export async function createSandbox(settings: Record<string, string> = {}): Promise<Sandbox> {
  const folder = mkdtempSync(path.join(tmpdir(), 'llamascope stack-'));
  const runDir = path.join(folder, 'run');
  mkdirSync(runDir);
  const [prometheus, alertmanager, notifier] = await freePorts(3);
  const [chat] = await freePorts(Number(settings['REPLICAS'] ?? 1));
  const env = {
    ...process.env,
    CHAT_PORT: String(chat),
    PROMETHEUS_PORT: String(prometheus),
    ALERTMANAGER_PORT: String(alertmanager),
    NOTIFIER_PORT: String(notifier),
    LLAMASCOPE_RUN_DIR: runDir,
    LLAMASCOPE_DATA_DIR: path.join(folder, 'data'),
    // vitest sets MODE too.
    MODE: 'native',
    LANG: 'C',
    NOTIFIER_LOCALE: 'zh-CN',
    CHAT_MODEL: 'demo',
    CHAT_THREADS: '1',
    SCRAPE_INTERVAL: '1s',
    ...settings,
  };
  return {
    runDir,
    env,
    run: (command, more = {}) =>
      runProgram(process.execPath, ['stack/up.ts', command], {
        cwd: root,
        env: { ...env, ...more },
      }),
    async supervise(children, limits = {}) {
      writePlan(runDir, { root, children, limits: { ...supervisionLimits, ...limits } });
      await spawnSupervisor({ root, runDir });
    },
    async [Symbol.asyncDispose]() {
      // The supervisor first, because it would restart the others.
      const own = findOwnProcesses(runDir).toSorted((a, b) => a.startTicks - b.startTicks);
      for (const { pid } of own) signal(pid, 'SIGKILL');
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** A small server that logs its start and its SIGTERM; `script` runs before it listens. */
export async function standIn(name: string, script = ''): Promise<ChildDefinition> {
  const port = await freePort();
  const program = `
    const say = (text) => process.stdout.write(text + '\\n');
    say('started');
    process.on('SIGTERM', () => { say('told to stop'); process.exit(0); });
    ${script};
    require('node:http').createServer((_, answer) => answer.end()).listen(${port}, '127.0.0.1');`;
  return {
    name,
    command: [process.execPath, '-e', program],
    env: {},
    healthUrl: `http://127.0.0.1:${port}/`,
    graceSeconds: 5,
  };
}
