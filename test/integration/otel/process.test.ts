/** Process metrics from /proc, of this process and of a real child. */
import { metrics as api } from '@opentelemetry/api';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { readProcess } from '../../../otel/process/proc.ts';
import { observeProcess } from '../../../otel/process/process.ts';
import { startTelemetry, type Telemetry } from '../../../otel/sdk.ts';
import { readSamples } from '../../support/otel/scrape.ts';

const children: ChildProcess[] = [];

/** A process that uses some CPU, prints a line, and waits. */
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
    // The kernel reports the boot time in whole seconds.
    expect(Math.abs((facts?.startedAt ?? 0) - before)).toBeLessThan(2);
    const elapsed = Date.now() / 1000 - before;
    expect(facts?.uptimeSeconds).toBeGreaterThanOrEqual(0);
    expect(facts?.uptimeSeconds).toBeLessThanOrEqual(elapsed + 0.1);
  });

  test('that does not exist is undefined', () => {
    expect(readProcess(undefined)).toBeUndefined();
    expect(readProcess(2 ** 22 + 1)).toBeUndefined();
  });
});

describe('observed processes', () => {
  let telemetry: Telemetry;
  let engine: ChildProcess | undefined;

  beforeAll(() => {
    telemetry = startTelemetry({ serviceName: 'test', serviceVersion: '1.0.0', shareMillis: 0 });
    observeProcess(api.getMeter('test'), { role: 'api', engine: () => engine?.pid });
  });

  const ofEngine = (name: string): string => `process_${name}{process_role="engine"}`;
  const engineGauges = ['start_time_seconds', 'uptime_seconds'].map(ofEngine);
  const engineAmounts = ['memory_usage_bytes', 'unix_file_descriptor_count'].map(ofEngine);
  const engineCpu = 'process_cpu_time_seconds_total{cpu_mode="user",process_role="engine"}';

  test('an engine has series while it runs, and its CPU sum afterwards', async () => {
    const without = await readSamples(telemetry);
    expect(engineGauges.filter((key) => without.has(key))).toEqual([]);
    expect(engineAmounts.map((key) => without.get(key))).toEqual([0, 0]);
    expect(without.get(engineCpu)).toBe(0);

    engine = await startChild();
    const alive = await readSamples(telemetry);
    expect(engineGauges.filter((key) => !alive.has(key))).toEqual([]);
    expect(engineAmounts.map((key) => (alive.get(key) ?? 0) > 0)).toEqual([true, true]);
    const spent = alive.get(engineCpu) ?? 0;
    expect(spent).toBeGreaterThan(0.05);

    await endChild(engine);
    const dead = await readSamples(telemetry);
    expect(engineGauges.filter((key) => dead.has(key))).toEqual([]);
    expect(engineAmounts.map((key) => dead.get(key))).toEqual([0, 0]);
    expect(dead.get(engineCpu)).toBe(spent);

    engine = await startChild();
    const again = await readSamples(telemetry);
    expect(again.get(engineCpu)).toBeGreaterThan(spent + 0.05);
  });

  test('the API process and the machine have series as well', async () => {
    // Event loop delays exist after a few samples of their own.
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
