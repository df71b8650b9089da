/** Who is read in which step, and who waits for whom. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createArrayModel, type ArrayModel } from '../../support/engine/model.ts';
import { prompt, run } from '../../support/engine/scheduler.ts';

test('a lone prompt is read in whole batches, and its last slice brings the first token', async () => {
  const model = createArrayModel({ sequences: 1 });
  const { scheduler, of, reach } = run(model);
  scheduler.start(1, model.prepared(prompt(1, 300), { maxTokens: 2 }));
  await reach(1, 'ended');
  expect(model.batches).toEqual([[[0, 128]], [[0, 107]], [[0, 65]], [[0, 1]]]);
  expect(of(1).map(({ type }) => type)).toEqual([
    'started',
    'prefilled',
    'token',
    'token',
    'ended',
  ]);
  expect(of(1)[1]).toMatchObject({ inputTokens: 300, cachedTokens: 0 });
  expect(of(1).at(-1)).toMatchObject({ finishReason: 'length' });
});

test('a step is one token of each that decodes and a slice of who does not, in ascending sequences', async () => {
  const model = createArrayModel({ sequences: 3 });
  const { scheduler, reach } = run(model);
  scheduler.start(1, model.prepared(prompt(1, 10)));
  scheduler.start(2, model.prepared(prompt(2, 10)));
  await reach(2, 'token');
  const before = model.batches.length;
  scheduler.start(3, model.prepared(prompt(3, 400)));
  await reach(3, 'token');
  const counts = model.batches.slice(before).filter((batch) => batch.length === 3);
  expect(counts.slice(0, 4)).toEqual(
    [126, 126, 83, 65].map((slice) => [
      [0, 1],
      [1, 1],
      [2, slice],
    ]),
  );
});

test('of several long prompts the oldest is served first, whatever its sequence', async () => {
  const model = createArrayModel({ sequences: 2 });
  const { scheduler, reach } = run(model);
  scheduler.start(1, model.prepared(prompt(1, 10)));
  await reach(1, 'token');
  scheduler.start(2, model.prepared(prompt(2, 1400), { maxTokens: 1 }));
  await reach(2, 'started');
  scheduler.cancel(1);
  scheduler.start(3, model.prepared(prompt(3, 1300), { maxTokens: 1 }));
  const before = model.batches.length;
  await reach(3, 'ended');
  // Request 3 took sequence 0, and begins when request 2, on sequence 1, is done.
  const batches = model.batches.slice(before);
  expect(batches.slice(0, 9)).toEqual(Array.from({ length: 9 }, () => [[1, 128]]));
  expect(batches.slice(-10)).toEqual([
    ...Array.from({ length: 8 }, () => [[0, 128]]),
    [[0, 1300 - 9 * 128 - 65]],
    [[0, 65]],
  ]);
});

test('prompts that came together are read in turn and begin to decode together', async () => {
  const model = createArrayModel({ sequences: 3 });
  const { scheduler, reach } = run(model);
  for (const id of [1, 2, 3]) scheduler.start(id, model.prepared(prompt(id, 100)));
  await reach(1, 'token');
  expect(model.batches.slice(0, 4)).toEqual([
    [[0, 96]],
    [[1, 96]],
    [[2, 96]],
    [
      [0, 4],
      [1, 4],
      [2, 4],
    ],
  ]);
});

test('two that came together are read side by side, a tile of each', async () => {
  const model = createArrayModel({ sequences: 2 });
  const { scheduler, reach } = run(model);
  for (const id of [1, 2]) scheduler.start(id, model.prepared(prompt(id, 128)));
  await reach(1, 'token');
  const step = [
    [0, 64],
    [1, 64],
  ];
  expect(model.batches.slice(0, 2)).toEqual([step, step]);
});

test('of a long prompt no more than the last token waits', async () => {
  const model = createArrayModel({ sequences: 2 });
  const { scheduler, reach } = run(model);
  for (const id of [1, 2]) scheduler.start(id, model.prepared(prompt(id, 257)));
  await reach(1, 'token');
  expect(model.batches.slice(0, 5)).toEqual([
    [[0, 128]],
    [[0, 128]],
    [[1, 128]],
    [[1, 128]],
    [
      [0, 1],
      [1, 1],
    ],
  ]);
});

test('eight fill a step with their ends', async () => {
  const model = createArrayModel({ sequences: 8 });
  const { scheduler, reach } = run(model);
  for (let id = 1; id <= 8; id++) scheduler.start(id, model.prepared(prompt(id, 128)));
  await reach(1, 'token');
  expect(model.batches.slice(0, 8)).toEqual(Array.from({ length: 8 }, (_, at) => [[at, 112]]));
  expect(model.batches[8]).toEqual(Array.from({ length: 8 }, (_, at) => [at, 16]));
});

/** The batches of a machine on which a token of a prompt takes 10 ms and a step of those who decode 50. */
async function readBeside(maxTokens: number, prompts = [1000]): Promise<ArrayModel['batches']> {
  let now = 0;
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => now);
  const model = createArrayModel({ sequences: 1 + prompts.length });
  const { scheduler, of } = run(model);
  scheduler.start(1, model.prepared(prompt(1, 100), { maxTokens }));
  const later = prompts.map((length, at) => ({ id: at + 2, length }));
  const isDone = ({ id }: { id: number }): boolean => of(id).at(-1)?.type === 'ended';
  for (let step = 0; step < 500 && !later.every(isDone); step++) {
    if (step === 5) {
      for (const { id, length } of later)
        scheduler.start(id, model.prepared(prompt(id, length), { maxTokens }));
    }
    await nextTurn();
    for (const [, tokens] of model.batches.at(-1)!) now += tokens === 1 ? 50 : tokens * 10;
    await model.step();
  }
  clock.mockRestore();
  return model.batches;
}

