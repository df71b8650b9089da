/**
 * What the engine process needs of a model: requests prepared as tokens, and sequences that evaluate them. llama/ has
 * the one implementation; the scheduler uses it.
 */
import type {
  Batch,
  Embedding,
  EngineFacts,
  GenerationRequest,
  Prompt,
  Tokenized,
} from '../engine.ts';

/** A request that was counted and checked, ready to be evaluated any number of times. */
export interface Prepared {
  /** At least one. */
  readonly prompt: readonly number[];
  readonly request: GenerationRequest;
  /** Generates after `tokens`, the last of the prompt; ends at the model's end-of-generation token. */
  decode(sequence: Sequence, tokens: readonly number[]): AsyncGenerator<Decoded, void, void>;
}

export interface Decoded {
  token: number;
  /** Natural log-probabilities, where the request asks for them: of this token, and of the likeliest. */
  logprob?: number;
  top?: readonly (readonly [token: number, logprob: number])[];
}

/** One slot of the KV cache. */
export interface Sequence {
  readonly id: number;
  /** The tokens whose state it holds. */
  tokens(): readonly number[];
  /** Forgets everything from token `length` on. */
  truncate(length: number): Promise<void>;
  /** Evaluates prompt tokens. */
  prefill(tokens: readonly number[]): Promise<void>;
}

export interface LoadedModel {
  readonly facts: EngineFacts;
  readonly sequences: readonly Sequence[];
  /** The most tokens that one decode of llama.cpp takes. */
  readonly batchTokens: number;
  /** What it was really given since the last call. */
  takeBatches(): readonly Batch[];
  /**
   * Works in slices of a few milliseconds and yields between them, so that nobody who decodes is delayed.
   * @throws ChatError `bad_request` that names the field, for what the model cannot do: a token id outside its
   * vocabulary, a schema without a grammar, messages that its template refuses.
   */
  prepare(request: GenerationRequest): Generator<void, Prepared, void>;
  /** In the same slices. */
  tokenize(prompt: Prompt): Generator<void, Tokenized, void>;
  /** @throws ChatError `bad_request` where embeddings are off, `context_overflow` for a text that is too long. */
  embed(text: string): Promise<Embedding>;
  /** Text of `tokens` as it follows `previous`; an incomplete character at the end is U+FFFD. */
  readonly detokenize: (tokens: readonly number[], previous: readonly number[]) => string;
  /** The UTF-8 bytes of one token, special ones as their text. */
  readonly bytesOf: (token: number) => readonly number[];
}
