import { rmSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startStorm, type Storm } from '../../chaos/storm.ts';
import { writeEndlessModel } from '../../support/engine/host.ts';

const modelPath = writeEndlessModel();
let storm: Storm;

beforeAll(async () => {
  storm = await startStorm(modelPath);
});
afterAll(async () => {
  await storm.stop();
  rmSync(path.dirname(modelPath), { recursive: true });
});

// Five of the hundred seeds of `make chaos`: each phase once, every signal.
test.each([0, 1, 2, 3, 4])(
  'seed %i: the engine is killed, and every request ends with an answer or an error and is counted once',
  async (seed) => {
    const { problems } = await storm.round(seed);
    expect(problems).toEqual([]);
  },
  120_000,
);

test('an engine process does not outlive a service that is killed under load', async () => {
  expect(await storm.killService()).toEqual([]);
});
