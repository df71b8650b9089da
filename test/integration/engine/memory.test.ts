/** The memory of the engine process after many generations, with the whole vocabulary of Qwen2.5, on which it depends. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readPid } from '../../chaos/proof/readings.ts';
import { ask, generate, startHost } from '../../support/engine/host.ts';
import { makeGguf } from '../../support/models/make-gguf.ts';

test('the samplers of ended generations are collected in time', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'memory-'));
  const modelPath = path.join(folder, 'full.gguf');
  makeGguf({ shape: 'tinyfull', quant: 'q8_0', say: 'On and on. ', loop: true, out: modelPath });
  const host = await startHost({ modelPath, sequences: 4 });
  onTestFinished(async () => {
    await host.stop();
    rmSync(folder, { recursive: true });
  });
  const status = host.status();
  const bytes = (): number => readPid(status.pid!).anonymousBytes;
  const send = async (count: number): Promise<void> => {
    for (let sent = 0; sent < count; sent += 4) {
      await Promise.all([1, 2, 3, 4].map(() => generate(host, ask('Tell me.', 8)).done));
    }
  };
  await send(40);
  const before = bytes();
  await send(200);
  // One sampler has 1.8 MB.
  expect((bytes() - before) / 1e6).toBeLessThan(120);
});
