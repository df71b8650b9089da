/**
 * What an engine is to the rest of the service: a generation goes in, plain facts come out. Also the messages that
 * cross between the service and the engine process, which are the same facts.
 */

export interface ChatMessage {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

export type Prompt =
  | { kind: 'chat'; messages: readonly ChatMessage[] }
  | { kind: 'text'; text: string };

export interface Sampling {
  /** Undefined: as many as the context still holds. */
  maxTokens?: number | undefined;
  temperature: number;
  topP: number;
  topK: number;
  minP: number;
  /** Undefined: a new one for each generation. */
  seed?: number | undefined;
  stop: readonly string[];
}

export interface GenerationRequest {
  prompt: Prompt;
  sampling: Sampling;
}

export type FinishReason = 'stop' | 'length';

/** What happens in a generation, in this order; `token` repeats. Times are epoch milliseconds. */
export type Fact =
  | { type: 'tokenized'; startedAt: number; endedAt: number; inputTokens: number }
  | { type: 'queued'; at: number; position: number }
  | { type: 'started'; at: number }
  | {
      type: 'prefilled';
      startedAt: number;
      endedAt: number;
      inputTokens: number;
      cachedTokens: number;
    }
  /** One output token; its text is empty while a character or a possible stop sequence is incomplete. */
  | { type: 'token'; at: number; text: string }
  /** `text` is what was held back and turned out to be part of the answer. */
  | { type: 'ended'; at: number; finishReason: FinishReason; text: string };

export interface ModelFacts {
  architecture: string;
  quantization: string;
  /** Number of weights, as the file counts them. */
  parameters: number;
  trainContextTokens: number;
}

export interface EngineFacts {
  model: ModelFacts;
  loadSeconds: number;
  threads: number;
  sequences: number;
  /** Tokens that one sequence holds. */
  contextTokens: number;
}

export type EngineStatus =
  | { state: 'loading' | 'restarting' | 'stopped'; pid: number | undefined; lastExit?: string }
  | { state: 'ready'; pid: number; facts: EngineFacts };

export interface Engine {
  status(): EngineStatus;
  /** KV cells in use over all sequences, as of the engine's last word. */
  contextTokensInUse(): number;
  /** Requests that run or wait. */
  pending(): number;
  /**
   * Yields the facts of one generation. Aborting `signal` with a ChatError as its reason ends it with that error.
   * @throws ChatError `context_overflow`, `queue_full`, `queue_timeout`, `not_ready`, `engine_error`, `engine_exit`,
   * or the signal's reason.
   */
  generate(
    request: GenerationRequest,
    options: { signal: AbortSignal },
  ): AsyncGenerator<Fact, void, void>;
  stop(): Promise<void>;
}

/** Service → engine process. */
export type Command =
  | { type: 'tokenize'; id: number; prompt: Prompt }
  | { type: 'generate'; id: number; request: GenerationRequest }
  | { type: 'cancel'; id: number };

/** Engine process → service; `facts` carries one scheduler step in one message. */
export type Report =
  | { type: 'ready'; facts: EngineFacts }
  | { type: 'alive'; contextTokens: number }
  | { type: 'facts'; facts: readonly (Fact & { id: number })[]; contextTokens: number }
  | { type: 'error'; id: number; code: 'context_overflow' | 'engine_error'; message: string };

export interface EngineOptions {
  modelPath: string;
  threads: number | 'auto';
  sequences: number | 'auto';
  contextTokens: number | 'auto';
}
