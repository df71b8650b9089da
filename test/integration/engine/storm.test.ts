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

// Ten of the hundred of `make chaos`: each phase twice, every signal.
test.each([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])(
  'storm %i: the engine is killed, every client is told or answered, and nothing is lost count of',
  async (seed) => {
    const { problems } = await storm.round(seed);
    expect(problems).toEqual([]);
  },
  120_000,
);

test('the service killed under load leaves no engine behind', async () => {
  expect(await storm.killService()).toEqual([]);
});
