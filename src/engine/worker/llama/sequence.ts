/** One sequence of the KV cache, and the order in which llama.cpp evaluates sequences. Used by model.ts. */
import type {
  BatchItem,
  CustomBatchingPrioritizationStrategy,
  LlamaContextSequence,
  LlamaModel,
  PrioritizedBatchItem,
  SequenceEvaluateOutput,
  Token,
} from 'node-llama-cpp';
import type { Batch, Sampling } from '../../engine.ts';
import type { Decoded, Sequence } from '../loaded-model.ts';
import type { Guard } from './grammar/grammar.ts';
import { createSampler, logprobsOf } from './sampling.ts';

export interface LlamaSequence extends Sequence {
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

export function createSequence(id: number, sequence: LlamaContextSequence): LlamaSequence {
  const evaluationPriority = id as 1;
  // Without it node-llama-cpp drops the first tokens silently, the system prompt included.
  const contextShift = {
    strategy(): never {
      throw new Error('The sequence is full: a request was admitted that does not fit.');
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
    async *decode({ model, sampling, guard, prompt, tokens }) {
      const sampler = createSampler(sampling, model, prompt);
      const { topLogprobs } = sampling;
      const values = sequence.evaluateWithMetadata(tokens as Token[], sampler.metadata, {
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
          : { token: value.token, ...logprobsOf(value as SequenceEvaluateOutput, topLogprobs) };
      }
    },
  };
}
