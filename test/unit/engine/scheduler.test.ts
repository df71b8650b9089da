import { expect, test } from 'vitest';
import { monotonicMillis } from '../../../otel/clock.ts';
import { createArrayModel } from '../../support/engine/model.ts';
import { prompt, run, stopClock } from '../../support/engine/scheduler.ts';

test('a request cancelled while it decodes leaves after the step', async () => {
  const model = createArrayModel({ sequences: 1 });
  const { scheduler, reach, of } = run(model);
  scheduler.start(1, model.prepared(prompt(1, 10)));
  await reach(1, 'token');
  scheduler.cancel(1);
  const before = model.batches.length;
  await model.step();
  await model.step();
  expect(model.batches.length).toBe(before);
  expect(scheduler.stepMillis()).toBe(0);
  expect(of(1).at(-1)).toMatchObject({ type: 'token' });
});

test('a request cancelled during prefill leaves after the step', async () => {
  stopClock();
  const model = createArrayModel({ sequences: 2 });
  const { scheduler, reach } = run(model);
  scheduler.start(1, model.prepared(prompt(1, 10)));
  await reach(1, 'token');
  scheduler.start(2, model.prepared(prompt(2, 3000)));
  await reach(2, 'started');
  expect(model.batches.at(-1)).toEqual([
    [0, 1],
    [1, 127],
  ]);
  scheduler.cancel(2);
  await model.step();
  expect(model.batches.at(-1)).toEqual([[0, 1]]);
});

test('a request that arrives before a cancelled one has left waits for its sequence', async () => {
  const model = createArrayModel({ sequences: 1 });
  const { scheduler, reach, failed } = run(model);
  scheduler.start(1, model.prepared(prompt(1, 10)));
  await reach(1, 'token');
  scheduler.cancel(1);
  scheduler.start(2, model.prepared(prompt(2, 10), { maxTokens: 1 }));
  await reach(2, 'ended');
  expect(failed).toEqual([]);
});

test('a request cancelled before it had a sequence is never evaluated', async () => {
  const model = createArrayModel({ sequences: 1 });
  const { scheduler, reach, of } = run(model);
  scheduler.start(1, model.prepared(prompt(1, 10), { maxTokens: 1 }));
  scheduler.start(2, model.prepared(prompt(2, 10)));
  scheduler.cancel(2);
  scheduler.start(3, model.prepared(prompt(3, 10), { maxTokens: 1 }));
  await reach(3, 'ended');
  expect(of(2)).toEqual([]);
});

test('a failed batch ends every request in it and clears their sequences, and the loop goes on', async () => {
  const model = createArrayModel({ sequences: 3 });
  const { scheduler, reach, failed, of } = run(model);
  scheduler.start(1, model.prepared(prompt(1, 10)));
  scheduler.start(2, model.prepared(prompt(2, 1000)));
  await reach(1, 'token');
  await model.step('failed');
  expect(failed.map(([id]) => id).toSorted()).toEqual([1, 2]);
  expect(scheduler.contextTokens()).toBe(0);
  scheduler.start(3, model.prepared(prompt(1, 10), { maxTokens: 3 }));
  await reach(3, 'ended');
  expect(of(3)[1]).toMatchObject({ type: 'prefilled', cachedTokens: 0 });
});

test('the next turn of a conversation evaluates only what is new', async () => {
  const model = createArrayModel({ sequences: 2 });
  const { scheduler, reach, of } = run(model);
  const first = prompt(1, 100);
  scheduler.start(1, model.prepared(first, { maxTokens: 3 }));
  await reach(1, 'ended');
  scheduler.start(2, model.prepared([...first, 7, 7, 1, 2, 3], { maxTokens: 1 }));
  await reach(2, 'ended');
  expect(model.batches.at(-1)).toEqual([[0, 3]]);
  expect(of(2)[1]).toMatchObject({ type: 'prefilled', inputTokens: 105, cachedTokens: 102 });
});

test('prefill begins with the first slice, not while other prompts are evaluated', async () => {
  const model = createArrayModel({ sequences: 2 });
  const { scheduler, reach, of } = run(model);
  scheduler.start(1, model.prepared(prompt(1, 1600), { maxTokens: 1 }));
  scheduler.start(2, model.prepared(prompt(2, 1500), { maxTokens: 1 }));
  await reach(2, 'started');
  const between = monotonicMillis();
  await reach(2, 'ended');
  const at = of(2)
    .filter(({ type }) => type !== 'prefilling')
    .map((fact) => (fact.type === 'prefilled' ? fact.startedAt : fact))
    .slice(0, 2);
  expect(at).toEqual([expect.objectContaining({ type: 'started' }), expect.any(Number)]);
  expect(at[1]).toBeGreaterThan(between);
});

test('a token has its log-probability and those of the most likely tokens, as text and bytes', async () => {
  const model = createArrayModel({ sequences: 1 });
  const { scheduler, reach, of } = run(model);
  const answer = [{ token: 5, logprob: -0.25, top: [[5, -0.25] as const, [6, -2] as const] }];
  scheduler.start(1, model.prepared(prompt(1, 4), { answer }));
  await reach(1, 'ended');
  const five = { token: 't5 ', bytes: [...Buffer.from('t5 ')], logprob: -0.25 };
  const six = { token: 't6 ', bytes: [...Buffer.from('t6 ')], logprob: -2 };
  expect(of(1).find(({ type }) => type === 'token')).toMatchObject({
    text: 't5 ',
    logprob: { ...five, top: [five, six] },
  });
  expect(of(1).at(-1)).toMatchObject({ type: 'ended', finishReason: 'stop', text: '' });
});

test('a stop sequence ends the answer and is not part of it', async () => {
  const model = createArrayModel({ sequences: 1 });
  const { scheduler, reach, of } = run(model);
  const answer = [1, 2, 3, 4].map((token) => ({ token }));
  scheduler.start(1, model.prepared(prompt(1, 4), { answer, stop: ['2 t3'] }));
  await reach(1, 'ended');
  const text = of(1).map((fact) => ('text' in fact ? fact.text : ''));
  expect(text.join('')).toBe('t1 t');
  expect(of(1).at(-1)).toMatchObject({ finishReason: 'stop' });
});
