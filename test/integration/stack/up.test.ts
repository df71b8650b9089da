/** `make up`, `status`, `logs` and `down` with the real four processes, and their messages when something fails. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { readReadiness } from '../../../stack/model.ts';
import {
  findOwnProcesses,
  markOf,
  readEnvironment,
  signal,
} from '../../../stack/native/supervisor/processes.ts';
import { readState } from '../../../stack/native/supervisor/state.ts';
import { runProgram } from '../../../stack/program.ts';
import { makeGguf } from '../../support/models/make-gguf.ts';
import { createSandbox, root, type Sandbox } from '../../support/stack/sandbox.ts';
import { until } from '../../support/until.ts';

const names = ['notifier', 'alertmanager', 'prometheus', 'chat'];

function pidOf(sandbox: Sandbox, name: string): number {
  const state = readState(sandbox.runDir);
  if (name === 'supervisor') return state?.supervisor.pid ?? 0;
  return state?.children.find((child) => child.name === name)?.pid ?? 0;
}

describe('the stack', () => {
  let sandbox: Sandbox;
  let folder: string;
  beforeAll(async () => {
    // As in `make up MODEL=/path/to/any.gguf`.
    folder = mkdtempSync(path.join(tmpdir(), 'llamascope model-'));
    const file = path.join(folder, 'any.gguf');
    makeGguf({ shape: 'tiny', quant: 'f16', out: file });
    sandbox = await createSandbox({ CHAT_MODEL: file });
  });
  afterAll(async () => {
    await sandbox[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  test('starts once when up runs twice at the same time, and both print the addresses, the model and what to try', async () => {
    const [first, second] = await Promise.all([sandbox.run('up'), sandbox.run('up')]);
    expect(first.text + second.text).toContain('Another `make` is running here');
    expect(first.text + second.text).toContain('The stack is already running');
    expect([first.code, second.code]).toEqual([0, 0]);
    const leaders = findOwnProcesses(sandbox.runDir).filter(({ leader }) => leader);
    expect(leaders.map(({ name }) => name).toSorted()).toEqual(['supervisor', ...names].toSorted());
    for (const { text } of [first, second]) {
      for (const name of names) {
        const port = sandbox.env[`${name.toUpperCase()}_PORT`];
        expect(text).toMatch(
          new RegExp(`${name} +http://127.0.0.1:${port} +${pidOf(sandbox, name)} `),
        );
      }
      expect(text).toMatch(/any \(any\)\nThe page: http:\/\/127\.0\.0\.1:\d+ /);
      const links = text.match(/https?:\S+/g) ?? [];
      expect(links.filter((link) => link.length > 60)).toEqual([]);
    }
  });

  test('Prometheus scrapes all four and has the rules and the Alertmanager', async () => {
    const api = `http://127.0.0.1:${sandbox.env['PROMETHEUS_PORT']}/api/v1`;
    const get = async (what: string): Promise<string> => (await fetch(`${api}/${what}`)).text();
    await vi.waitFor(
      async () => expect((await get('targets')).match(/"health":"up"/g)).toHaveLength(4),
      { timeout: 20_000 },
    );
    expect(await get('alertmanagers')).toContain(`:${sandbox.env['ALERTMANAGER_PORT']}/`);
    expect(await get('rules')).toContain('"name":"TargetDown"');
  });

  test('restarts each killed process, and status shows it', async () => {
    const killed = names.map((name) => ({ name, pid: pidOf(sandbox, name) }));
    for (const { pid } of killed) signal(pid, 'SIGKILL');
    for (const { name, pid } of killed) {
      await vi.waitFor(() => expect([0, pid]).not.toContain(pidOf(sandbox, name)), {
        timeout: 20_000,
      });
    }
    const chatUrl = `http://127.0.0.1:${sandbox.env['CHAT_PORT']}`;
    await until(async () => (await readReadiness(chatUrl))?.status === 'ready');
    await until(() =>
      readState(sandbox.runDir)!.children.every(({ health }) => health === 'healthy'),
    );
    const { text } = await sandbox.run('status');
    for (const name of names) {
      expect(text).toMatch(
        new RegExp(`${name} +healthy +\\d+ +\\d+s +(-|0/\\d+) +1 +(-|0) +(-|1) +SIGKILL, `),
      );
    }
  });

  test('a later up restarts what changed and nothing else, and ends with 1 and the cause if the model cannot be loaded', async () => {
    const before = names.map((name) => pidOf(sandbox, name));
    const half = path.join(folder, 'half.gguf');
    const whole = readFileSync(path.join(folder, 'any.gguf'));
    writeFileSync(half, whole.subarray(0, whole.length - 1000));
    const cause = /llama_model_load: error loading model: .*corrupted or incomplete/;
    const up = await sandbox.run('up', { CHAT_MODEL: half, CHAT_QUEUE_LIMIT: '3' });
    expect(up.text).toMatch(/^Restarting chat, because it changed: .*CHAT_QUEUE_LIMIT/m);
    expect(up.text).toMatch(cause);
    expect(up.text).not.toContain('The page:');
    expect(up.code).toBe(1);
    const after = names.map((name) => pidOf(sandbox, name));
    expect(after.slice(0, -1)).toEqual(before.slice(0, -1));
    expect(after.at(-1)).not.toBe(before.at(-1));
    expect(readEnvironment(after.at(-1)!)['CHAT_QUEUE_LIMIT']).toBe('3');
    expect(readdirSync(sandbox.runDir)).not.toContain('environment.json');
    const options = { cwd: root, env: sandbox.env };
    const [status, chat] = await Promise.all([
      sandbox.run('status'),
      runProgram(process.execPath, ['src/cli/chat.ts', 'Hello'], options),
    ]);
    expect(status.text).toMatch(/chat +cannot load the model +\d+ +\d+s +0\/3 +0 +\d+ +- /);
    expect(status.text).toMatch(cause);
    expect(chat.text).toMatch(cause);
    expect(chat.code).toBe(1);
  });

  test('status reports a killed supervisor, and up repairs the stack', async () => {
    signal(pidOf(sandbox, 'supervisor'), 'SIGKILL');
    // A process of the stack that still runs after its supervisor has exited.
    const env = { ...sandbox.env, ...markOf('engine', sandbox.runDir) };
    const left = spawn('sleep', ['1000'], { env, detached: true, stdio: 'ignore' });
    const running = () => findOwnProcesses(sandbox.runDir).map(({ name }) => name);
    await until(() => running().every((name) => name === 'engine'));
    expect((await sandbox.run('status')).text).toContain(
      `The supervisor has died, still running: engine (${left.pid})`,
    );
    const { code, text } = await sandbox.run('up');
    expect(text).toContain('Stopping processes that an earlier run left behind: engine');
    expect(code).toBe(0);
    const leaders = findOwnProcesses(sandbox.runDir).filter(({ leader }) => leader);
    expect(leaders).toHaveLength(names.length + 1);
  });

  test('down leaves nothing running, a second down does no harm, and logs shows the ends of the logs', async () => {
    expect((await sandbox.run('down')).text).toContain('nothing is left running');
    expect(findOwnProcesses(sandbox.runDir)).toEqual([]);
    const isDown = { code: 0, text: 'The stack is down.\n' };
    const [down, status, logs] = await Promise.all(
      ['down', 'status', 'logs'].map((each) => sandbox.run(each)),
    );
    expect([down, status]).toEqual([isDown, isDown]);
    expect(logs!.code).toBe(0);
    expect(logs!.text).toMatch(/^The stack is down\.\n[^]*chat\.log/);
  });
});

describe('a failure', () => {
  test('names a port in use, the process that has it, and the variable that changes it', async () => {
    await using sandbox = await createSandbox();
    const holder = createServer().listen(Number(sandbox.env['PROMETHEUS_PORT']), '127.0.0.1');
    await once(holder, 'listening');
    const { code, text } = await sandbox.run('up');
    holder.close();
    expect(text).toMatch(
      new RegExp(
        `^Port ${sandbox.env['PROMETHEUS_PORT']} \\(prometheus\\) is in use by .+ \\(pid ${process.pid}\\)\\. .*PROMETHEUS_PORT=\\d+ make up\\n$`,
      ),
    );
    expect(code).toBe(1);
    expect(findOwnProcesses(sandbox.runDir)).toEqual([]);
  });

  test('shows the end of the log of a process that does not start, and stops the rest', async () => {
    await using sandbox = await createSandbox({ NOTIFIER_DB: '/proc/notifier.db' });
    const { code, text } = await sandbox.run('up');
    expect(text).toContain('notifier did not start (code 1)');
    expect(text).toContain('Everything that was started has been stopped.');
    expect(code).toBe(1);
    expect(findOwnProcesses(sandbox.runDir)).toEqual([]);
  });

  test('lists the invalid settings of every program before anything starts', async () => {
    await using sandbox = await createSandbox({
      CHAT_THREADS: '0',
      CHAT_PORT: 'x',
      CHAT_HOST: '0.0.0.0',
      NOTIFIER_RECONCILE_SECONDS: '-1',
      METRICS_TOKEN: 'one',
      METRICS_TOKEN_FILE: '/two',
      LOG_LEVEL: 'loud',
    });
    expect(await sandbox.run('up')).toEqual({
      code: 1,
      text: `Invalid settings:
  CHAT_PORT: expected an integer from 1 to 65535, got "x"
  METRICS_TOKEN and METRICS_TOKEN_FILE: expected one of them, got both
  CHAT_API_KEYS: required, because CHAT_HOST=0.0.0.0 lets other machines in. Set it, or CHAT_ALLOW_ANONYMOUS=true to serve everyone
  CHAT_THREADS: expected "auto" or an integer from 1 to 256, got "0"
  LOG_LEVEL: expected one of fatal, error, warn, info, debug, trace, silent, got "loud"
  NOTIFIER_RECONCILE_SECONDS: expected an integer from 0 to 86400, got "-1"
`,
    });
  });

  test('explains in one line that docker mode has no engine', async () => {
    await using sandbox = await createSandbox({
      MODE: 'docker',
      DOCKER_HOST: 'unix:///nowhere.sock',
    });
    const { code, text } = await sandbox.run('up');
    expect(text).toMatch(
      /^MODE=docker: expected a Docker engine with Compose 2\.24 or later, got: .+`make up MODE=native`\.\n$/s,
    );
    expect(code).toBe(1);
  });

  test('without MODE and engine, native mode is used, in Chinese on a Chinese terminal', async () => {
    await using sandbox = await createSandbox({
      MODE: '',
      DOCKER_HOST: 'unix:///nowhere.sock',
      LANG: 'zh_CN.UTF-8',
    });
    expect(await sandbox.run('down')).toEqual({ code: 0, text: '整套服务未运行。\n' });
  });
});

test('make chat sends a question unchanged, with every character that a shell or make would interpret', async () => {
  const received: string[] = [];
  const server = createServer((request, response) => {
    request.setEncoding('utf8').on('data', (part: string) => received.push(part));
    request.on('end', () => response.writeHead(503).end());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await using sandbox = await createSandbox({ CHAT_PORT: String(port) });
  const touch = `touch '${path.join(sandbox.runDir, 'mark')}'`;
  const question = `it's "$HOME" $(shell ${touch}) \`${touch}\` $$5 #1 \\ 100%`;
  await runProgram('make', ['-s', '-C', root, 'chat', `Q=${question}`], { env: sandbox.env });
  server.close();
  expect(readdirSync(sandbox.runDir)).toEqual([]);
  expect(JSON.parse(received.join('')).messages).toEqual([{ role: 'user', content: question }]);
});
