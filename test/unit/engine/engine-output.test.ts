/** Lines of the engine process's stderr that people may see: the cause of a failed load, without paths and without prompts. */
import { expect, test } from 'vitest';
import { createEngineOutput } from '../../../src/engine/host/engine-output.ts';

function read(text: string, modelPath = '/home/li wang/models/any.gguf') {
  const output = createEngineOutput(modelPath);
  // A line may arrive in parts.
  for (const part of text.match(/[^]{1,7}/g) ?? []) output.push(part);
  return output;
}

test.each([
  [
    "[node-llama-cpp] llama_model_load: error loading model: tensor 'blk.1.attn_v.weight' data is not within the file bounds, model is corrupted or incomplete\n[node-llama-cpp] llama_model_load_from_file_impl: failed to load model\n\nFailed to load model\n",
    "llama_model_load: error loading model: tensor 'blk.1.attn_v.weight' data is not within the file bounds, model is corrupted or incomplete",
  ],
  [
    "ENOENT: no such file or directory, open '/home/li wang/models/any.gguf'\n",
    "ENOENT: no such file or directory, open 'any.gguf'",
  ],
  [
    '/build/llama.cpp/ggml/src/ggml.c:5021: GGML_ASSERT(n <= 4) failed',
    'ggml.c:5021: GGML_ASSERT(n <= 4) failed',
  ],
  [
    '40 tokens/s\nInvalid GGUF magic. Expected "GGUF" but got "\u0001U\u001b[31m".',
    'Invalid GGUF magic. Expected "GGUF" but got "U[31m".',
  ],
  ['', undefined],
])('the cause of a failed load: %j', (text, cause) => {
  expect(read(text).loadFailure()).toBe(cause);
});

test('after the load only the line of an abort is passed on', () => {
  const canary = 'parse: error parsing grammar: canary-prompt\n';
  expect(read(canary).abortLine()).toBeUndefined();
  expect(read(`${canary}/a/b/ggml.c:7: GGML_ASSERT(x) failed\n`).abortLine()).toBe(
    'ggml.c:7: GGML_ASSERT(x) failed',
  );
});

test('keeps a bounded part of an output without end', () => {
  const output = createEngineOutput('any.gguf');
  for (let n = 0; n < 10_000; n++) output.push(`${'x'.repeat(1000)} ${n}\n`);
  expect(output.loadFailure()?.length).toBe(300);
  output.push('y'.repeat(100_000));
  expect(output.loadFailure()?.length).toBe(300);
});
