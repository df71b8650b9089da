/**
 * The engine's contract: the interface that the API uses, the facts that a generation reports, and the messages between the
 * service's process (host/) and the engine process (worker/).
 */
import type { ChatErrorCode } from '../errors.ts';

/** A tool as OpenAI's `tools[].function`; `parameters` is a JSON schema of an object. */
export interface Tool {
  name: string;
  description?: string;
  parameters: JsonSchema;
  /** Whether a keyword that a grammar cannot hold is an error. */
  strict?: boolean;
}

export type JsonSchema = { readonly [keyword: string]: unknown };

export interface ToolCall {
  id: string;
  name: string;
  /** Parsed, because chat templates expect the object. */
  arguments: { readonly [name: string]: unknown };
}

export type ChatMessage =
  | { role: 'system' | 'user'; content: string }
  | { role: 'assistant'; content: string; toolCalls?: readonly ToolCall[] }
  /** A tool's answer to the call with that id. */
  | { role: 'tool'; content: string; toolCallId: string };

export type Prompt =
  /** `continues`: the last message, which is the assistant's, is the beginning of the answer. */
  | {
      kind: 'chat';
      messages: readonly ChatMessage[];
      tools?: readonly Tool[];
      continues?: boolean;
    }
  | { kind: 'text'; text: string }
  | { kind: 'tokens'; tokens: readonly number[] };

/** The format that a grammar enforces on the answer while tokens are sampled. */
export type JsonFormat =
  | { kind: 'json_object' }
  /** `strict`: a keyword that cannot be enforced is an error; otherwise it is ignored. */
  | { kind: 'json_schema'; schema: JsonSchema; strict: boolean };

export type AnswerFormat =
  | JsonFormat
  /**
   * Calls of the prompt's tools in Qwen's form, `<tool_call>\n{"name": ..., "arguments": ...}\n</tool_call>`.
   * `auto`: free text, or JSON of `otherwise`, until a call is opened, `lenient` also by its JSON alone; after that, only well-formed calls.
   */
  | {
      kind: 'tool_calls';
      tools: readonly Tool[];
      choice: 'auto' | 'required';
      parallel: boolean;
      otherwise?: JsonFormat;
      lenient?: boolean;
    };

export interface Sampling {
  /** Maximum output tokens, 0 for none. Undefined: until the context is full. */
  maxTokens?: number | undefined;
  temperature: number;
  topP: number;
  topK: number;
  minP: number;
  /** Any safe integer. Undefined: a random one for each generation. */
  seed?: number | undefined;
  stop: readonly string[];
  /** 1 is off. Applies to the last 64 tokens of prompt and answer, as in llama.cpp. */
  repeatPenalty?: number;
  /** OpenAI's penalties, -2 to 2; they apply to the answer so far. */
  presencePenalty?: number;
  frequencyPenalty?: number;
  /** Added to the logits of these tokens, -100 to 100. */
  logitBias?: readonly (readonly [token: number, bias: number])[];
  /** Requests the model's own log-probabilities of each sampled token and of the most likely tokens, this many (0 to 20). */
  topLogprobs?: number;
}

export interface GenerationRequest {
  prompt: Prompt;
  sampling: Sampling;
  format?: AnswerFormat;
  /** Requests the fact `prompt`. With `topLogprobs` it has log-probabilities, for which the whole prompt is evaluated, slowly. */
  echo?: boolean;
}

export type FinishReason = 'stop' | 'length';

/** `logprob` is the natural logarithm. `bytes` are UTF-8, because a token may be part of a character. */
export interface TokenLogprob {
  token: string;
  bytes: readonly number[];
  logprob: number;
}

/** A token of the prompt. `logprob` is null where it is unknown: of the first token, and without `topLogprobs`. */
export type PromptToken = Omit<TokenLogprob, 'logprob'> & {
  logprob: number | null;
  top: readonly TokenLogprob[];
};

/** The events of a generation, in this order; `waiting`, `prefilling` and `token` repeat. Times are those of `monotonicMillis`. */
export type Fact =
  | {
      type: 'tokenized';
      startedAt: number;
      endedAt: number;
      inputTokens: number;
      /** Keywords of a schema that is not strict which the grammar does not enforce. */
      droppedKeywords?: readonly string[];
    }
  | { type: 'queued'; at: number; position: number }
  /** Once a second while it waits. `seconds`: expected, from measured speed; absent before anything is measured. */
  | { type: 'waiting'; position: number; seconds?: number }
  | { type: 'started'; at: number }
  /** A slice of the prompt is evaluated; cached tokens are included. Not for the last slice. */
  | {
      type: 'prefilling';
      at: number;
      evaluatedTokens: number;
      inputTokens: number;
      cachedTokens: number;
    }
  | {
      type: 'prefilled';
      startedAt: number;
      endedAt: number;
      inputTokens: number;
      /** Prompt tokens that were in the KV cache before. */
      cachedTokens: number;
      /** Cached tokens that were copied from another sequence or from the prefix cache. */
      copiedTokens: number;
    }
  /** If the request has `echo`. */
  | { type: 'prompt'; tokens: readonly PromptToken[] }
  /** One output token; its text is empty while a character or a possible stop sequence is incomplete. */
  | {
      type: 'token';
      at: number;
      text: string;
      logprob?: TokenLogprob & { top: readonly TokenLogprob[] };
    }
  /** `text` was held back as a possible stop sequence and belongs to the answer. `stopSequence`: the one that ended the answer. */
  | { type: 'ended'; at: number; finishReason: FinishReason; text: string; stopSequence?: string };

