/**
 * The stack in real containers, by `make up` and the compose file as it is: chat, Prometheus, Alertmanager and notifier. Part
 * of `make test` where an engine answers or COMPOSE_LAB names one, and skipped in a word where not; `make e2e` runs it alone.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../support/chat-service.ts';
import { createStack, type Stack } from '../support/stack.ts';
import { findEngine, noEngine } from '../support/stack-engine.ts';

const project = `llamascope-e2e-${process.pid}`;
const services = ['notifier', 'alertmanager', 'prometheus', 'chat'] as const;
const megabyte = 2 ** 20;

/** The part of `docker inspect` that is read here. */
interface Inspected {
  State: { Pid: number; Health: { Status: string } };
  RestartCount: number;
  HostConfig: {
    ReadonlyRootfs: boolean;
    Privileged: boolean;
    CapDrop: string[];
    SecurityOpt: string[];
    Memory: number;
    NanoCpus: number;
    PidsLimit: number;
  };
  NetworkSettings: { Ports: Record<string, { HostIp: string; HostPort: string }[] | null> };
}

const engine = await findEngine();
if (engine === undefined) process.stderr.write(`test/e2e/compose.ts ${noEngine}\n`);

describe.skipIf(engine === undefined)('the stack in containers', { timeout: 120_000 }, () => {
  let docker: (...args: string[]) => string;
  let stack: Stack;
  let rules: string;

  const container = (service: string): string => `${project}-${service}-1`;
  const inspect = (service: string): Inspected =>
    (JSON.parse(docker('inspect', container(service))) as [Inspected])[0];
  const image = (service: string): string =>
    docker('inspect', '--format', '{{.Config.Image}}', container(service));
  const inside = (
    service: string,
    ...command: string[]
  ): { status: number | null; out: string } => {
    const { status, stdout, stderr } = spawnSync(
      'docker',
      ['exec', container(service), ...command],
      { encoding: 'utf8', env: stack.env },
    );
    return { status, out: (stdout + stderr).trim() };
  };
  const ours = (kind: 'container' | 'network' | 'volume'): string[] => {
    const all = kind === 'container' ? ['--all'] : [];
    const filter = `label=com.docker.compose.project=${project}`;
    const found = docker(kind, 'ls', ...all, '--quiet', '--filter', filter);
    return found.split('\n').filter((id) => id !== '');
  };
  const inbox = async (): Promise<string> =>
    (await fetch(`http://127.0.0.1:${stack.env['NOTIFIER_PORT']}/api/notifications`)).text();
  const isUp = async (): Promise<boolean> =>
    (await stack.query('up{job="qwen-instruct"}').catch(() => []))[0] === 1;

  beforeAll(async () => {
    const env = engine?.start();
    rules = mkdtempSync(path.join(tmpdir(), 'llamascope-rules-'));
    execFileSync(process.execPath, ['alerting/rules.ts', '--time-scale', '20', '--out', rules]);
    stack = await createStack({
      ...env,
      MODE: 'docker',
      PROFILE: 'minimal',
      COMPOSE_PROJECT_NAME: project,
      LLAMASCOPE_RULES_DIR: rules,
      METRICS_TOKEN: 'canary-metrics',
      NOTIFIER_TOKEN: '',
    });
    docker = (...args) =>
      execFileSync('docker', args, { encoding: 'utf8', env: stack.env, stdio: 'pipe' }).trim();
    await stack.command('up');
  }, 900_000);

  afterAll(async () => {
    if (stack !== undefined) {
      await stack.command('down');
      for (const volume of ours('volume')) docker('volume', 'rm', volume);
      await stack.dispose();
    }
    rmSync(rules, { recursive: true, force: true });
    engine?.stop();
  }, 180_000);

  test('answers a chat, and Prometheus reaches all four by name', async () => {
    const answer = await fetch(`${stack.chatUrl}/chat`, {
      method: 'POST',
      body: '{"prompt":"hi"}',
    });
    expect(await answer.text()).toContain('llamascope');
    await until(async () => (await stack.query('sum(up)'))[0] === services.length);
    await until(async () => (await stack.query('sum(inference_requests_total)'))[0] === 1);
    expect(await stack.query('prometheus_notifications_alertmanagers_discovered')).toEqual([1]);
  });

  test('says of each how it fares', async () => {
    const text = await stack.command('status');
    for (const service of services) {
      expect(text).toMatch(new RegExp(`${service} +healthy +[0-9a-f]{12} +.+ 0 +-`));
    }
  });

  test('is left as it is by a second up', async () => {
    const before = services.map((service) => inspect(service).State.Pid);
    await stack.command('up');
    expect(services.map((service) => inspect(service).State.Pid)).toEqual(before);
    // Two scrapes later Prometheus still knows them all.
    const scrapes = 'sum(count_over_time(up[1h]))';
    const [now = 0] = await stack.query(scrapes);
    await until(async () => ((await stack.query(scrapes))[0] ?? 0) >= now + 2 * services.length);
    expect(await stack.query('sum(up)')).toEqual([services.length]);
  });

  test.each(services)('%s is no root, may do nothing, and writes nothing but its data', (name) => {
    const { HostConfig: host } = inspect(name);
    expect(host).toMatchObject({ ReadonlyRootfs: true, Privileged: false, CapDrop: ['ALL'] });
    expect(host.SecurityOpt).toContain('no-new-privileges:true');
    expect(Number(inside(name, 'id', '-u').out)).toBeGreaterThan(0);
    for (const folder of ['/', '/etc', '/usr']) {
      expect(inside(name, 'touch', path.join(folder, 'mark')).out).toMatch(
        /Read-only file system|Permission denied/,
      );
    }
    expect(inside(name, 'sh', '-c', 'grep CapEff /proc/1/status').out).toMatch(/\t0+$/);
  });

  test.each(services)('%s has bounds', (name) => {
    const { HostConfig: host } = inspect(name);
    expect(host.Memory).toBeGreaterThanOrEqual(128 * megabyte);
    expect(host.NanoCpus).toBeGreaterThan(0);
    expect(host.PidsLimit).toBe(256);
  });

  test('the chat service knows its own bound', async () => {
    const { HostConfig: host } = inspect('chat');
    const query = 'container_memory_limit_bytes{job="qwen-instruct"}';
    expect(await stack.query(query)).toEqual([host.Memory]);
  });

  test('no secret stands where others look', async () => {
    expect(docker('inspect', ...services.map(container))).not.toContain('canary');
    const peer = `fetch('http://chat:8000/metrics').then(({ status }) => console.log(status))`;
    expect(inside('notifier', 'node', '-e', peer).out).toBe('401');
    expect(await stack.query('up{job="qwen-instruct"}')).toEqual([1]);
  });

  test('the image holds what runs, and no data, model or setting of the checkout', () => {
    const list = (folder: string): string[] => inside('chat', 'ls', folder).out.split('\n');
    expect(list('/app/stack')).toEqual(['generated']);
    expect(list('/app/alerting')).toEqual(['notifier', 'runbooks']);
    const own = [
      'alerting',
      'data',
      'models',
      'node_modules',
      'otel',
      'package.json',
      'src',
      'stack',
    ];
    expect(list('/app')).toEqual(own);
    expect(list('/app/data')).toEqual(['']);
    expect(list('/app/node_modules/@node-llama-cpp')).toEqual([`linux-${process.arch}`]);
    expect(list('/app/node_modules')).not.toContain('vitest');
  });

  test('listens on loopback and nowhere else', async () => {
    const published = services.flatMap((service) => {
      return Object.values(inspect(service).NetworkSettings.Ports).flatMap((port) => port ?? []);
    });
    expect(published).toHaveLength(services.length);
    expect(published.every(({ HostIp }) => HostIp === '127.0.0.1')).toBe(true);
    const others = Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .filter(({ internal, family }) => !internal && family === 'IPv4');
    for (const { address } of others) {
      for (const { HostPort } of published) {
        expect(await connects(Number(HostPort), address)).toBe(false);
      }
    }
  });

  test.each(services)('%s comes back when it is killed', async (name) => {
    const { Pid: pid } = inspect(name).State;
    // From outside, as the kernel would when memory runs out: `docker kill` would count as a stop that is wanted.
    const outside = ['--rm', '--pid', 'host', '--user', inside(name, 'id', '-u').out];
    docker('run', ...outside, '--entrypoint', 'kill', image(name), '-9', String(pid));
    await until(() => ![0, pid].includes(inspect(name).State.Pid), 30);
    await until(() => inspect(name).State.Health.Status === 'healthy', 60);
    expect(await stack.command('status')).toMatch(new RegExp(`${name} +healthy .+ 1 +\\d+s ago`));
  });

  test('tells the inbox that the chat service is down', async () => {
    await until(isUp, 30);
    docker('stop', container('chat'));
    await until(async () => (await inbox()).includes('TargetDown'), 60);
    docker('start', container('chat'));
    await until(isUp, 60);
  });

  test('leaves nothing after down but its data, which the next up finds', async () => {
    const time = Date.now() / 1000;
    const samples = await stack.query('count_over_time(up{job="prometheus"}[1h])', time);
    expect(await stack.command('down')).toContain('nothing is left running');
    expect([ours('container'), ours('network')]).toEqual([[], []]);
    for (const port of ['CHAT_PORT', 'PROMETHEUS_PORT', 'ALERTMANAGER_PORT', 'NOTIFIER_PORT']) {
      expect(await connects(Number(stack.env[port]), '127.0.0.1')).toBe(false);
    }
    expect(await stack.command('status')).toBe('The stack is down.\n');
    await stack.command('up');
    expect(await inbox()).toContain('TargetDown');
    expect(await stack.query('count_over_time(up{job="prometheus"}[1h])', time)).toEqual(samples);
  });
});

function connects(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host, timeout: 2000 });
    const end = (is: boolean): void => {
      socket.destroy();
      resolve(is);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
    socket.once('timeout', () => end(false));
  });
}
