/** Threads, sequences and context for machines of all sizes. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { createCgroupReader } from '../../../otel/process/cgroup.ts';
import { chooseSizes, type Costs, type Machine } from '../../../src/engine/worker/llama/sizing.ts';

const auto = { threads: 'auto', sequences: 'auto', contextTokens: 'auto' } as const;
/** Qwen2.5-0.5B-Instruct Q4_K_M. */
const qwen: Costs = {
  modelBytes: 491e6,
  fixedBytes: 104e6,
  bytesPerToken: 12_288,
  trainContextTokens: 32_768,
};

function machine(options: Partial<Machine>): Machine {
  return { cores: 2, quotaCores: undefined, freeBytes: 22_760e6, ...options };
}

describe('memory', () => {
  test('of 22 GB gives 8 sequences of 4,096 tokens, explained in a sentence', () => {
    expect(chooseSizes(auto, machine({}), qwen)).toMatchObject({
      threads: 2,
      sequences: 8,
      contextTokens: 4096,
      sentence:
        'threads 2 (2 cores), 8 sequences of 4,096 tokens (403 MB, with the model 998 of 22,760 MB free)',
    });
  });

  test.each([
    [1700e6, 8, 4096],
    [1600e6, 6, 4096],
    [1300e6, 2, 4096],
    [1200e6, 1, 2816],
    [1180e6, 1, 1536],
    [1160e6, 1, 512],
  ])('of %d bytes gives %d x %d tokens', (freeBytes, sequences, contextTokens) => {
    expect(chooseSizes(auto, machine({ freeBytes }), qwen)).toMatchObject({
      sequences,
      contextTokens,
    });
  });

  test('that is too small for one sequence is an error with the needed memory and the settings', () => {
    expect(() => chooseSizes(auto, machine({ freeBytes: 900e6 }), qwen)).toThrow(
      'not enough memory: the model with 1 sequence of 512 tokens needs 601 MB; 900 MB are free, of which 407 MB may be used. Free some memory, choose a smaller model (CHAT_MODEL), or set both CHAT_SEQUENCES and CHAT_CONTEXT to start anyway.',
    );
  });

  test('does not limit explicit settings, but the sentence warns', () => {
    const settings = { threads: 3, sequences: 16, contextTokens: 8192 };
    const sizes = chooseSizes(settings, machine({ freeBytes: 900e6 }), qwen);
    expect(sizes).toMatchObject({ threads: 3, sequences: 16, contextTokens: 8192 });
    expect(sizes.sentence).toMatch(
      /^threads 3 \(as set\), .*: more than is safe, but set explicitly\)$/,
    );
  });

  test('limits the other setting if one is explicit', () => {
    const free = machine({ freeBytes: 1600e6 });
    expect(chooseSizes({ ...auto, contextTokens: 2048 }, free, qwen).sequences).toBe(8);
    expect(chooseSizes({ ...auto, sequences: 8 }, free, qwen).contextTokens).toBe(3328);
  });

  test('never gives a longer context than the model was trained with', () => {
    const small = { ...qwen, trainContextTokens: 2048 };
    expect(chooseSizes(auto, machine({}), small).contextTokens).toBe(2048);
  });
});

describe('threads', () => {
  test.each([
    [{ cores: 1 }, 1, '1 core'],
    [{ cores: 2 }, 2, '2 cores'],
    [{ cores: 8 }, 8, '8 cores'],
    [{ cores: 16, quotaCores: 1.5 }, 2, 'a quota of 1.5 of 16 cores'],
    [{ cores: 16, quotaCores: 0.5 }, 1, 'a quota of 0.5 of 16 cores'],
    [{ cores: 4, quotaCores: 8 }, 4, '4 cores'],
  ])('of %j are %d', (given, threads, why) => {
    const sizes = chooseSizes(auto, machine(given), qwen);
    expect(sizes.threads).toBe(threads);
    expect(sizes.sentence).toContain(`threads ${threads} (${why}),`);
  });
});

describe('a cgroup', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sizing-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  function read(name: string, self: string, files: Record<string, string>) {
    const root = join(folder, name);
    for (const [path, text] of Object.entries({ ...files, self })) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    const cgroup = createCgroupReader({ root, self: join(root, 'self') });
    return [cgroup.cpuQuotaCores(), cgroup.memoryUsedBytes()];
  }

  test('of version 2 has its quota, and its memory without reclaimable cache', () => {
    const files = {
      'job/cpu.max': '150000 100000\n',
      'job/memory.current': '5000\n',
      'job/memory.stat': 'anon 1000\ninactive_file 3000\n',
    };
    expect(read('v2', '0::/job\n', files)).toEqual([1.5, 2000]);
  });

  test('of version 1 has the same', () => {
    const files = {
      'cpu/job/cpu.cfs_quota_us': '200000\n',
      'cpu/job/cpu.cfs_period_us': '100000\n',
      'memory/job/memory.usage_in_bytes': '5000\n',
      'memory/job/memory.stat': 'inactive_file 10\ntotal_inactive_file 4000\n',
    };
    expect(read('v1', '2:memory:/job\n1:cpu:/job\n', files)).toEqual([2, 1000]);
  });

  test('without a quota has none, in both versions', () => {
    expect(read('v2-max', '0::/\n', { 'cpu.max': 'max 100000\n' })).toEqual([undefined, undefined]);
    const files = { 'cpu/cpu.cfs_quota_us': '-1\n', 'cpu/cpu.cfs_period_us': '100000\n' };
    expect(read('v1-max', '1:cpu:/\n', files)).toEqual([undefined, undefined]);
  });
});
