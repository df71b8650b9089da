// As in https://node-llama-cpp.withcat.ai/guide/text-completion
import { fileURLToPath } from 'url';
import path from 'path';
import { getLlama, LlamaCompletion } from 'node-llama-cpp';

const __dirname = path.dirname(fileURLToPath(import.meta.url));

const llama = await getLlama({ maxThreads: 1 });
const model = await llama.loadModel({
  modelPath: path.join(__dirname, 'models', 'numbers.gguf'),
});
const context = await model.createContext();
const completion = new LlamaCompletion({
  contextSequence: context.getSequence(),
});

const input = 'Here is a list of sweet fruits:\n* ';
console.log('Input: ' + input);

const res = await completion.generateCompletion(input, { maxTokens: 100 });
console.log('Completion: ' + res);
