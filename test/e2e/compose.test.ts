/**
 * The stack in real containers, by `make up` with profile minimal. Part of `make test` where an engine answers or COMPOSE_LAB names
 * one, else skipped; `make e2e` runs it alone.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../support/until.ts';
import { createStack, type Stack } from '../support/stack/stack.ts';
import { connects, createContainers, type Containers } from '../support/stack/containers.ts';
import { findEngine, noEngine } from '../support/stack/engine.ts';
import {
  between,
  createReplicas,
  perInstance,
  settledTime,
  summed,
  sumOf,
} from '../support/stack/panels.ts';

const project = `llamascope-e2e-${process.pid}`;
const services = ['notifier', 'alertmanager', 'prometheus', 'chat'] as const;
const megabyte = 2 ** 20;
const replicas = 3;

const engine = await findEngine();
if (engine === undefined) process.stderr.write(`test/e2e/compose.test.ts is ${noEngine}\n`);

describe.skipIf(engine === undefined)('the stack in containers', { timeout: 120_000 }, () => {
  let containers: Containers;
  let stack: Stack;
  let rules: string;

  const inbox = async (): Promise<string> =>
    (await fetch(`http://127.0.0.1:${stack.env['NOTIFIER_PORT']}/api/notifications`)).text();
  const isUp = async (): Promise<boolean> =>
    (await stack.query('up{job="qwen-instruct"}').catch(() => []))[0] === 1;

  beforeAll(async () => {
    const env = engine?.start();
    rules = mkdtempSync(path.join(tmpdir(), 'llamascope-rules-'));
    execFileSync(process.execPath, ['alerting/rules.ts', '--time-scale', '20', '--out', rules]);
    // Reserves consecutive ports for the replicas; the stack starts with one chat service.
    stack = await createStack({
      ...env,
      REPLICAS: String(replicas),
      MODE: 'docker',
      PROFILE: 'minimal',
      COMPOSE_PROJECT_NAME: project,
      LLAMASCOPE_RULES_DIR: rules,
      METRICS_TOKEN: 'canary-metrics',
      NOTIFIER_TOKEN: '',
    });
    stack.env['REPLICAS'] = '';
    containers = createContainers(project, stack.env);
    await stack.command('up');
  }, 900_000);

  afterAll(async () => {
    if (stack !== undefined) {
      await stack.command('down');
      for (const volume of containers.list('volume')) containers.docker('volume', 'rm', volume);
      await stack.dispose();
    }
    rmSync(rules, { recursive: true, force: true });
    engine?.stop();
  }, 180_000);

  test.each(['minimal', 'full'])(
    'Compose accepts the file without warnings, profile %s',
    (profile) => {
      const args = ['compose', '--file', 'stack/compose.yaml', '--profile', profile, 'config'];
      const { PATH, HOME, DOCKER_CONFIG } = stack.env;
      const env = { PATH, HOME, ...(DOCKER_CONFIG && { DOCKER_CONFIG }) };
      const { status, stderr } = spawnSync('docker', [...args, '--quiet'], {
        encoding: 'utf8',
        env,
      });
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    },
  );

  test('answers a chat, and Prometheus scrapes all four by name', async () => {
    const answer = await fetch(`${stack.chatUrl}/chat`, {
      method: 'POST',
      body: '{"prompt":"hi"}',
    });
    expect(await answer.text()).toContain('llamascope');
    await until(async () => (await stack.query('sum(up)'))[0] === services.length);
    await until(async () => (await stack.query('sum(inference_requests_total)'))[0] === 1);
    expect(await stack.query('prometheus_notifications_alertmanagers_discovered')).toEqual([1]);
  });

  test('status shows every container', async () => {
    const text = await stack.command('status');
    for (const service of services) {
      expect(text).toMatch(
        new RegExp(`${service} +healthy +[0-9a-f]{12} +.+ 0 +(-|0) +(-|\\d+) +-`),
      );
    }
  });

  test('stays unchanged on a second up', async () => {
    const pids = (): number[] => services.map((service) => containers.inspect(service).State.Pid);
    const before = pids();
    await stack.command('up');
    expect(pids()).toEqual(before);
    // Two scrapes later Prometheus still has all targets.
    const scrapes = 'sum(count_over_time(up[1h]))';
    const [now = 0] = await stack.query(scrapes);
    await until(async () => ((await stack.query(scrapes))[0] ?? 0) >= now + 2 * services.length);
    expect(await stack.query('sum(up)')).toEqual([services.length]);
  });

  test.each(services)(
    '%s runs without root and capabilities on a read-only file system',
    (name) => {
      const { HostConfig: host } = containers.inspect(name);
      expect(host).toMatchObject({ ReadonlyRootfs: true, Privileged: false, CapDrop: ['ALL'] });
      expect(host.SecurityOpt).toContain('no-new-privileges:true');
      expect(Number(containers.inside(name, 'id', '-u'))).toBeGreaterThan(0);
      for (const folder of ['/', '/etc', '/usr']) {
        expect(containers.inside(name, 'touch', path.join(folder, 'mark'))).toMatch(
          /Read-only file system|Permission denied/,
        );
      }
      expect(containers.inside(name, 'sh', '-c', 'grep CapEff /proc/1/status')).toMatch(/\t0+$/);
    },
  );

  test.each(services)('%s has limits', (name) => {
    const { HostConfig: host } = containers.inspect(name);
    expect(host.Memory).toBeGreaterThanOrEqual(128 * megabyte);
    // A single chat service may use all cores.
    expect(host.NanoCpus > 0).toBe(name !== 'chat');
    expect(host.PidsLimit).toBe(256);
  });

  test('the chat service reports its memory limit', async () => {
    const { HostConfig: host } = containers.inspect('chat');
    const query = 'llamascope_cgroup_memory_limit_bytes{job="qwen-instruct"}';
    expect(await stack.query(query)).toEqual([host.Memory]);
  });

  test('no secret is visible to docker inspect or to a peer without the token', async () => {
    const names = services.map((service) => containers.name(service));
    expect(containers.docker('inspect', ...names)).not.toContain('canary');
    const peer = `fetch('http://chat:8000/metrics').then(({ status }) => console.log(status))`;
    expect(containers.inside('notifier', 'node', '-e', peer)).toBe('401');
    expect(await stack.query('up{job="qwen-instruct"}')).toEqual([1]);
  });

  test('the browser of this machine needs no token, as without containers', async () => {
    const answer = await fetch(`${stack.chatUrl}/api/silences`, {
      method: 'POST',
      headers: { origin: stack.chatUrl },
      body: '{"fingerprint":"c0ffee","reason":"a test"}',
    });
    expect(await answer.text()).toContain('no longer firing');
  });

  test('the image contains only what runs, and no data, model or setting of the checkout', () => {
    const image = containers.inspect('chat').Config.Image;
    // Not in the running container, which has mounts.
    const list = (folder: string): string[] =>
      containers.docker('run', '--rm', '--entrypoint', 'ls', image, folder).split('\n');
    expect(list('/app/alerting')).toEqual(['notifier', 'runbooks']);
    const own = ['alerting', 'data', 'models', 'node_modules', 'otel', 'package.json', 'src'];
    expect(list('/app')).toEqual(own);
    for (const folder of ['/app/data', '/app/models']) expect(list(folder)).toEqual(['']);
    expect(list('/app/node_modules/@node-llama-cpp')).toEqual([`linux-${process.arch}`]);
    expect(list('/app/node_modules')).not.toContain('vitest');
  });

  test('listens only on loopback', async () => {
    const published = services.flatMap((service) => containers.published(service));
    expect(published).toHaveLength(services.length);
    expect(published.every((address) => address.startsWith('127.0.0.1:'))).toBe(true);
    const others = Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .filter(({ internal, family }) => !internal && family === 'IPv4');
    for (const { address } of others) {
      for (const port of published.map((each) => Number(each.split(':')[1]))) {
        expect(await connects(port, address)).toBe(false);
      }
    }
  });

  test.each(services)('%s restarts when it is killed', async (name) => {
    const { Pid: pid } = containers.inspect(name).State;
    // Kill the process from outside, as the kernel does when memory runs out. After `docker kill`, Docker would not restart the container.
    const outside = ['--rm', '--pid', 'host', '--user', containers.inside(name, 'id', '-u')];
    const image = containers.inspect(name).Config.Image;
    containers.docker('run', ...outside, '--entrypoint', 'kill', image, '-9', String(pid));
    await until(() => ![0, pid].includes(containers.inspect(name).State.Pid), 30);
    await until(() => containers.inspect(name).State.Health.Status === 'healthy', 60);
    expect(await stack.command('status')).toMatch(
      new RegExp(`${name} +healthy .+ 1 +(-|\\d+) +(-|\\d+) +\\d+s ago`),
    );
  });

  test('the inbox gets an alert when the chat service is down', async () => {
    await until(isUp, 30);
    containers.docker('stop', containers.name('chat'));
    await until(async () => (await inbox()).includes('TargetDown'), 60);
    containers.docker('start', containers.name('chat'));
    await until(isUp, 60);
  });

  test('scales to three chat services, with correct panels, and back to one', async () => {
    stack.env['REPLICAS'] = String(replicas);
    expect(await stack.command('up')).toMatch(/^ *chat-3 +http:/m);
    const numbers = Array.from({ length: replicas }, (_, at) => at + 1);
    const instances = numbers.map((number) => `${containers.name('chat', number)}:8000`);
    const prometheusUrl = `http://127.0.0.1:${stack.env['PROMETHEUS_PORT']}`;
    const panels = createReplicas(prometheusUrl, instances);
    const ask = async (expr: string): Promise<number[]> =>
      [...(await panels.ask(expr, instances, Date.now() / 1000)).values()].toSorted();
    await until(async () => sumOf(await ask('up{instance=~"$instance"}')) === replicas, 30);
    expect(await stack.query('count(up{job="qwen-instruct"})')).toEqual([replicas]);
    for (const number of numbers) {
      expect(containers.inspect('chat', number).HostConfig.NanoCpus).toBeGreaterThan(0);
    }
    // One request to the first replica, two to the second, three to the third.
    for (const number of numbers) {
      const url = `http://${containers.published('chat', number)[0]}/chat`;
      for (let n = 0; n < number; n += 1) {
        await (await fetch(url, { method: 'POST', body: '{"prompt":"hi"}' })).text();
      }
    }
    const answered = 'inference_requests_total{instance=~"$instance", reason="stop"}';
    await until(async () => sumOf(await ask(answered)) === 1 + 2 + 3);
    expect(await ask(answered)).toEqual([1, 2, 3]);
    const time = await settledTime();
    for (const { id, expr } of perInstance) {
      expect(await panels.drawn(expr, time), id).toEqual(instances);
    }
    const complaints = [
      ...summed.map((query) => panels.complain('summed', query, time)),
      ...between.map((query) => panels.complain('between', query, time)),
    ];
    expect((await Promise.all(complaints)).flat()).toEqual([]);

    stack.env['REPLICAS'] = '';
    await stack.command('up');
    expect(containers.list('container')).toHaveLength(services.length);
    // Removed replicas no longer count.
    await until(async () => (await stack.query('up{job="qwen-instruct"}')).join() === '1', 30);
  });

  test('MODEL=/path serves any file, and the traces of the earlier container stay', async () => {
    const traces = async (): Promise<string> => {
      const headers = { authorization: 'Bearer canary-metrics' };
      return (await fetch(`${stack.chatUrl}/api/traces`, { headers })).text();
    };
    const answer = await fetch(`${stack.chatUrl}/chat`, {
      method: 'POST',
      body: '{"prompt":"hi"}',
    });
    const id = answer.headers.get('traceparent')?.split('-')[1] ?? '-';
    await answer.text();
    await until(async () => (await traces()).includes(id));
    const file = path.join(rules, 'any model.gguf');
    copyFileSync('src/models/llamascope-demo.gguf', file);
    stack.env['CHAT_MODEL'] = file;
    await stack.command('up');
    expect(await (await fetch(`${stack.chatUrl}/readyz`)).text()).toContain('any model');
    expect(await traces()).toContain(id);
  });

  test('logs shows the log of one service', async () => {
    const logs = spawn(process.execPath, ['stack/up.ts', 'logs', 'chat'], {
      env: stack.env,
      detached: true,
    });
    let text = '';
    logs.stdout.on('data', (chunk: Buffer) => (text += String(chunk)));
    await until(() => text.includes('"msg":"listening"'), 30);
    expect(text).not.toContain('notifier-1');
    // As Ctrl-C does: to the whole group, which ends in silence.
    process.kill(-(logs.pid ?? 0), 'SIGINT');
    await once(logs, 'close');
  });

  test('down removes everything but the data, which the next up has again', async () => {
    const time = Date.now() / 1000;
    const samples = await stack.query('count_over_time(up{job="prometheus"}[1h])', time);
    expect(await stack.command('down')).toContain('nothing is left running');
    expect([containers.list('container'), containers.list('network')]).toEqual([[], []]);
    for (const port of ['CHAT_PORT', 'PROMETHEUS_PORT', 'ALERTMANAGER_PORT', 'NOTIFIER_PORT']) {
      expect(await connects(Number(stack.env[port]), '127.0.0.1')).toBe(false);
    }
    expect(await stack.command('status')).toBe('The stack is down.\n');
    await stack.command('up');
    expect(await inbox()).toContain('TargetDown');
    expect(await stack.query('count_over_time(up{job="prometheus"}[1h])', time)).toEqual(samples);
  });
});
