import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import type { Results } from '../../bench/results.ts';
import { workloads } from '../../bench/workloads.ts';
import { makeGguf } from '../../support/models/make-gguf.ts';

const program = fileURLToPath(new URL('../../bench/serving.ts', import.meta.url));

test('a benchmark that was stopped goes on where it was, and writes its page', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'bench-'));
  const model = path.join(folder, 'tiny.gguf');
  const file = path.join(folder, 'results.json');
  makeGguf({ shape: 'tiny', quant: 'q8_0', say: 'On and on.', loop: true, out: model });
  const run = async (env: Record<string, string>): Promise<Results> => {
    const own = { SMOKE: '1', CHAT_MODEL: model, RESULTS: file, LLAMA_SERVER: '', BASELINE: '' };
    await promisify(execFile)(process.execPath, [program], {
      env: { ...process.env, ...own, ...env },
    });
    return JSON.parse(readFileSync(file, 'utf8')) as Results;
  };

  const stopped = await run({ STOP_AFTER_MINUTES: '0' });
  expect(stopped.samples.map(({ workload }) => workload)).toEqual(['different 1', 'different 1']);
  const whole = await run({ FRESH: 'false' });

  expect(whole.failures).toEqual([]);
  expect(whole.samples[0]).toEqual(stopped.samples[0]);
  const measured = (name: string) =>
    whole.samples.filter(({ contender }) => contender === name).map(({ workload }) => workload);
  expect(measured('ours')).toEqual(Object.keys(workloads));
  expect(measured('bare node-llama-cpp')).toEqual(['different 1']);
  for (const { tokensPerSecond, firstToken, outputTokens } of whole.samples) {
    expect([tokensPerSecond > 0, firstToken.p50 > 0, outputTokens]).toEqual([true, true, 6]);
  }
  const page = readFileSync(path.join(folder, 'README.md'), 'utf8');
  for (const { title } of Object.values(workloads)) expect(page).toContain(`### ${title}\n`);
});
