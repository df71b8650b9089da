/** Loads a model and assembles its parts. The engine process calls it once. */
import {
  getLlama,
  GgufFileType,
  LlamaLogLevel,
  type Llama,
  type LlamaModel,
  type Token,
} from 'node-llama-cpp';
import type { Batch, EngineOptions, ModelFacts } from '../../engine.ts';
import type { LoadedModel, Prepared } from '../loaded-model.ts';
import { createEmbedder, embeddingContextTokens } from './embeddings.ts';
import { createGrammars } from './grammar/grammar.ts';
import { readMachine } from './machine.ts';
import { createPrompts, findControlTokens, type Prompts } from './prompt/prompt.ts';
import { createOwnDistribution } from './own-distribution.ts';
import { checkLogitBias } from './sampling.ts';
import { createBatchOrder, createSequence, type LlamaSequence } from './sequence.ts';
import { createTokenBytes } from './token-bytes.ts';
import { createStateMemory, type MemoryFolder } from './state-memory.ts';
import { chooseSizes, chooseThreads, type Costs, type Sizes } from './sizing.ts';

// Batches of 128: the compute buffer is 104 MB instead of 340 MB at 512, at the same prefill speed (measured).
const batchTokens = 128;

/** Twice the context of the catalogue's models. The API process reads and writes them in one go, in 50 ms. */
const maxTokenized = 65_536;
/** In 2 ms. */
const detokenizedAtATime = 1000;

/** `dispose` is for tests; the engine process just ends. */
export type DisposableModel = LoadedModel & { dispose(): Promise<void> };

/**
 * Without `folder`, sequences share no prefixes.
 * @throws Error when there is not enough memory, and the errors of node-llama-cpp. A malformed file can abort the process.
 */
export async function loadModel(
  options: EngineOptions,
  folder?: MemoryFolder,
): Promise<DisposableModel> {
  const startedAt = performance.now();
  const machine = readMachine();
  const llama = await getLlama({
    gpu: false,
    build: 'never',
    skipDownload: true,
    maxThreads: chooseThreads(options.threads, machine),
    logLevel: LlamaLogLevel.error,
  });
  const model = await llama.loadModel({ modelPath: options.modelPath });
  const costs = await estimateCosts(model, options.embeddings);
  const sizes = chooseSizes(options, machine, costs);
  const { sequences, contextTokens, takeBatches, canCopy, warmedUp } = await createSequences(
    model,
    sizes,
    folder,
  );
  const { threads } = sizes;
  const controlTokens = findControlTokens(model);
  const prompts = createPrompts(model, controlTokens);
  const embedder = options.embeddings
    ? await createEmbedder(model, { batchTokens, threads, prompts })
    : undefined;
  return {
    facts: {
      model: describeModel(model),
      loadSeconds: (performance.now() - startedAt) / 1000,
      threads,
      sequences: sizes.sequences,
      contextTokens,
      embeddingDimensions: embedder && model.embeddingVectorSize,
      sizing: sizes.sentence,
    },
    sequences,
    batchTokens,
    warmUp: warmedUp,
    setThreads:
      options.threads === 'auto' && threads > 1
        ? (count) => {
            llama.maxThreads = count;
          }
        : undefined,
    stateMemory:
      folder === undefined || !canCopy || options.sharePrefix === 'none'
        ? undefined
        : createStateMemory({
            folder,
            cacheMegabytes: options.cacheMegabytes,
            unusedBytes: sizes.unusedBytes,
            bytesPerToken: costs.bytesPerToken,
            freeBytes: () => readMachine().freeBytes,
          }),
    takeBatches,
    prepare: createPrepare({ llama, model, controlTokens, sequences, prompts }),
    *tokenize(prompt) {
      const tokens = yield* prompts.tokenize(prompt, maxTokenized);
      const pieces: string[] = [];
      for (const token of tokens) {
        pieces.push(model.detokenize([token as Token], true));
        if (pieces.length % detokenizedAtATime === 0) yield;
      }
      return { tokens, pieces };
    },
    embedder,
    detokenize: (tokens, previous) =>
      model.detokenize(tokens as Token[], false, previous as Token[]),
    bytesOf: createTokenBytes(model),
    async dispose() {
      await model.dispose();
      await llama.dispose();
    },
  };
}

