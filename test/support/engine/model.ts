/**
 * A LoadedModel of plain arrays, for the scheduler: a batch is evaluated when the test says so, and all of them are in
 * the books.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { GenerationRequest } from '../../../src/engine/engine.ts';
import type {
  Decoded,
  LoadedModel,
  Prepared,
  Sequence,
} from '../../../src/engine/worker/loaded-model.ts';

export interface ArrayModel extends LoadedModel {
  /** What was evaluated together: sequence and number of tokens, in the order of issue. */
  readonly batches: (readonly [sequence: number, tokens: number])[][];
  /** Evaluates what has been issued, and lets the scheduler issue what comes next. */
  step(outcome?: 'done' | 'failed'): Promise<void>;
  prepared(prompt: readonly number[], options?: PreparedOptions): Prepared;
}

export interface PreparedOptions {
  maxTokens?: number;
  stop?: string[];
  /** What it says, before it ends by itself; without one it says 7 for ever. */
  answer?: Decoded[];
}

export function createArrayModel(options: { sequences: number; batchTokens?: number }): ArrayModel {
  const batches: (readonly [number, number])[][] = [];
  let batch = Promise.withResolvers<void>();
  let open: (readonly [number, number])[] | undefined;

  async function evaluate(sequence: number, state: number[], tokens: readonly number[]) {
    if (open === undefined) {
      open = [];
      batches.push(open);
    }
    open.push([sequence, tokens.length]);
    await batch.promise;
    state.push(...tokens);
  }

  const states = Array.from({ length: options.sequences }, () => [] as number[]);
  const sequences = states.map((state, id): Sequence => {
    return {
      id,
      tokens: () => state,
      async truncate(length) {
        state.length = length;
      },
      prefill: (tokens) => evaluate(id, state, tokens),
    };
  });

  async function* decode(
    sequence: Sequence,
    tokens: readonly number[],
    answer: Iterable<Decoded>,
  ): AsyncGenerator<Decoded, void, void> {
    let next = tokens;
    for (const decoded of answer) {
      await evaluate(sequence.id, states[sequence.id]!, next);
      yield decoded;
      next = [decoded.token];
    }
  }

  return {
    facts: {
      model: { architecture: 'array', quantization: '-', parameters: 0, trainContextTokens: 4096 },
      loadSeconds: 0,
      threads: 1,
      sequences: options.sequences,
      contextTokens: 4096,
      sizing: '',
    },
    sequences,
    batchTokens: options.batchTokens ?? 128,
    takeBatches: () => [],
    prepare: notAskedFor,
    tokenize: notAskedFor,
    embed: notAskedFor,
    detokenize: (tokens) => tokens.map((token) => `t${token} `).join(''),
    bytesOf: (token) => [...Buffer.from(`t${token} `)],
    batches,
    async step(outcome = 'done') {
      await nextTurn();
      const { resolve, reject } = batch;
      if (open === undefined) return;
      batch = Promise.withResolvers();
      open = undefined;
      if (outcome === 'done') resolve();
      // As with llama.cpp every request of a batch fails.
      else reject(new Error('the batch failed'));
      await nextTurn();
    },
    prepared(prompt, { maxTokens, stop = [], answer } = {}) {
      const sampling = { maxTokens, stop, temperature: 0, topP: 1, topK: 0, minP: 0 };
      const request: GenerationRequest = { prompt: { kind: 'text', text: '' }, sampling };
      return {
        prompt,
        request,
        decode: (sequence, tokens) => decode(sequence, tokens, answer ?? forever({ token: 7 })),
      };
    },
  };
}

function notAskedFor(): never {
  throw new Error('the scheduler prepares nothing');
}

function* forever<T>(value: T): Generator<T> {
  for (;;) yield value;
}