test('a long prompt waits for one that is done soon, and is read in whole batches then', async () => {
  const batches = await readBeside(40);
  expect(batches.filter((batch) => batch.length === 2)).toEqual([]);
  expect(batches.slice(41, 44)).toEqual([[[1, 128]], [[1, 128]], [[1, 128]]]);
});

test('each long prompt in turn waits for the one before it', async () => {
  const batches = await readBeside(50, [1500, 1400, 1300, 1200]);
  expect(batches.filter((batch) => batch.length > 1)).toEqual([]);
});

test('beside one that is not done soon it is read at once', async () => {
  const batches = await readBeside(300);
  expect(batches[6]).toEqual([
    [0, 1],
    [1, 13],
  ]);
});

test('the first prompt after a rest is held for those that are just being counted', async () => {
  const model = createArrayModel({ sequences: 2 });
  let expecting = true;
  const { scheduler, reach } = run(model, () => expecting);
  scheduler.start(1, model.prepared(prompt(1, 100)));
  await nextTurn();
  scheduler.start(2, model.prepared(prompt(2, 100)));
  expecting = false;
  await reach(1, 'token');
  expect(model.batches.slice(0, 3)).toEqual([
    [[0, 96]],
    [[1, 64]],
    [
      [0, 4],
      [1, 36],
    ],
  ]);
});

test('the first prompt after a rest waits a moment for those that come with it', async () => {
  let now = 0;
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => now);
  onTestFinished(() => clock.mockRestore());
  const model = createArrayModel({ sequences: 2 });
  const { scheduler, reach } = run(model);
  scheduler.start(1, model.prepared(prompt(1, 100), { maxTokens: 1 }));
  await nextTurn();
  // 80 ms a token, so that the next prompt of 100 waits for 20.
  now = 8000;
  await reach(1, 'ended');
  scheduler.start(2, model.prepared(prompt(2, 100)));
  await nextTurn();
  expect(model.batches).toHaveLength(1);
  scheduler.start(3, model.prepared(prompt(3, 100)));
  await vi.waitFor(() => expect(model.batches).toHaveLength(2));
  await reach(2, 'token');
  const tokens = model.batches.slice(1, 3).map((batch) => batch.map(([, count]) => count));
  expect(tokens).toEqual([
    [64, 64],
    [36, 36],
  ]);
});

test('after the first step nobody is held for a prompt that is being counted', async () => {
  const model = createArrayModel({ sequences: 2 });
  const { scheduler, reach } = run(model, () => true);
  scheduler.start(1, model.prepared(prompt(1, 100)));
  await reach(1, 'token');
  expect(model.batches.slice(0, 2)).toEqual([[[0, 96]], [[0, 4]]]);
});

test.each([
  ['long prompts, although they came together', 1100, 1100],
  ['a prompt that is much longer', 300, 700],
])('nobody is held for %s', async (_, first, second) => {
  const model = createArrayModel({ sequences: 2 });
  const { scheduler, reach, of } = run(model);
  scheduler.start(1, model.prepared(prompt(1, first)));
  scheduler.start(2, model.prepared(prompt(2, second)));
  await reach(1, 'token');
  expect(of(2).map(({ type }) => type)).toEqual(['started']);
});

test('nobody is held for a prompt that came later', async () => {
  const model = createArrayModel({ sequences: 2 });
  const { scheduler, reach, of } = run(model);
  scheduler.start(1, model.prepared(prompt(1, 700)));
  await reach(1, 'started');
  await model.step();
  await model.step();
  scheduler.start(2, model.prepared(prompt(2, 700)));
  await reach(1, 'token');
  expect(of(2).map(({ type }) => type)).toEqual(['started']);
});

test('nobody is held while somebody decodes', async () => {
  const model = createArrayModel({ sequences: 3 });
  const { scheduler, reach, of } = run(model);
  scheduler.start(1, model.prepared(prompt(1, 10)));
  await reach(1, 'token');
  scheduler.start(2, model.prepared(prompt(2, 100)));
  scheduler.start(3, model.prepared(prompt(3, 100)));
  await reach(2, 'token');
  expect(of(3).map(({ type }) => type)).toEqual(['started']);
});
