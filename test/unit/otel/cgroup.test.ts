/** The CPU sum of successive processes, and cgroup files as the kernel writes them. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createCgroupReader } from '../../../otel/process/cgroup.ts';
import { createCpuSum, type ProcessFacts } from '../../../otel/process/proc.ts';

function facts(id: string, userSeconds: number): ProcessFacts {
  const systemSeconds = userSeconds / 2;
  return {
    id,
    userSeconds,
    systemSeconds,
    memoryBytes: 0,
    startedAt: 0,
    uptimeSeconds: 0,
    openFileDescriptors: 0,
  };
}

test('the CPU sum continues over a restart, a gap and a reused pid', () => {
  const sum = createCpuSum();
  expect(sum.add(undefined)).toEqual({ userSeconds: 0, systemSeconds: 0 });
  expect(sum.add(facts('7 100', 4))).toEqual({ userSeconds: 4, systemSeconds: 2 });
  expect(sum.add(undefined)).toEqual({ userSeconds: 4, systemSeconds: 2 });
  expect(sum.add(facts('7 900', 1))).toEqual({ userSeconds: 5, systemSeconds: 2.5 });
  expect(sum.add(facts('7 900', 3))).toEqual({ userSeconds: 7, systemSeconds: 3.5 });
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

  test('of version 2 has its throttled time and memory limit', () => {
    const cgroup = createCgroupReader(
      layOut('v2', '0::/app.slice\n', {
        'app.slice/cpu.stat': 'usage_usec 100\nnr_throttled 3\nthrottled_usec 2500000\n',
        'app.slice/memory.max': '536870912\n',
      }),
    );
    expect([cgroup.throttledSeconds(), cgroup.memoryLimitBytes()]).toEqual([2.5, 536_870_912]);
  });

  test('of version 1 has them from its controllers', () => {
    const cgroup = createCgroupReader(
      layOut('v1', '7:cpu,cpuacct:/job\n4:memory:/job\n', {
        'cpu,cpuacct/job/cpu.stat': 'nr_periods 1\nthrottled_time 1500000000\n',
        'memory/job/memory.limit_in_bytes': '1073741824\n',
      }),
    );
    expect([cgroup.throttledSeconds(), cgroup.memoryLimitBytes()]).toEqual([1.5, 1_073_741_824]);
  });

  test('inside a container is at the root, whatever path the host gave it', () => {
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
  ])('without a limit has %s, which is no limit', (_, name, self, file, text) => {
    expect(
      createCgroupReader(layOut(name, self, { [file]: text })).memoryLimitBytes(),
    ).toBeUndefined();
  });

  test('that does not exist has no values', () => {
    const cgroup = createCgroupReader({
      root: join(folder, 'none'),
      self: join(folder, 'none/self'),
    });
    expect([cgroup.throttledSeconds(), cgroup.memoryLimitBytes()]).toEqual([undefined, undefined]);
  });
});
