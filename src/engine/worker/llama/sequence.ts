/** One sequence of the KV cache, and the order in which llama.cpp evaluates sequences. Used by model.ts. */
import type {
  BatchItem,
  CustomBatchingPrioritizationStrategy,
  LlamaContext,
  LlamaModel,
  PrioritizedBatchItem,
  Token,
} from 'node-llama-cpp';
import type { Batch, Sampling } from '../../engine.ts';
import type { Decoded, Sequence } from '../loaded-model.ts';
import type { Guard } from './grammar/grammar.ts';
import { minLogprob, type OwnDistribution, type Ranking } from './own-distribution.ts';
import { createSampler } from './sampling.ts';
import type { MemoryFolder, StateFile } from './state-memory.ts';

export interface LlamaSequence extends Sequence {
  readonly needsCheckpoints: boolean;
  /** `prompt` is used by the repeat penalty; `tokens` are its last tokens, which are not evaluated yet. */
  decode(options: {
    model: LlamaModel;
    sampling: Sampling;
    guard: Guard | undefined;
    prompt: readonly number[];
    tokens: readonly number[];
  }): AsyncGenerator<Decoded, void, void>;
}

/** Sorts by sequence id, which is passed as the evaluation priority: llama.cpp fuses only consecutive ascending ids. */
export function createBatchOrder(
  onBatch: (batch: Batch) => void,
): CustomBatchingPrioritizationStrategy {
  return ({ items, size }) => {
    const batch = bySequence(items, size);
    const tokens = batch.reduce((sum, { processAmount }) => sum + processAmount, 0);
    onBatch({ tokens, sequences: batch.length });
    return batch;
  };
}

function bySequence(items: readonly BatchItem[], size: number): PrioritizedBatchItem[] {
  let left = size;
  return items
    .toSorted((a, b) => a.evaluationPriority - b.evaluationPriority)
    .map((item) => {
      const processAmount = Math.min(item.tokens.length, left);
      left -= processAmount;
      return { item, processAmount };
    })
    .filter((item) => item.processAmount > 0);
}

/** Parts of node-llama-cpp 3 that its types leave out: `controlledEvaluate` cannot tell which token's logits are read. */
interface Internals {
  readonly _tokenMeter: object;
  readonly _decodeTokens: (
    this: Internals,
    tokens: readonly number[],
    logits: readonly boolean[],
    evaluationPriority: number,
    tokenMeter: object,
    contextShift: object,
    onLogits: (batchIndex: number, tokenIndex: number) => Promise<Ranking>,
  ) => Promise<Ranking[]>;
}

/** What createOwnDistribution puts in the place of the probabilities. */
function rankingOf(value: object): Ranking {
  return 'probabilities' in value ? [...(value.probabilities as Map<number, number>)] : [];
}

function toDecoded(token: number, ranking: Ranking, topLogprobs: number): Decoded {
  const logprob = ranking.find(([ranked]) => ranked === token)?.[1] ?? minLogprob;
  return { token, logprob, top: ranking.slice(0, topLogprobs) };
}

/** Without `folder`, states cannot be saved; without `own`, no log-probabilities are known. */
export function createSequence(
  id: number,
  context: Pick<LlamaContext, 'getSequence'>,
  folder: MemoryFolder | undefined,
  own?: OwnDistribution,
): LlamaSequence {
  let sequence = context.getSequence();
  const evaluationPriority = id as 1;
  // Without it node-llama-cpp drops the first tokens silently, the system prompt included.
  const contextShift = {
    strategy(): never {
      throw new Error('The sequence is full: a request was admitted that does not fit.');
    },
  };
  return {
    id,
    needsCheckpoints: sequence.needsCheckpoints,
    tokens: () => sequence.contextTokens,
    truncate: (length) =>
      sequence.eraseContextTokenRanges([{ start: length, end: sequence.nextTokenIndex }]),
    prefill: (tokens) =>
      sequence.evaluateWithoutGeneratingNewTokens(tokens as Token[], {
        evaluationPriority,
        contextShift,
      }),
    async score(tokens, next, topLogprobs) {
      if (own === undefined) throw new Error('The distribution of this context cannot be read.');
      const { _tokenMeter: meter, _decodeTokens: evaluateWithLogits } =
        sequence as unknown as Internals;
      const rankings = await evaluateWithLogits.call(
        sequence as unknown as Internals,
        tokens,
        tokens.map(() => true),
        evaluationPriority,
        meter,
        contextShift,
        (index, at) => own.rank(index, next[at]!),
      );
      return rankings.map((ranking, at) => toDecoded(next[at]!, ranking, topLogprobs));
    },
    async save() {
      if (folder === undefined) throw new Error('There is no memory file system.');
      return folder.writeFile((path) => sequence.saveStateToFile(path));
    },
    async load(state) {
      try {
        await sequence.loadStateFromFile((state as StateFile).path, { acceptRisk: true });
      } catch (error) {
        // llama.cpp keeps old cells that node-llama-cpp does not know of, and the next evaluation would fail the whole batch.
        await sequence.dispose();
        // The id that was given back last, which is the same one.
        sequence = context.getSequence();
        throw error;
      }
    },
    async *decode({ model, sampling, guard, prompt, tokens }) {
      const sampler = createSampler(sampling, model, prompt, guard);
      const { topLogprobs } = sampling;
      const metadata: { probabilities?: true } =
        topLogprobs === undefined ? {} : { probabilities: true };
      const values = sequence.evaluateWithMetadata(tokens as Token[], metadata, {
        ...sampler.options,
        evaluationPriority,
        contextShift,
        ...(guard === undefined ? {} : { grammarEvaluationState: () => guard.state() }),
      });
      for await (const value of values) {
        sampler.accept(value.token);
        guard?.accept(value.token);
        yield topLogprobs === undefined
          ? { token: value.token }
          : toDecoded(value.token, rankingOf(value), topLogprobs);
      }
    },
  };
}
