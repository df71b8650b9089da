/** What is read of processes and cgroups: from a real child, and from folders laid out as the kernel does. */
import { metrics as api } from '@opentelemetry/api';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createCgroupReader } from '../../../otel/process/cgroup.ts';
import { createCpuSum, readProcess, type ProcessFacts } from '../../../otel/process/proc.ts';
import { observeProcess } from '../../../otel/process/process.ts';
import { startTelemetry, type Telemetry } from '../../../otel/sdk.ts';
import { readSamples } from '../../support/otel/scrape.ts';

const children: ChildProcess[] = [];

/** A process that burns some CPU, says so, and waits. */
async function startChild(): Promise<ChildProcess> {
  const burn = `while (process.cpuUsage().user < 150_000); console.log('done'); setInterval(() => {}, 1e6)`;
  const child = spawn(process.execPath, ['-e', burn], { stdio: ['ignore', 'pipe', 'ignore'] });
  children.push(child);
  await once(child.stdout, 'data');
  return child;
}

async function endChild(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

afterAll(async () => {
  await Promise.all(
    children.filter((child) => child.exitCode === null && child.signalCode === null).map(endChild),
  );
});

describe('a process in /proc', () => {
  test('has its CPU time, memory, start and descriptors', async () => {
    const before = Date.now() / 1000;
    const { pid } = await startChild();
    const facts = readProcess(pid);
    expect(facts?.userSeconds).toBeGreaterThan(0.05);
    expect(facts?.memoryBytes).toBeGreaterThan(10e6);
    expect(facts?.openFileDescriptors).toBeGreaterThan(2);
    // The kernel tells the time of boot in whole seconds.
    expect(Math.abs((facts?.startedAt ?? 0) - before)).toBeLessThan(2);
  });

  test('that is not there is undefined', () => {
    expect(readProcess(undefined)).toBeUndefined();
    expect(readProcess(2 ** 22 + 1)).toBeUndefined();
  });
});

function facts(id: string, userSeconds: number): ProcessFacts {
  const systemSeconds = userSeconds / 2;
  return { id, userSeconds, systemSeconds, memoryBytes: 0, startedAt: 0, openFileDescriptors: 0 };
}

test('the CPU sum goes on over a restart, a gap, and a process number that came back', () => {
  const sum = createCpuSum();
  expect(sum.add(undefined)).toEqual({ userSeconds: 0, systemSeconds: 0 });
  expect(sum.add(facts('7 100', 4))).toEqual({ userSeconds: 4, systemSeconds: 2 });
  expect(sum.add(undefined)).toEqual({ userSeconds: 4, systemSeconds: 2 });
  expect(sum.add(facts('7 900', 1))).toEqual({ userSeconds: 5, systemSeconds: 2.5 });
  expect(sum.add(facts('7 900', 3))).toEqual({ userSeconds: 7, systemSeconds: 3.5 });
});

describe('observed processes', () => {
  let telemetry: Telemetry;
  let engine: ChildProcess | undefined;

  beforeAll(() => {
    telemetry = startTelemetry({ serviceName: 'test', serviceVersion: '1.0.0', shareMillis: 0 });
    observeProcess(api.getMeter('test'), { role: 'api', engine: () => engine?.pid });
  });

  const engineGauges = [
    'memory_usage_bytes',
    'start_time_seconds',
    'uptime_seconds',
    'open_file_descriptors',
  ];
  const engineSeries = engineGauges.map((name) => `process_${name}{process_role="engine"}`);
  const engineCpu = 'process_cpu_time_seconds_total{process_cpu_mode="user",process_role="engine"}';

  test('an engine has series while it lives, and its CPU sum outlives it', async () => {
    const without = await readSamples(telemetry);
    expect(engineSeries.filter((key) => without.has(key))).toEqual([]);
    expect(without.get(engineCpu)).toBe(0);

    engine = await startChild();
    const alive = await readSamples(telemetry);
    expect(engineSeries.filter((key) => !alive.has(key))).toEqual([]);
    const spent = alive.get(engineCpu) ?? 0;
    expect(spent).toBeGreaterThan(0.05);

    await endChild(engine);
    const dead = await readSamples(telemetry);
    expect(engineSeries.filter((key) => dead.has(key))).toEqual([]);
    expect(dead.get(engineCpu)).toBe(spent);

    engine = await startChild();
    const again = await readSamples(telemetry);
    expect(again.get(engineCpu)).toBeGreaterThan(spent + 0.05);
  });

  test('the API process and the machine are there as well', async () => {
    // Event loop delays need a few of their own measurements first.
    const samples = await vi.waitFor(async () => {
      const read = await readSamples(telemetry);
      expect(read.has('nodejs_eventloop_delay_p99_seconds')).toBe(true);
      return read;
    });
    expect(samples.get('process_memory_usage_bytes{process_role="api"}')).toBeGreaterThan(10e6);
    const started = samples.get('process_start_time_seconds{process_role="api"}') ?? 0;
    expect(Math.abs(started - performance.timeOrigin / 1000)).toBeLessThan(0.01);
    const used = samples.get('system_memory_utilization_ratio{system_memory_state="used"}') ?? 0;
    const free = samples.get('system_memory_utilization_ratio{system_memory_state="free"}') ?? 0;
    expect(used + free).toBeCloseTo(1, 2);
    expect(samples.get('system_cpu_time_seconds_total{cpu_mode="user"}')).toBeGreaterThan(0);
  });
});

describe('a cgroup', () => {
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'cgroup-'));
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  function layOut(
    name: string,
    self: string,
    files: Record<string, string>,
  ): { root: string; self: string } {
    const root = join(folder, name);
    for (const [path, text] of Object.entries({ ...files, self })) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    return { root, self: join(root, 'self') };
  }

  test('of version 2 tells its throttled time and its memory limit', () => {
    const cgroup = createCgroupReader(
      layOut('v2', '0::/app.slice\n', {
        'app.slice/cpu.stat': 'usage_usec 100\nnr_throttled 3\nthrottled_usec 2500000\n',
        'app.slice/memory.max': '536870912\n',
      }),
    );
    expect([cgroup.throttledSeconds(), cgroup.memoryLimitBytes()]).toEqual([2.5, 536_870_912]);
  });

  test('of version 1 tells the same from its controllers', () => {
    const cgroup = createCgroupReader(
      layOut('v1', '7:cpu,cpuacct:/job\n4:memory:/job\n', {
        'cpu,cpuacct/job/cpu.stat': 'nr_periods 1\nthrottled_time 1500000000\n',
        'memory/job/memory.limit_in_bytes': '1073741824\n',
      }),
    );
    expect([cgroup.throttledSeconds(), cgroup.memoryLimitBytes()]).toEqual([1.5, 1_073_741_824]);
  });

  test('seen from inside a container is at the root, whatever path the host gave it', () => {
    const cgroup = createCgroupReader(
      layOut('container', '0::/docker/0123\n', {
        'memory.max': '1024\n',
        'cpu.stat': 'throttled_usec 0\n',
      }),
    );
    expect([cgroup.throttledSeconds(), cgroup.memoryLimitBytes()]).toEqual([0, 1024]);
  });

  test.each([
    ['max', 'v2-max', '0::/\n', 'memory.max', 'max\n'],
    [
      'the largest number of pages',
      'v1-max',
      '4:memory:/\n',
      'memory/memory.limit_in_bytes',
      '9223372036854771712\n',
    ],
  ])('without a limit says %s, which is no limit', (_, name, self, file, text) => {
    expect(
      createCgroupReader(layOut(name, self, { [file]: text })).memoryLimitBytes(),
    ).toBeUndefined();
  });

  test('that is not there tells nothing', () => {
    const cgroup = createCgroupReader({
      root: join(folder, 'none'),
      self: join(folder, 'none/self'),
    });
    expect([cgroup.throttledSeconds(), cgroup.memoryLimitBytes()]).toEqual([undefined, undefined]);
  });
});
