// As in https://node-llama-cpp.withcat.ai/guide/batching and /guide/low-level-api: four sequences share each batch.
import { fileURLToPath } from 'url';
import path from 'path';
import { getLlama } from 'node-llama-cpp';

const __dirname = path.dirname(fileURLToPath(import.meta.url));

const llama = await getLlama({ maxThreads: 1 });
const model = await llama.loadModel({
  modelPath: path.join(__dirname, 'models', 'numbers.gguf'),
});
const context = await model.createContext({
  sequences: 4,
});

const inputs = ['one', 'one two', 'one two three', 'The best way to\n'];
await Promise.all(
  inputs.map(async (input) => {
    const sequence = context.getSequence();
    const tokens = model.tokenize(input);
    const maxTokens = 10;
    const res = [];
    for await (const generatedToken of sequence.evaluate(tokens)) {
      res.push(generatedToken);
      if (res.length >= maxTokens) break;
    }

    console.log('Result: ' + model.detokenize(res));
  }),
);
