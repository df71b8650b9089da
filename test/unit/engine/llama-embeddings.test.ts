/** Embeddings of a small model with random weights. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Report } from '../../../src/engine/engine.ts';
import { createCommands, handleCommand } from '../../../src/engine/worker/commands.ts';
import { ask } from '../../support/engine/host.ts';
import { until } from '../../support/until.ts';
import { cosine, embed, finish, loadNoise } from '../../support/engine/llama-model.ts';

let model: Awaited<ReturnType<typeof loadNoise>>;
beforeAll(async () => {
  model = await loadNoise({ embeddings: true });
});
afterAll(() => model.dispose());

test('a vector does not depend on the slices in which the text is evaluated', async () => {
  const text = 'The sea is calm tonight, and the tide is full. '.repeat(10);
  const whole = await embed(model, text);
  expect(whole).toHaveLength(model.facts.embeddingDimensions!);
  expect(cosine(whole, whole)).toBeCloseTo(1, 5);
  expect(cosine(whole, await embed(model, text, 7))).toBeGreaterThan(0.999);
  expect(cosine(whole, await embed(model, `${text}Listen!`))).toBeLessThan(0.999);
});

test('a text that was left behind in the middle does not change the next one', async () => {
  const next = await embed(model, 'Ah, love, let us be true');
  const tokens = finish(model.embedder!.prepare('word '.repeat(300)));
  await model.embedder!.evaluate(tokens, 0, 100);
  expect(cosine(next, await embed(model, 'Ah, love, let us be true'))).toBeGreaterThan(0.9999);
});

test('a chat gets a token between the slices of an embedding, which ends when nobody waits', async () => {
  const reports: Report[] = [];
  const commands = createCommands(model, 'all', (report) => void reports.push(report));
  const tokens = () =>
    reports
      .flatMap((report) => (report.type === 'facts' ? report.facts : []))
      .filter(({ type }) => type === 'token').length;
  const results = () => reports.flatMap((report) => (report.type === 'result' ? [report.id] : []));
  const text = 'word '.repeat(1000);
  void handleCommand(commands, { type: 'prepare', id: 1, client: '', request: ask('one') });
  void handleCommand(commands, { type: 'start', id: 1 });
  await until(() => tokens() > 3);
  const before = tokens();
  await handleCommand(commands, { type: 'embed', id: 2, input: text });
  expect(results()).toEqual([2]);
  expect(tokens() - before).toBeGreaterThan(5);
  const abandoned = handleCommand(commands, { type: 'embed', id: 3, input: text });
  await handleCommand(commands, { type: 'cancel', id: 3 });
  await abandoned;
  await handleCommand(commands, { type: 'embed', id: 4, input: 'one' });
  expect(results()).toEqual([2, 4]);
  await handleCommand(commands, { type: 'cancel', id: 1 });
  const after = tokens();
  await handleCommand(commands, { type: 'embed', id: 5, input: 'two' });
  expect(tokens() - after).toBeLessThan(4);
});

test.each(['a', ' ', '.', '字'])(
  'a megabyte of "%s" is refused after a few slices, just above the context',
  (character) => {
    const slices = model.embedder!.prepare(character.repeat(1e6));
    let count = 0;
    const run = () => {
      while (slices.next().done !== true) count += 1;
    };
    expect(run).toThrow(
      expect.objectContaining({
        code: 'context_overflow',
        message: expect.stringContaining('takes at most 2047 tokens'),
      }),
    );
    expect(count).toBeLessThan(20);
  },
);

test('an empty text is refused', () => {
  expect(() => finish(model.embedder!.prepare(''))).toThrow(
    expect.objectContaining({ code: 'bad_request' }),
  );
});
