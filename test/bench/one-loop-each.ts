/**
 * The simplest chat server on node-llama-cpp, for comparison: one sequence and one `for await` loop per request, the library's
 * defaults, no state between requests. Runs as a process and prints its port.
 */
import { Template } from '@huggingface/jinja';
import { getLlama, LlamaLogLevel, type LlamaContextSequence, type Token } from 'node-llama-cpp';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

const [modelPath, sequences, contextTokens, threads] = process.argv.slice(2);
const llama = await getLlama({
  gpu: false,
  build: 'never',
  skipDownload: true,
  logLevel: LlamaLogLevel.error,
  ...(threads ? { maxThreads: Number(threads) } : {}),
});
const model = await llama.loadModel({ modelPath: modelPath ?? '' });
const template = new Template(model.fileInfo.metadata.tokenizer.chat_template ?? '');
const context = await model.createContext({
  sequences: Number(sequences),
  contextSize: Number(contextTokens),
  ...(threads ? { threads: Number(threads) } : {}),
});
const free = Array.from({ length: Number(sequences) }, () => context.getSequence());

async function takeSequence(): Promise<LlamaContextSequence> {
  for (;;) {
    const sequence = free.pop();
    if (sequence !== undefined) return sequence;
    await sleep(5);
  }
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = (await json(request)) as { messages: object[]; max_tokens: number };
  const text = template.render({ messages: body.messages, add_generation_prompt: true });
  const prompt = model.tokenize(text, true);
  const write = (frame: object): boolean => response.write(`data: ${JSON.stringify(frame)}\n\n`);
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const sequence = await takeSequence();
  const output: Token[] = [];
  try {
    await sequence.clearHistory();
    if (response.destroyed) return;
    for await (const token of sequence.evaluate(prompt, { temperature: 0 })) {
      const content = model.detokenize([token], false, output.slice(-1));
      output.push(token);
      write({ choices: [{ index: 0, delta: { content } }] });
      if (output.length >= body.max_tokens || response.destroyed) break;
    }
  } finally {
    free.push(sequence);
  }
  const usage = { prompt_tokens: prompt.length, completion_tokens: output.length };
  write({ choices: [], usage });
  response.end('data: [DONE]\n\n');
}

const server = createServer((request, response) => {
  answer(request, response).catch((error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    response.destroy();
  });
});
await once(server.listen(0, '127.0.0.1'), 'listening');
const { port } = server.address() as AddressInfo;
process.stdout.write(`${JSON.stringify({ port, threads: context.currentThreads })}\n`);
// A busy process continues after its parent is killed, and only the closed pipe shows that the parent has exited.
process.stdin.on('end', () => process.exit(0)).resume();
