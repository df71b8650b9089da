/** The supervisor with children of the tests, which exit, hang, log a lot, or ignore SIGTERM. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { logFile } from '../../../stack/native/supervisor/log-file.ts';
import { findOwnProcesses, isAlive, signal } from '../../../stack/native/supervisor/processes.ts';
import { readState, type ChildState } from '../../../stack/native/supervisor/state.ts';
import { stopStack } from '../../../stack/native/stop.ts';
import { createSandbox, standIn, type Sandbox } from '../../support/stack/sandbox.ts';

const quick = {
  healthIntervalMillis: 50,
  healthTimeoutMillis: 300,
  healthFailures: 3,
  hungGraceMillis: 200,
  firstBackoffMillis: 20,
  longestBackoffMillis: 80,
};

let sandbox: Sandbox;
beforeEach(async () => {
  sandbox = await createSandbox();
});
afterEach(async () => {
  await sandbox[Symbol.asyncDispose]();
});

function child(name: string): ChildState {
  const found = readState(sandbox.runDir)?.children.find((each) => each.name === name);
  if (found === undefined) throw new Error(`${name}: expected it in the state file`);
  return found;
}

function log(name: string): string {
  return readFileSync(logFile(sandbox.runDir, name), 'utf8');
}

/** The backoffs in the supervisor's log, in milliseconds. */
function backoffs(): number[] {
  const lines = log('supervisor').matchAll(/chat ended \(code 3\), next start in (\d+) ms/g);
  return [...lines].map(([, millis]) => Number(millis));
}

const waitFor = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 15_000 });

async function untilHealthy(name: string): Promise<ChildState> {
  await waitFor(() => expect(child(name).health).toBe('healthy'));
  return child(name);
}

test('goes on when its state cannot be written, and writes it later', async () => {
  await sandbox.supervise([await standIn('chat')], quick);
  const { pid = 0 } = await untilHealthy('chat');
  // In place of a full disk.
  const draft = path.join(sandbox.runDir, 'state.json.new');
  mkdirSync(draft);
  signal(pid, 'SIGKILL');
  await waitFor(() => expect(log('chat').match(/started/g)).toHaveLength(2));
  expect(log('supervisor')).toContain('cannot write the state: EISDIR');
  expect(child('chat').restarts).toBe(0);
  rmdirSync(draft);
  await waitFor(() => expect(child('chat').restarts).toBe(1));
});

test('restarts a child although the folder of the logs was deleted', async () => {
  await sandbox.supervise([await standIn('chat')], quick);
  const { pid = 0 } = await untilHealthy('chat');
  rmSync(path.dirname(logFile(sandbox.runDir, 'chat')), { recursive: true });
  signal(pid, 'SIGKILL');
  await waitFor(() => expect(child('chat').restarts).toBe(1));
  await untilHealthy('chat');
  expect(log('chat')).toContain('started');
});

test('restarts a killed child and records how it ended', async () => {
  await sandbox.supervise([await standIn('chat'), await standIn('notifier')], quick);
  const { pid = 0 } = await untilHealthy('chat');
  const other = await untilHealthy('notifier');
  signal(pid, 'SIGKILL');
  await waitFor(() => expect(child('chat').restarts).toBe(1));
  const again = await untilHealthy('chat');
  expect(again.pid).not.toBe(pid);
  expect(again.lastExit?.how).toBe('SIGKILL');
  expect(child('notifier')).toEqual(other);
});

test('terminates and restarts a child that hangs', async () => {
  await sandbox.supervise([await standIn('chat')], quick);
  const { pid = 0 } = await untilHealthy('chat');
  signal(pid, 'SIGSTOP');
  await waitFor(() => expect(child('chat').restarts).toBe(1));
  expect((await untilHealthy('chat')).lastExit?.how).toContain('no answer to its health check');
});

test('restarts a child that never answers', async () => {
  const mute = { ...(await standIn('chat')), healthUrl: 'http://127.0.0.1:1/' };
  await sandbox.supervise([mute], { ...quick, startupMillis: 200 });
  await waitFor(() => expect(child('chat').restarts).toBeGreaterThan(0));
});

test('doubles the backoff before each restart, up to the longest', async () => {
  await sandbox.supervise([await standIn('chat', 'process.exit(3)')], quick);
  await waitFor(() => expect(backoffs().length).toBeGreaterThanOrEqual(5));
  expect(backoffs().slice(0, 5)).toEqual([20, 40, 80, 80, 80]);
});

test('resets the backoff when a child has been healthy for long enough', async () => {
  await sandbox.supervise([await standIn('chat')], { ...quick, steadyMillis: 0 });
  for (const restarts of [1, 2, 3]) {
    const { pid = 0 } = await untilHealthy('chat');
    signal(pid, 'SIGKILL');
    await waitFor(() => expect(child('chat').restarts).toBe(restarts));
  }
  expect(log('supervisor').match(/next start in 20 ms/g)).toHaveLength(3);
});

test('rotates a log at its size limit', async () => {
  const chatty = await standIn('chat', "for (let n = 0; n < 30; n++) say('x'.repeat(1000))");
  await sandbox.supervise([chatty], { ...quick, logBytes: 20_000 });
  const file = logFile(sandbox.runDir, 'chat');
  await waitFor(() => expect(existsSync(`${file}.1`)).toBe(true));
  expect(readFileSync(`${file}.1`, 'utf8')).toContain('started');
  expect(readFileSync(file, 'utf8')).not.toContain('started');
});

test('stops the last child first, and kills one that ignores SIGTERM', async () => {
  const deaf = await standIn(
    'chat',
    "process.removeAllListeners('SIGTERM').on('SIGTERM', () => say('no'))",
  );
  await sandbox.supervise([await standIn('notifier'), { ...deaf, graceSeconds: 0.3 }], quick);
  await untilHealthy('notifier');
  await untilHealthy('chat');
  await stopStack(sandbox);
  expect(log('chat')).toContain('no\n');
  expect(log('notifier')).toContain('told to stop');
  expect(log('supervisor')).toMatch(/chat stopped \(SIGKILL\)\n.*notifier stopped \(code 0\)\n/);
  expect(findOwnProcesses(sandbox.runDir)).toEqual([]);
  expect(readState(sandbox.runDir)).toBeUndefined();
});

test('its children end when it is killed', async () => {
  await sandbox.supervise([await standIn('chat')], quick);
  await untilHealthy('chat');
  const supervisor = readState(sandbox.runDir)?.supervisor ?? { pid: 0, startTicks: 0 };
  signal(supervisor.pid, 'SIGKILL');
  await waitFor(() => expect(isAlive(supervisor)).toBe(false));
  await waitFor(() => expect(findOwnProcesses(sandbox.runDir)).toEqual([]));
  expect(log('chat')).toContain('told to stop');
});

test('down after a SIGKILL of the supervisor ends every process, even a grandchild', async () => {
  // The grandchild has its own process group, and neither process reacts to the signal that the kernel sends when the supervisor exits.
  const parent = await standIn(
    'chat',
    "process.removeAllListeners('SIGTERM').on('SIGTERM', () => {});" +
      "require('node:child_process').spawn('sleep', ['1000'], { detached: true })",
  );
  await sandbox.supervise([parent], quick);
  await untilHealthy('chat');
  signal(readState(sandbox.runDir)!.supervisor.pid, 'SIGKILL');
  expect(findOwnProcesses(sandbox.runDir).length).toBeGreaterThanOrEqual(2);
  await stopStack(sandbox, { leftoverGraceMillis: 100 });
  expect(findOwnProcesses(sandbox.runDir)).toEqual([]);
});
