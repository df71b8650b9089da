/** The only file that knows node-llama-cpp: loads a model and offers prompts as tokens and sequences that evaluate. */
import {
  getLlama,
  LlamaLogLevel,
  resolveChatWrapper,
  GgufFileType,
  type ChatHistoryItem,
  type ChatWrapper,
  type CustomBatchingPrioritizationStrategy,
  type LlamaContextSequence,
  type LlamaModel,
  type Token,
} from 'node-llama-cpp';
import { availableParallelism } from 'node:os';
import type { EngineFacts, EngineOptions, Prompt, Sampling } from './engine.ts';

// The compute buffer grows with it (512 took 340 MB, 128 takes 104 MB) at the same prefill speed.
export const batchTokens = 128;
const defaultSequences = 4;
const defaultContextTokens = 4096;

/** One slot of the KV cache. */
export interface Sequence {
  readonly id: number;
  /** The tokens whose state it holds. */
  tokens(): readonly number[];
  /** Forgets everything from token `length` on. */
  truncate(length: number): Promise<void>;
  /** Evaluates prompt tokens. */
  prefill(tokens: readonly number[]): Promise<void>;
  /** Generates from the last prompt tokens on; ends at the model's end-of-generation token. */
  decode(tokens: readonly number[], sampling: Sampling): AsyncGenerator<number, void, void>;
}

export interface LoadedModel {
  readonly facts: EngineFacts;
  readonly sequences: readonly Sequence[];
  readonly tokenize: (prompt: Prompt) => number[];
  readonly detokenize: (tokens: readonly number[], previous: readonly number[]) => string;
}

/**
 * Threads for decoding: one core is left to the rest of the machine, since llama.cpp's spin barriers fall 40-fold
 * when a thread has to share its core.
 */
function chooseThreads(setting: number | 'auto'): number {
  return setting === 'auto' ? Math.max(1, availableParallelism() - 1) : setting;
}

/** @throws what node-llama-cpp throws; a malformed file can also abort the process, hence a process of its own. */
export async function loadModel(options: EngineOptions): Promise<LoadedModel> {
  const startedAt = performance.now();
  const threads = chooseThreads(options.threads);
  const llama = await getLlama({
    gpu: false,
    build: 'never',
    skipDownload: true,
    maxThreads: threads,
    logLevel: LlamaLogLevel.error,
  });
  const model = await llama.loadModel({ modelPath: options.modelPath });
  const sequences = options.sequences === 'auto' ? defaultSequences : options.sequences;
  const context = await model.createContext({
    sequences,
    contextSize:
      options.contextTokens === 'auto'
        ? Math.min(model.trainContextSize, defaultContextTokens)
        : options.contextTokens,
    batchSize: batchTokens,
    threads,
    batching: { itemPrioritizationStrategy: bySequence },
  });
  const wrapper = resolveChatWrapper(model);
  const all = Array.from({ length: sequences }, (_, id) =>
    createSequence(id, context.getSequence()),
  );
  await warmUp(all[0]!, model);
  return {
    facts: {
      model: {
        architecture: model.architecture,
        quantization: quantizationOf(model),
        parameters: countParameters(model),
        trainContextTokens: model.trainContextSize,
      },
      loadSeconds: (performance.now() - startedAt) / 1000,
      threads,
      sequences,
      contextTokens: context.contextSize,
    },
    sequences: all,
    tokenize: (prompt) => tokenize(prompt, model, wrapper),
    detokenize: (tokens, previous) =>
      model.detokenize(tokens as Token[], false, previous as Token[]),
  };
}

/** llama.cpp fuses only consecutive ascending sequence ids; the id travels as the evaluation priority. */
const bySequence: CustomBatchingPrioritizationStrategy = ({ items, size }) => {
  let left = size;
  return items
    .toSorted((a, b) => a.evaluationPriority - b.evaluationPriority)
    .map((item) => {
      const processAmount = Math.min(item.tokens.length, left);
      left -= processAmount;
      return { item, processAmount };
    })
    .filter((item) => item.processAmount > 0);
};

function createSequence(id: number, sequence: LlamaContextSequence): Sequence {
  const evaluationPriority = id as 1;
  // The library would drop the first tokens, the system prompt with them, and say nothing.
  const contextShift = {
    strategy(): never {
      throw new Error('the sequence is full: admission let a request through that does not fit');
    },
  };
  return {
    id,
    tokens: () => sequence.contextTokens,
    truncate: (length) =>
      sequence.eraseContextTokenRanges([{ start: length, end: sequence.nextTokenIndex }]),
    prefill: (tokens) =>
      sequence.evaluateWithoutGeneratingNewTokens(tokens as Token[], {
        evaluationPriority,
        contextShift,
      }),
    decode: (tokens, sampling) =>
      sequence.evaluate(tokens as Token[], {
        evaluationPriority,
        contextShift,
        temperature: sampling.temperature,
        topP: sampling.topP,
        topK: sampling.topK,
        minP: sampling.minP,
        // Left alone it is the current second: two equal requests would get equal answers.
        seed: sampling.seed ?? Math.floor(Math.random() * 2 ** 32),
      }),
  };
}

/** The first evaluation allocates; it should not be the first user's. */
async function warmUp(sequence: Sequence, model: LlamaModel): Promise<void> {
  await sequence.prefill(model.tokenize('warm up'));
  await sequence.truncate(0);
}

function tokenize(prompt: Prompt, model: LlamaModel, wrapper: ChatWrapper): number[] {
  if (prompt.kind === 'text') return model.tokenize(prompt.text);
  const chatHistory: ChatHistoryItem[] = prompt.messages.map((message) => {
    if (message.role === 'assistant') return { type: 'model', response: [message.content] };
    return { type: message.role, text: message.content };
  });
  // The wrapper writes the opening of the answer that follows; texts from people stay text, never special tokens.
  chatHistory.push({ type: 'model', response: [] });
  return wrapper.generateContextState({ chatHistory }).contextText.tokenize(model.tokenizer);
}

/** `MOSTLY_Q4_K_M` → `Q4_K_M`, as people call it. */
function quantizationOf(model: LlamaModel): string {
  const type = GgufFileType[model.fileInfo.metadata.general.file_type ?? -1] ?? 'unknown';
  return type.replace(/^MOSTLY_/, '');
}

function countParameters(model: LlamaModel): number {
  return (model.fileInfo.fullTensorInfo ?? []).reduce(
    (sum, tensor) =>
      sum + tensor.dimensions.reduce((product: number, size) => product * Number(size), 1),
    0,
  );
}
