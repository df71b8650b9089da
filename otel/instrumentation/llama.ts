/**
 * Structural types of the parts of node-llama-cpp that the instrumentation uses: the package's own types are no part of our `.d.ts`, because
 * node-llama-cpp is an optional peer.
 */
import { basename } from 'node:path';

export interface Model {
  readonly filename?: string;
  readonly fileInfo: {
    readonly metadata: { readonly general?: { architecture?: string; file_type?: number } };
    readonly fullTensorInfo?: readonly { readonly dimensions: readonly (number | bigint)[] }[];
  };
  detokenize(tokens: readonly number[], specialTokens?: boolean): string;
  isEogToken(token: number): boolean;
}

export interface Context {
  readonly contextSize: number;
  readonly totalSequences: number;
  readonly disposed: boolean;
}

export interface Sequence {
  readonly model: Model;
  readonly context: Context;
  readonly disposed: boolean;
  /** Number of tokens in the state of the sequence. */
  readonly nextTokenIndex: number;
  readonly tokenPredictor?: { readonly draftSequence?: Sequence } | undefined;
}

export interface Decoded {
  token: number;
  /** Probability of the token, if the program asked for it. */
  confidence?: number;
  probabilities?: ReadonlyMap<number, number>;
}

export type TokenIterator = AsyncGenerator<Decoded, void, number | number[] | undefined>;

/** The sampling options that all functions share, as far as they become attributes of the span. */
export interface SamplingOptions {
  maxTokens?: number;
  temperature?: number;
  topP?: number;
  topK?: number;
  seed?: number;
  customStopTriggers?: unknown;
  signal?: AbortSignal;
  onTextChunk?: unknown;
  onToken?: unknown;
  onResponseChunk?: unknown;
  functions?: Record<string, ToolDefinition>;
}

export interface ToolDefinition {
  description?: string;
  handler(params: unknown): unknown;
}

/** The result of any function that generates a text. */
export interface Generated {
  response?: unknown;
  completion?: unknown;
  functionCalls?: readonly { functionName: string; params: unknown }[];
  metadata?: { stopReason?: string };
}

export type HistoryItem =
  | { type: 'system' | 'user'; text: unknown }
  | { type: 'model'; response: readonly unknown[] };

type Method = (...args: never[]) => unknown;

/** The classes whose prototypes are patched. */
export interface NodeLlamaCpp {
  Llama: { prototype: Record<'loadModel', Method> };
  LlamaContextSequence: {
    prototype: Record<
      'evaluateWithMetadata' | 'evaluateWithoutGeneratingNewTokens' | 'controlledEvaluate',
      Method
    >;
  };
  LlamaChat: { prototype: Record<'generateResponse' | 'loadChatAndCompleteUserMessage', Method> };
  LlamaChatSession: { prototype: Record<'promptWithMeta' | 'completePromptWithMeta', Method> };
  LlamaCompletion: {
    prototype: Record<'generateCompletionWithMeta' | 'generateInfillCompletionWithMeta', Method>;
  };
  LlamaEmbeddingContext: { prototype: Record<'getEmbeddingFor', Method> };
  LlamaRankingContext: { prototype: Record<'rank' | 'rankAll', Method> };
  GgufFileType: Record<number, string>;
}

/** The name of the model's file without its ending and part number. Metrics have it as a label: a program loads few models. */
export function modelName(model: Model): string {
  const name = basename(model.filename ?? '').replace(/(-\d{5}-of-\d{5})?\.gguf$/i, '');
  return name === '' ? 'unknown' : name;
}

/** The labels of `inference.model.info`. */
export function describeModel(
  model: Model,
  fileTypes: NodeLlamaCpp['GgufFileType'],
): { architecture: string; quantization: string; parameters: string } {
  const { metadata, fullTensorInfo = [] } = model.fileInfo;
  const { architecture = '', file_type: fileType = -1 } = metadata.general ?? {};
  const parameters = fullTensorInfo
    .map(({ dimensions }) => dimensions.reduce<number>((size, next) => size * Number(next), 1))
    .reduce((sum, count) => sum + count, 0);
  return {
    architecture,
    // The enumeration has MOSTLY_Q4_K_M for the common name Q4_K_M.
    quantization: (fileTypes[fileType] ?? '').replace(/^MOSTLY_/, ''),
    parameters: parameters === 0 ? '' : String(parameters),
  };
}
