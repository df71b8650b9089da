/** Both services with their logs and databases on a real disk that is full, and has room again. Needs user namespaces. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createAlert, createWebhook } from '../../support/alerting/alertmanager-webhook.ts';
import { freePorts } from '../../support/free-ports.ts';
import { root } from '../../support/stack/sandbox.ts';
import { until } from '../../support/until.ts';

const inNamespace = ['--user', '--map-root-user', '--mount', 'sh', '-c'];
const mount = 'mount -t tmpfs -o size=1m none "$DISK"';
const disk = mkdtempSync(path.join(tmpdir(), 'disk-'));
const env = { ...process.env, DISK: disk };
const canMount = spawnSync('unshare', [...inNamespace, mount], { env }).status === 0;

describe.skipIf(!canMount)('a full disk', () => {
  let shell: ChildProcess;
  let chat: string;
  let notifier: string;
  /** The disk is mounted in the namespace only. */
  const file = (name: string): string => path.join(`/proc/${shell.pid}/root`, disk, name);
  const log = (name: string): string => readFileSync(file(`${name}.log`), 'utf8');
  const ask = () => fetch(`${chat}/chat`, { method: 'POST', body: '{"prompt":"hi"}' });
  let alerts = 0;
  /** Another alert each time: one that is told already needs no space. */
  const alert = () => {
    const fingerprint = (0xc0ffee_0000 + alerts++).toString(16).padStart(16, '0');
    const body = JSON.stringify(createWebhook([createAlert({ fingerprint })]));
    return fetch(`${notifier}/alerts/default`, { method: 'POST', body });
  };
  const sample = async (url: string, name: string): Promise<number> => {
    const text = await (await fetch(`${url}/metrics`)).text();
    return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
  };

  beforeAll(async () => {
    const [chatPort = 0, notifierPort = 0] = await freePorts(2);
    const start = (program: string, name: string): string =>
      `node --import ./otel/register.ts ${program} >"$DISK/${name}.log" 2>&1 &`;
    const script = `${mount} || exit; ${start('src/main.ts', 'chat')} ${start('alerting/notifier/main.ts', 'notifier')} wait`;
    shell = spawn('unshare', [...inNamespace, script], {
      cwd: root,
      env: {
        ...env,
        CHAT_MODEL: 'demo',
        CHAT_THREADS: '1',
        CHAT_PORT: String(chatPort),
        TRACES_DB: path.join(disk, 'traces.db'),
        NOTIFIER_PORT: String(notifierPort),
        NOTIFIER_DB: path.join(disk, 'notifier.db'),
      },
      stdio: 'inherit',
      detached: true,
    });
    chat = `http://127.0.0.1:${chatPort}`;
    notifier = `http://127.0.0.1:${notifierPort}`;
    for (const url of [chat, notifier]) {
      await until(() =>
        fetch(`${url}/readyz`).then(
          ({ ok }) => ok,
          () => false,
        ),
      );
    }
  });
  afterAll(() => {
    process.kill(-shell.pid!, 'SIGKILL');
    rmSync(disk, { recursive: true });
  });

  test('costs log lines, traces and new alerts, and no answer; with room again all of them are kept', async () => {
    expect((await alert()).status).toBe(200);
    // Down to the last byte.
    expect(() => {
      for (;;) writeFileSync(file('fill'), Buffer.alloc(1024), { flag: 'a' });
    }).toThrow('ENOSPC');

    await until(async () => {
      expect((await ask()).status).toBe(200);
      expect((await fetch(`${notifier}/healthz`)).status).toBe(200);
      // Alertmanager sends it again after a 503.
      const { status } = await alert();
      const lost = [chat, notifier].map((url) => sample(url, 'telemetry_log_lost_total'));
      return status === 503 && (await Promise.all(lost)).every((count) => count > 0);
    });
    await until(async () => (await sample(chat, 'telemetry_spans_lost_total')) > 0);
    const isTold = async (): Promise<boolean> =>
      (await (await fetch(`${chat}/api/status`)).text()).includes('"logDiskFull":true');
    expect(await isTold()).toBe(true);

    rmSync(file('fill'));
    await until(async () => (await alert()).status === 200);
    expect(await isTold()).toBe(false);
    const response = await ask();
    await response.text();
    for (const name of ['chat', 'notifier']) {
      await until(() => /"code":"ENOSPC","msg":"log lines were lost/.test(log(name)));
    }
    const traceId = response.headers.get('traceparent')!.split('-')[1]!;
    await until(async () => (await fetch(`${chat}/api/traces/${traceId}`)).ok);
    const lines = log('chat').trim().split('\n');
    expect(JSON.parse(lines.at(-1)!)).toMatchObject({ name: 'chat' });
  });
});
