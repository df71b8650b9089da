/** Models that are loaded into the test's process and used without a scheduler. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { GenerationRequest, Prompt, Sampling } from '../../../src/engine/engine.ts';
import { loadModel, type DisposableModel } from '../../../src/engine/worker/llama/model.ts';
import type { MemoryFolder } from '../../../src/engine/worker/llama/state-memory.ts';
import type { Decoded } from '../../../src/engine/worker/loaded-model.ts';
import { makeGguf } from '../models/make-gguf.ts';

export const demoFile = fileURLToPath(
  new URL('../../../src/models/llamascope-demo.gguf', import.meta.url),
);

/** Greedy sampling. */
export const greedy: Sampling = { temperature: 0, topP: 1, topK: 0, minP: 0, stop: [] };

export function loadForTest(
  modelPath: string,
  options: { embeddings?: boolean; folder?: MemoryFolder } = {},
): Promise<DisposableModel> {
  const { embeddings = false, folder } = options;
  const sizes = { threads: 1, sequences: 2, contextTokens: 2048 };
  const prefixes = { sharePrefix: 'all', cacheMegabytes: 'auto' } as const;
  return loadModel({ modelPath, ...sizes, embeddings, ...prefixes }, folder);
}

/** A model with random weights, so that no answer is right by chance. */
export async function loadNoise(options: { embeddings?: boolean } = {}): Promise<DisposableModel> {
  const folder = mkdtempSync(join(tmpdir(), 'engine-noise-'));
  const out = join(folder, 'noise.gguf');
  makeGguf({ shape: 'tiny', quant: 'q8_0', out });
  const model = await loadForTest(out, options);
  return {
    ...model,
    async dispose() {
      await model.dispose();
      rmSync(folder, { recursive: true });
    },
  };
}

export function chat(user: string, system?: string): Prompt & { kind: 'chat' } {
  const messages = [{ role: 'user' as const, content: user }];
  return {
    kind: 'chat',
    messages: system === undefined ? messages : [{ role: 'system', content: system }, ...messages],
  };
}

/** Runs all slices. */
export function finish<T>(slices: Generator<void, T, void>): T {
  for (;;) {
    const { done, value } = slices.next();
    if (done === true) return value;
  }
}

/** The id of the first token of `piece`. */
export function tokenOf(model: DisposableModel, piece: string): number {
  return finish(model.tokenize({ kind: 'text', text: piece })).tokens[0]!;
}

/** The vector of a text, evaluated `slice` tokens at a time. */
export async function embed({ embedder }: DisposableModel, text: string, slice = Infinity) {
  const tokens = finish(embedder!.prepare(text));
  let vector: readonly number[] | undefined;
  for (let from = 0; from < tokens.length; from += slice) {
    vector = await embedder!.evaluate(tokens, from, Math.min(tokens.length, from + slice));
  }
  return vector!;
}

export function cosine(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, index) => sum + value * b[index]!, 0);
}

export interface Answer {
  decoded: Decoded[];
  text: string;
  /** Whether the answer ended before `maxTokens`. */
  ended: boolean;
}

export async function generate(
  model: DisposableModel,
  request: GenerationRequest,
): Promise<Answer> {
  const prepared = finish(model.prepare(request));
  const [sequence] = model.sequences;
  await sequence!.truncate(0);
  const rest = [...prepared.prompt];
  while (rest.length > model.batchTokens) {
    await sequence!.prefill(rest.splice(0, model.batchTokens));
  }
  const { maxTokens = 400 } = request.sampling;
  const decoded: Decoded[] = [];
  let ended = true;
  for await (const next of prepared.decode(sequence!, rest)) {
    decoded.push(next);
    if (decoded.length < maxTokens) continue;
    ended = false;
    break;
  }
  const tokens = decoded.map(({ token }) => token);
  return { decoded, text: model.detokenize(tokens, []), ended };
}
