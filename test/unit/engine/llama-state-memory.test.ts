/** States of a real sequence in memory: what is left behind, and what a failure costs. */
import { readdirSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { DisposableModel } from '../../../src/engine/worker/llama/model.ts';
import {
  createStateMemory,
  findMemoryFolder,
  type MemoryFolder,
  type StateFile,
} from '../../../src/engine/worker/llama/state-memory.ts';
import { chat, demoFile, finish, greedy, loadForTest } from '../../support/engine/llama-model.ts';

const memory = findMemoryFolder();
/** As a memory file system without space. */
const full: MemoryFolder = {
  freeBytes: () => Infinity,
  writeFile: (write) => write('/dev/full').then(() => Promise.reject(new Error('written'))),
};

let model: DisposableModel;
afterEach(() => model.dispose());

/** Two sequences; the first one holds the tokens. */
async function load(folder: MemoryFolder) {
  model = await loadForTest(demoFile, { folder });
  const [source, target] = model.sequences;
  const { tokens } = finish(model.tokenize({ kind: 'text', text: 'one two three '.repeat(30) }));
  await source!.prefill(tokens);
  return { source: source!, target: target!, tokens };
}

describe.skipIf(memory === undefined)('a state in memory', () => {
  let parts: Awaited<ReturnType<typeof load>>;
  beforeEach(async () => void (parts = await load(memory!)));

  test('is copied whole, over a used sequence too, and leaves nothing behind', async () => {
    const { source, target, tokens } = parts;
    const files = readdirSync('/dev/shm');
    await target.prefill(tokens.toReversed());
    const state = await source.save();
    expect(statSync((state as StateFile).path).mode & 0o777).toBe(0o600);
    expect(statSync((state as StateFile).path).nlink).toBe(0);
    await target.load(state);
    state.drop();
    expect(target.tokens()).toEqual(tokens);
    await target.truncate(7);
    expect(target.tokens()).toEqual(tokens.slice(0, 7));
    expect(readdirSync('/dev/shm')).toEqual(files);
  });

  test.each([
    ['missing', (state: StateFile) => state.drop()],
    ['cut', (state: StateFile) => truncateSync(state.path, state.bytes / 2)],
    ['empty', (state: StateFile) => truncateSync(state.path, 0)],
    ['overwritten', (state: StateFile) => writeFileSync(state.path, 'x'.repeat(1000))],
  ])('that is %s leaves an empty sequence that works', async (_, damage) => {
    const { source, target, tokens } = parts;
    await target.prefill(tokens.slice(0, 20));
    const state = (await source.save()) as StateFile;
    damage(state);
    await expect(target.load(state)).rejects.toThrow('Failed to load state');
    expect(target.id).toBe(1);
    expect(target.tokens()).toEqual([]);
    await Promise.all([source.prefill(tokens.slice(0, 5)), target.prefill(tokens)]);
    expect(target.tokens()).toEqual(tokens);
    expect(source.tokens()).toEqual([...tokens, ...tokens.slice(0, 5)]);
  });

  test('of a sequence that decodes can be copied between two tokens', async () => {
    const { source, target, tokens } = parts;
    const prepared = finish(
      model.prepare({ prompt: chat('Hello'), sampling: { ...greedy, maxTokens: 9 } }),
    );
    await source.truncate(0);
    const answer = prepared.decode(source, prepared.prompt);
    const first = await answer.next();
    const state = await source.save();
    await target.load(state);
    state.drop();
    expect(target.tokens()).toEqual(prepared.prompt);
    const second = await answer.next();
    const again = prepared.decode(target, [(first.value as { token: number }).token]);
    expect(await again.next()).toEqual(second);
    expect(tokens).not.toEqual([]);
  });
});

test('without space nothing is saved, and the sequence is as before', async () => {
  const { source, tokens } = await load(full);
  await expect(source.save()).rejects.toThrow('Failed to save state');
  expect(source.tokens()).toEqual(tokens);
  await source.prefill(tokens.slice(0, 3));
  expect(source.tokens()).toHaveLength(tokens.length + 3);
});

test('without a memory file system there are no copies', async () => {
  expect(findMemoryFolder(['/proc', '/nowhere'])).toBeUndefined();
  model = await loadForTest(demoFile);
  expect(model.stateMemory).toBeUndefined();
});

describe('the size of the prefix cache', () => {
  beforeEach(async () => void (model = await loadForTest(demoFile)));
  const ofSize = (bytes: number): MemoryFolder => ({ ...full, freeBytes: () => bytes });
  const folder = ofSize(10e9);
  const options = { folder, unusedBytes: 4e9, bytesPerToken: 100, freeBytes: () => 20e9 };
  test.each([
    ['half of the memory that is unused', {}, 2e9],
    ['half of the memory file system', { folder: ofSize(64e6) }, 32e6],
    ['at most 4 GiB', { unusedBytes: 40e9, folder: ofSize(40e9) }, 4 * 2 ** 30],
    ['as set', { cacheMegabytes: 300 }, 300e6],
    ['none when it is switched off', { cacheMegabytes: 0 }, 0],
  ])('is %s', (_, changes, bytes) => {
    const cacheMegabytes = 'auto' as const;
    expect(createStateMemory({ ...options, cacheMegabytes, ...changes }).cacheBytes).toBe(bytes);
  });
});
