/**
 * The model as the engine process uses it: it prepares requests as tokens and has sequences that evaluate them. Implemented in
 * llama/; used by commands.ts and scheduler.ts.
 */
import type { Batch, EngineFacts, GenerationRequest, Prompt, Tokenized } from '../engine.ts';

/** A request that was tokenized and checked. It can be evaluated any number of times. */
export interface Prepared {
  /** At least one. */
  readonly prompt: readonly number[];
  readonly request: GenerationRequest;
  /** Keywords of its schemas that the grammar does not enforce. */
  readonly droppedKeywords?: readonly string[];
  /** Evaluates `tokens`, the last of the prompt, and generates; ends at the model's end-of-generation token. */
  decode(sequence: Sequence, tokens: readonly number[]): AsyncGenerator<Decoded, void, void>;
}

export interface Decoded {
  token: number;
  /** Natural log-probabilities of this token and of the most likely ones, where the request asks for them. */
  logprob?: number;
  top?: readonly (readonly [token: number, logprob: number])[];
}

/** One slot of the KV cache. */
export interface Sequence {
  readonly id: number;
  /** The tokens in its KV cache. */
  tokens(): readonly number[];
  /** Drops everything from token `length` on. */
  truncate(length: number): Promise<void>;
  /** Evaluates prompt tokens. */
  prefill(tokens: readonly number[]): Promise<void>;
  /**
   * Evaluates prompt tokens, as many as `next`, and returns each token of `next` with its log-probability after them. It takes longer
   * for each token than a prefill does.
   */
  score(
    tokens: readonly number[],
    next: readonly number[],
    topLogprobs: number,
  ): Promise<readonly Decoded[]>;
  /** Writes its state, between steps only. @throws Error when there is no memory; nothing is kept of it then. */
  save(): Promise<SavedState>;
  /** Replaces its state, between steps only. @throws Error when the state cannot be read; the sequence is empty then. */
  load(state: SavedState): Promise<void>;
}

/** The state of a sequence in memory. */
export interface SavedState {
  readonly bytes: number;
  /** Frees the memory. */
  drop(): void;
}

/** Limits of saved states. */
export interface StateMemory {
  /** Size of the prefix cache. */
  readonly cacheBytes: number;
  /** How many bytes can be written now. */
  freeBytes(): number;
  /** Estimated size of the state of a sequence with this many tokens. */
  bytesOf(tokens: number): number;
}

/** Embeds one text at a time. */
export interface Embedder {
  /**
   * Tokenizes in slices as `LoadedModel.prepare`.
   * @throws ChatError `context_overflow` for a text that is too long, `bad_request` for one without tokens.
   */
  prepare(text: string | readonly number[]): Generator<void, readonly number[], void>;
  /** Evaluates the tokens from `from` to `to`; 0 begins a text. @returns the vector after the last token. */
  evaluate(
    tokens: readonly number[],
    from: number,
    to: number,
  ): Promise<readonly number[] | undefined>;
}

export interface LoadedModel {
  readonly facts: EngineFacts;
  readonly sequences: readonly Sequence[];
  /** Maximum number of tokens in one decode of llama.cpp. */
  readonly batchTokens: number;
  /** A prefill after the load, when all buffers are allocated; undefined if it was not measured. */
  readonly warmUp: { tokens: number; millis: number } | undefined;
  /** Sets the threads of the next decodes, at most `facts.threads`; undefined where their number is fixed. */
  readonly setThreads: ((count: number) => void) | undefined;
  /** Undefined where states cannot be copied, or must not be: `save` and `load` are not called then. */
  readonly stateMemory: StateMemory | undefined;
  /** The decodes since the last call. */
  takeBatches(): readonly Batch[];
  /**
   * Works in slices of a few milliseconds and yields between them, so that no decode is delayed.
   * @throws ChatError `bad_request` that names the field: a token id outside the vocabulary, a schema that has no grammar,
   * messages that the chat template refuses.
   */
  prepare(request: GenerationRequest): Generator<void, Prepared, void>;
  /** In slices as `prepare`. */
  tokenize(prompt: Prompt): Generator<void, Tokenized, void>;
  /** Undefined where embeddings are off. */
  readonly embedder: Embedder | undefined;
  /** The text of `tokens` after `previous`; an incomplete character at the end is U+FFFD. */
  readonly detokenize: (tokens: readonly number[], previous: readonly number[]) => string;
  /** The UTF-8 bytes of one token; a special token is its text. */
  readonly bytesOf: (token: number) => readonly number[];
}
