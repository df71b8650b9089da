// A program that uses node-llama-cpp in three places: itself, a fork and a worker thread.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { isMainThread, Worker } from 'node:worker_threads';
import { LlamaContextSequence } from 'node-llama-cpp';

const isChild = process.send !== undefined;
const who = isMainThread ? (isChild ? 'fork' : 'first') : 'thread';
const isObserved = '__original' in LlamaContextSequence.prototype.evaluateWithMetadata;
console.log(`${who} observed: ${isObserved}`);
if (isChild) process.disconnect();
else if (isMainThread) {
  const file = new URL(import.meta.url);
  await Promise.all([once(fork(file), 'exit'), once(new Worker(file), 'exit')]);
}