/** One decode of llama.cpp: how many tokens it evaluated, and of how many sequences. */
export interface Batch {
  tokens: number;
  sequences: number;
}

/** What the copies of prefixes did since the last report; each of them is reported once. */
export interface PrefixReport {
  copies: readonly PrefixCopy[];
  /** Conversations that the prefix cache dropped for lack of memory. */
  evictions: number;
  cacheBytes: number;
}

export interface PrefixCopy {
  /** `failed`: the state could not be written or read; the prompt was evaluated instead. */
  source: 'sequence' | 'cache' | 'failed';
  /** Size of the state that was read. */
  bytes: number;
}

export interface ModelFacts {
  architecture: string;
  quantization: string;
  /** Number of weights. */
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
  /** Undefined if embeddings are off. */
  embeddingDimensions?: number | undefined;
  /** One sentence: the threads, sequences and context that were chosen, and why. */
  sizing: string;
}

/** `restarts` counts restarts of the engine process. The states are those of `ServiceState` in otel/names.ts. */
export type EngineStatus = { restarts: number } & (
  | { state: 'loading' | 'restarting' | 'stopped'; pid: number | undefined; lastExit?: string }
  /** `reason`: llama.cpp's own line, without paths. */
  | { state: 'failed'; pid: number | undefined; lastExit: string; reason: string }
  | { state: 'ready'; pid: number; facts: EngineFacts }
);

export interface GenerateOptions {
  /** The signal's reason must be a ChatError: aborting ends the generation with that error. */
  signal: AbortSignal;
  /** Clients take turns in the queue. An opaque id: it also limits the prompts that share a prefix (CHAT_SHARE_PREFIX). */
  client: string;
  /** Called synchronously for each fact; it must not block. The last fact is `ended`. */
  onFact: (fact: Fact) => void;
}

export interface Engine {
  status(): EngineStatus;
  /** KV cells in use over all sequences, as last reported. */
  contextTokensInUse(): number;
  /** Requests that run or wait, and texts that are tokenized or embedded. */
  pending(): number;
  /** Requests for an answer that have no sequence yet. */
  waiting(): number;
  /**
   * Resolves when the generation has ended. @throws ChatError `bad_request`, `context_overflow`, `queue_full`, `queue_timeout`, `not_ready`,
   * `engine_error`, `engine_exit`, or the signal's reason; also the error that `onFact` throws.
   */
  generate(request: GenerationRequest, options: GenerateOptions): Promise<void>;
  /** @throws ChatError `not_ready`, `queue_full`, `bad_request`, `engine_exit`, or the signal's reason. */
  tokenize(prompt: Prompt, options: { signal: AbortSignal }): Promise<Tokenized>;
  /** @throws ChatError also `bad_request` if embeddings are off (CHAT_EMBEDDINGS), `context_overflow`, `engine_error`. */
  embed(input: string | readonly number[], options: { signal: AbortSignal }): Promise<Embedding>;
  stop(): Promise<void>;
}

/** The tokens of a prompt, and the text of each. */
export interface Tokenized {
  tokens: readonly number[];
  pieces: readonly string[];
}

export interface Embedding {
  /** Its length is 1. */
  vector: readonly number[];
  inputTokens: number;
}

/**
 * Service → engine process. `prepare` tokenizes and checks a request, `start` generates once it is prepared; `cancel` is sent for
 * every id that ends early.
 */
export type Command =
  | { type: 'prepare'; id: number; client: string; request: GenerationRequest }
  | { type: 'start'; id: number }
  | { type: 'tokenize'; id: number; prompt: Prompt }
  | { type: 'embed'; id: number; input: string | readonly number[] }
  | { type: 'cancel'; id: number };

/** Engine process → service. One `facts` message carries all facts of a scheduler step. */
export type Report =
  | { type: 'ready'; facts: EngineFacts }
  /**
   * `stepMillis`: how long the current step of the scheduler has been running; 0 between steps. `threads`: of a batch, which change
   * with the load of the machine.
   */
  | { type: 'alive'; contextTokens: number; stepMillis: number; threads: number }
  | {
      type: 'facts';
      facts: readonly (Fact & { id: number })[];
      /** Facts since the last `facts` message. */
      batches?: readonly Batch[];
      prefixes?: PrefixReport | undefined;
      contextTokens: number;
    }
  | { type: 'result'; id: number; result: Tokenized | Embedding }
  | {
      type: 'error';
      id: number;
      code: ChatErrorCode;
      message: string;
      param?: string | undefined;
      recorded?: string | undefined; // As in `ChatError`, and so is `zh`.
      zh?: string | undefined;
    };

export interface EngineOptions {
  modelPath: string;
  threads: number | 'auto';
  sequences: number | 'auto';
  contextTokens: number | 'auto';
  /** Creates a second context for embeddings, which takes memory. */
  embeddings: boolean;
  sharePrefix: SharePrefix;
  /** Size of the prefix cache; 0 switches it off. `auto`: by free memory. */
  cacheMegabytes: number | 'auto';
}

/**
 * Which prompts start from the KV cache of others: those of `all` clients or of the same API key (`key`); `none`: nothing is copied,
 * and a prompt reuses only a free sequence of the same key.
 */
export type SharePrefix = (typeof sharePrefixes)[number];

export const sharePrefixes = ['key', 'all', 'none'] as const;
