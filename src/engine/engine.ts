/**
 * What an engine is to the rest of the service: a generation goes in, plain facts come out. Also the messages that
 * cross between the service and the engine process, which are the same facts.
 */

/** A tool as OpenAI's `tools[].function`; `parameters` is a JSON schema of an object. */
export interface Tool {
  name: string;
  description?: string;
  parameters: JsonSchema;
}

export type JsonSchema = { readonly [keyword: string]: unknown };

export interface ToolCall {
  id: string;
  name: string;
  /** Parsed: chat templates want the object, not its text. */
  arguments: { readonly [name: string]: unknown };
}

export type ChatMessage =
  | { role: 'system' | 'user'; content: string }
  | { role: 'assistant'; content: string; toolCalls?: readonly ToolCall[] }
  /** What a tool answered to the call of that id. */
  | { role: 'tool'; content: string; toolCallId: string };

export type Prompt =
  | { kind: 'chat'; messages: readonly ChatMessage[]; tools?: readonly Tool[] }
  | { kind: 'text'; text: string };

/** What the answer has to look like; enforced by a grammar while sampling. */
export type AnswerFormat =
  | { kind: 'json_object' }
  /** `strict`: a keyword that no grammar can enforce is refused instead of ignored. */
  | { kind: 'json_schema'; schema: JsonSchema; strict: boolean }
  /**
   * Calls of the prompt's tools in Qwen's form, `<tool_call>\n{"name": ..., "arguments": ...}\n</tool_call>`.
   * `auto`: text until the model opens a call, and from there on nothing but well-formed calls.
   */
  | { kind: 'tool_calls'; tools: readonly Tool[]; choice: 'auto' | 'required'; parallel: boolean };

export interface Sampling {
  /** Undefined: as many as the context still holds. */
  maxTokens?: number | undefined;
  temperature: number;
  topP: number;
  topK: number;
  minP: number;
  /** Any safe integer. Undefined: a new one for each generation. */
  seed?: number | undefined;
  stop: readonly string[];
  /** 1 is off. Over the last 64 tokens of prompt and answer, as llama.cpp does. */
  repeatPenalty?: number;
  /** OpenAI's, -2 to 2, over the answer so far. */
  presencePenalty?: number;
  frequencyPenalty?: number;
  /** Token id → what is added to its logit, -100 to 100. */
  logitBias?: readonly (readonly [token: number, bias: number])[];
  /** Asks for log-probabilities: of the chosen token, and of this many likeliest beside it (0 to 20). */
  topLogprobs?: number;
}

export interface GenerationRequest {
  prompt: Prompt;
  sampling: Sampling;
  format?: AnswerFormat;
}

export type FinishReason = 'stop' | 'length';

/** `logprob` is natural; bytes are UTF-8, since a token may hold a part of a character. */
export interface TokenLogprob {
  token: string;
  bytes: readonly number[];
  logprob: number;
}

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
  | {
      type: 'token';
      at: number;
      text: string;
      logprob?: TokenLogprob & { top: readonly TokenLogprob[] };
    }
  /** `text` is what was held back and turned out to be part of the answer. */
  | { type: 'ended'; at: number; finishReason: FinishReason; text: string };

/** What llama.cpp was given in one decode: tokens in all, and of how many sequences. */
export interface Batch {
  tokens: number;
  sequences: number;
}

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
  /** Undefined where embeddings were not asked for. */
  embeddingDimensions?: number | undefined;
  /** One sentence: what was chosen for threads, sequences and context, and why. */
  sizing: string;
}

/** `restarts`: how often the engine process was started again. */
export type EngineStatus = { restarts: number } & (
  | { state: 'loading' | 'restarting' | 'stopped'; pid: number | undefined; lastExit?: string }
  | { state: 'ready'; pid: number; facts: EngineFacts }
);

export interface Engine {
  status(): EngineStatus;
  /** KV cells in use over all sequences, as of the engine's last word. */
  contextTokensInUse(): number;
  /** Requests that run or wait. */
  pending(): number;
  /**
   * Yields the facts of one generation. Aborting `signal` with a ChatError as its reason ends it with that error.
   * `client` is whom the queue is fair to: those of one client wait behind one another, not the others behind them.
   * @throws ChatError `bad_request`, `context_overflow`, `queue_full`, `queue_timeout`, `not_ready`, `engine_error`,
   * `engine_exit`, or the signal's reason.
   */
  generate(
    request: GenerationRequest,
    options: { signal: AbortSignal; client: string },
  ): AsyncGenerator<Fact, void, void>;
  /** The tokens of a prompt and their texts. @throws ChatError `not_ready`, `bad_request`, `engine_exit`, or the signal's reason. */
  tokenize(prompt: Prompt, options: { signal: AbortSignal }): Promise<Tokenized>;
  /**
   * @throws ChatError `bad_request` where embeddings are off (CHAT_EMBEDDINGS), `context_overflow`, `queue_full`,
   * `not_ready`, `engine_error`, `engine_exit`, or the signal's reason.
   */
  embed(text: string, options: { signal: AbortSignal }): Promise<Embedding>;
  stop(): Promise<void>;
}

export interface Tokenized {
  tokens: readonly number[];
  pieces: readonly string[];
}

export interface Embedding {
  /** Of unit length. */
  vector: readonly number[];
  inputTokens: number;
}

/** Service → engine process. `prepare` counts and checks, `generate` runs what was prepared. */
export type Command =
  | { type: 'prepare'; id: number; request: GenerationRequest }
  | { type: 'generate'; id: number; request: GenerationRequest }
  | { type: 'tokenize'; id: number; prompt: Prompt }
  | { type: 'embed'; id: number; text: string }
  | { type: 'cancel'; id: number };

/** Engine process → service; `facts` carries what happened in a step of the scheduler in one message. */
export type Report =
  | { type: 'ready'; facts: EngineFacts }
  /** `stepMillis`: for how long the scheduler's step that runs has been running; 0 while there is none. */
  | { type: 'alive'; contextTokens: number; stepMillis: number }
  | {
      type: 'facts';
      facts: readonly (Fact & { id: number })[];
      /** Since the last such report. */
      batches?: readonly Batch[];
      contextTokens: number;
    }
  | { type: 'result'; id: number; result: Tokenized | Embedding }
  | {
      type: 'error';
      id: number;
      code: 'bad_request' | 'context_overflow' | 'engine_error';
      message: string;
      param?: string | undefined;
    };

export interface EngineOptions {
  modelPath: string;
  threads: number | 'auto';
  sequences: number | 'auto';
  contextTokens: number | 'auto';
  /** Makes a second context that turns texts into vectors; costs memory. */
  embeddings: boolean;
}
