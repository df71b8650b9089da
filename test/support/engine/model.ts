/** A LoadedModel of plain arrays, for the scheduler. The test decides when a batch is evaluated, and every batch is recorded. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { GenerationRequest } from '../../../src/engine/engine.ts';
import type {
  Decoded,
  LoadedModel,
  Prepared,
  SavedState,
  Sequence,
} from '../../../src/engine/worker/loaded-model.ts';

export interface ArrayModel extends LoadedModel {
  /** Each batch: sequence and number of tokens, in the order of issue. */
  readonly batches: (readonly [sequence: number, tokens: number])[][];
  /** Each save and load: its sequence and how many tokens it had. */
  readonly copies: (readonly ['save' | 'load', sequence: number, tokens: number])[];
  /** Tokens in saved states, and which operation fails. */
  readonly memory: { used: number; fails: 'save' | 'load' | undefined };
  /** Evaluates the issued batch, and lets the scheduler issue the next one. */
  step(outcome?: 'done' | 'failed'): Promise<void>;
  prepared(prompt: readonly number[], options?: PreparedOptions): Prepared;
}

export interface PreparedOptions {
  maxTokens?: number;
  stop?: string[];
  /** The tokens of the answer, which then ends. Undefined: the answer repeats token 7 without end. */
  answer?: Decoded[];
}

export interface ArrayModelOptions {
  sequences: number;
  batchTokens?: number;
  /** States can be copied: a token takes one byte. */
  memory?: { cacheBytes: number; freeBytes: number };
}

export function createArrayModel(options: ArrayModelOptions): ArrayModel {
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

  const copies: ['save' | 'load', number, number][] = [];
  const memory: ArrayModel['memory'] = { used: 0, fails: undefined };
  const savedTokens = new Map<SavedState, number[]>();
  const states = Array.from({ length: options.sequences }, () => [] as number[]);
  const sequences = states.map((state, id): Sequence => {
    return {
      id,
      tokens: () => state,
      async truncate(length) {
        state.length = length;
      },
      prefill: (tokens) => evaluate(id, state, tokens),
      async score(tokens, next, topLogprobs) {
        await evaluate(id, state, tokens);
        return next.map((token) => {
          return { token, logprob: -token, top: topLogprobs > 0 ? [[token, -token]] : [] };
        });
      },
      async save() {
        if (open !== undefined) throw new Error('saved during a step');
        const tokens = [...state];
        memory.used += tokens.length;
        copies.push(['save', id, tokens.length]);
        const saved = { bytes: tokens.length, drop: () => void (memory.used -= tokens.length) };
        savedTokens.set(saved, tokens);
        if (memory.fails !== 'save') return saved;
        saved.drop();
        throw new Error('no space');
      },
      async load(saved) {
        if (open !== undefined) throw new Error('loaded during a step');
        const tokens = savedTokens.get(saved)!;
        copies.push(['load', id, tokens.length]);
        state.length = 0;
        if (memory.fails === 'load') throw new Error('cannot be read');
        state.push(...tokens);
      },
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
    warmUp: undefined,
    setThreads: undefined,
    stateMemory: options.memory && {
      cacheBytes: options.memory.cacheBytes,
      freeBytes: () => options.memory!.freeBytes - memory.used,
      bytesOf: (tokens) => tokens,
    },
    takeBatches: () => [],
    prepare: unused,
    tokenize: unused,
    embedder: undefined,
    detokenize: (tokens) => tokens.map((token) => `t${token} `).join(''),
    bytesOf: (token) => [...Buffer.from(`t${token} `)],
    batches,
    copies,
    memory,
    async step(outcome = 'done') {
      await nextTurn();
      const { resolve, reject } = batch;
      if (open === undefined) return;
      batch = Promise.withResolvers();
      open = undefined;
      if (outcome === 'done') resolve();
      // As in llama.cpp, every request of the batch fails.
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

function unused(): never {
  throw new Error('not used by the scheduler');
}

function* forever<T>(value: T): Generator<T> {
  for (;;) yield value;
}