async function createSequences(model: LlamaModel, sizes: Sizes, folder: MemoryFolder | undefined) {
  let batches: Batch[] = [];
  const takeBatches = (): Batch[] => {
    const taken = batches;
    batches = [];
    return taken;
  };
  const context = await model.createContext({
    sequences: sizes.sequences,
    contextSize: sizes.contextTokens,
    batchSize: batchTokens,
    threads: sizes.threads,
    batching: { itemPrioritizationStrategy: createBatchOrder((batch) => batches.push(batch)) },
  });
  const own = createOwnDistribution(context, model);
  const sequences = Array.from({ length: sizes.sequences }, (_, id) =>
    createSequence(id, context, folder, own),
  );
  // The state of a sliding-window or recurrent model cannot be truncated to a prefix.
  const canCopy = sequences.every(({ needsCheckpoints }) => !needsCheckpoints);
  const warmedUp = await warmUp(sequences, model);
  takeBatches();
  return { sequences, contextTokens: context.contextSize, takeBatches, canCopy, warmedUp };
}

/** The first evaluation allocates buffers, which would delay the first request; the second one measures the machine. */
async function warmUp(
  [first]: readonly LlamaSequence[],
  model: LlamaModel,
): Promise<LoadedModel['warmUp']> {
  const tokens = model.tokenize('warm up '.repeat(16)).slice(0, 16);
  await first!.prefill(tokens);
  await first!.truncate(0);
  const startedAt = performance.now();
  await first!.prefill(tokens);
  const millis = performance.now() - startedAt;
  await first!.truncate(0);
  return { tokens: tokens.length, millis };
}

function createPrepare(parts: {
  llama: Llama;
  model: LlamaModel;
  controlTokens: readonly Token[];
  sequences: readonly LlamaSequence[];
  prompts: Prompts;
}): LoadedModel['prepare'] {
  const { model, sequences } = parts;
  const grammars = createGrammars(parts.llama, model, parts.controlTokens);
  return function* prepare(request): Generator<void, Prepared, void> {
    const { sampling, format } = request;
    checkLogitBias(sampling, model);
    const begin = format === undefined ? undefined : yield* grammars.prepare(format);
    yield;
    const prompt = yield* parts.prompts.tokenize(request.prompt);
    return {
      prompt,
      request,
      droppedKeywords: begin?.dropped ?? [],
      decode(sequence, tokens) {
        const guard = begin?.();
        return sequences[sequence.id]!.decode({ model, sampling, guard, prompt, tokens });
      },
    };
  };
}

/** Estimates memory per token from the size difference of two context layouts; nothing is allocated. */
async function estimateCosts(model: LlamaModel, embeddings: boolean): Promise<Costs> {
  const estimate = async (contextSize: number, isEmbeddingContext = false): Promise<number> => {
    const { cpuRam } = await model.fileInsights.estimateContextResourceRequirementsV2({
      contextSize,
      isEmbeddingContext,
      sequences: 1,
      batchSize: batchTokens,
      modelGpuLayers: 0,
    });
    return cpuRam;
  };
  const [small, large] = [1024, 2048];
  const smallBytes = await estimate(small);
  const bytesPerToken = ((await estimate(large)) - smallBytes) / (large - small);
  return {
    modelBytes: model.size,
    fixedBytes:
      smallBytes -
      small * bytesPerToken +
      (embeddings ? await estimate(embeddingContextTokens(model), true) : 0),
    bytesPerToken,
    trainContextTokens: model.trainContextSize,
  };
}

function describeModel(model: LlamaModel): ModelFacts {
  const type = GgufFileType[model.fileInfo.metadata.general.file_type ?? -1] ?? 'unknown';
  const tensors = model.fileInfo.fullTensorInfo ?? [];
  return {
    architecture: model.architecture,
    // The file has MOSTLY_Q4_K_M for the common name Q4_K_M.
    quantization: type.replace(/^MOSTLY_/, ''),
    parameters: tensors
      .map(({ dimensions }) =>
        dimensions.reduce((product: number, size) => product * Number(size), 1),
      )
      .reduce((sum, count) => sum + count, 0),
    trainContextTokens: model.trainContextSize,
  };
}
