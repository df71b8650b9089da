/** Which prompts are evaluated in which step, and which wait for others. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { beforeEach, expect, test } from 'vitest';
import { createArrayModel, type ArrayModel } from '../../support/engine/model.ts';
import { prompt, run, stopClock } from '../../support/engine/scheduler.ts';

let clock: ReturnType<typeof stopClock>;
beforeEach(() => void (clock = stopClock()));

test('a lone prompt is evaluated in whole batches, and its last slice gives the first token', async () => {
  const model = createArrayModel({ sequences: 1 });
  const { scheduler, of, reach } = run(model);
  scheduler.start(1, model.prepared(prompt(1, 300), { maxTokens: 2 }));
  await reach(1, 'ended');
  expect(model.batches).toEqual([[[0, 128]], [[0, 107]], [[0, 65]], [[0, 1]]]);
  expect(of(1)).toMatchObject([
    { type: 'started' },
    { type: 'prefilling', evaluatedTokens: 128, inputTokens: 300 },
    { type: 'prefilling', evaluatedTokens: 235, inputTokens: 300 },
    { type: 'prefilled', inputTokens: 300, cachedTokens: 0 },
    { type: 'token' },
    { type: 'token' },
    { type: 'ended' },
  ]);
  expect(of(1).at(-1)).toMatchObject({ finishReason: 'length' });
});

test('a step is one token per decoding sequence and a slice of a prompt, in ascending sequence ids', async () => {
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

test('the oldest of several long prompts is evaluated first, whatever its sequence', async () => {
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
  // Request 3 has sequence 0 and begins when request 2, on sequence 1, is evaluated.
  const batches = model.batches.slice(before);
  expect(batches.slice(0, 9)).toEqual(Array.from({ length: 9 }, () => [[1, 128]]));
  expect(batches.slice(-10)).toEqual([
    ...Array.from({ length: 8 }, () => [[0, 128]]),
    [[0, 1300 - 9 * 128 - 65]],
    [[0, 65]],
  ]);
});

test('prompts that arrive together are evaluated in turn and begin to decode together', async () => {
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

test('two prompts that arrive together are evaluated side by side, one tile each per step', async () => {
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

test('long prompts hold back only their last token', async () => {
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

test('the tails of eight prompts fill one step', async () => {
  const model = createArrayModel({ sequences: 8 });
  const { scheduler, reach } = run(model);
  for (let id = 1; id <= 8; id++) scheduler.start(id, model.prepared(prompt(id, 128)));
  await reach(1, 'token');
  expect(model.batches.slice(0, 8)).toEqual(Array.from({ length: 8 }, (_, at) => [[at, 112]]));
  expect(model.batches[8]).toEqual(Array.from({ length: 8 }, (_, at) => [at, 16]));
});

/** The batches on a machine where a prompt token takes 10 ms and a decode 50, with prompts that arrive during a decode. */
async function evaluateBeside(maxTokens: number, prompts = [1000]): Promise<ArrayModel['batches']> {
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
    for (const [, tokens] of model.batches.at(-1)!) clock.millis += tokens === 1 ? 50 : tokens * 10;
    await model.step();
  }
  return model.batches;
}

test('a long prompt waits for an answer that ends soon, and is then evaluated in whole batches', async () => {
  const batches = await evaluateBeside(40);
  expect(batches.filter((batch) => batch.length === 2)).toEqual([]);
  expect(batches.slice(41, 44)).toEqual([[[1, 128]], [[1, 128]], [[1, 128]]]);
});

test('each of several long prompts waits for the answer before it', async () => {
  const batches = await evaluateBeside(50, [1500, 1400, 1300, 1200]);
  expect(batches.filter((batch) => batch.length > 1)).toEqual([]);
});

test('a long prompt does not wait for an answer that does not end soon', async () => {
  const batches = await evaluateBeside(300);
  expect(batches[6]).toEqual([
    [0, 1],
    [1, 13],
  ]);
});

test.each([
  ['long prompts that arrive together', 1100, 1100],
  ['a prompt that is much longer', 300, 700],
])('no prompt waits for %s', async (_, first, second) => {
  const model = createArrayModel({ sequences: 2 });
  const { scheduler, reach, of } = run(model);
  scheduler.start(1, model.prepared(prompt(1, first)));
  scheduler.start(2, model.prepared(prompt(2, second)));
  await reach(1, 'token');
  expect(of(2).map(({ type }) => type)).toEqual(['started']);
});

test('no prompt waits for one that arrived later', async () => {
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

test('no prompt waits for another while a sequence decodes', async () => {
  const model = createArrayModel({ sequences: 3 });
  const { scheduler, reach, of } = run(model);
  scheduler.start(1, model.prepared(prompt(1, 10)));
  await reach(1, 'token');
  scheduler.start(2, model.prepared(prompt(2, 100)));
  scheduler.start(3, model.prepared(prompt(3, 100)));
  await reach(2, 'token');
  expect(of(3).map(({ type }) => type)).toEqual(['started']);
});
