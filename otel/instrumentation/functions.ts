/** Wraps the functions that evaluate: chats, completions, embeddings, rankings. Each call is one operation. */
import { context } from '@opentelemetry/api';
import type { Ending, PoolingOperation } from '../names.ts';
import type { Generated, HistoryItem, Model, SamplingOptions, Sequence } from './llama.ts';
import { inputText, readHistory, readOutput } from './messages.ts';
import type { Observer } from './observer.ts';
import {
  beginOperation,
  beginPooling,
  cancelledBy,
  endingOfError,
  type Operation,
  type Output,
} from './operation.ts';
import { runInOperation, takeFirstCall } from './scope.ts';

/** Runs `call` as `operation`. `read` returns how it ended, from its result. */
async function runOperation<Result>(
  operation: Operation,
  signal: AbortSignal | undefined,
  call: () => Promise<Result>,
  read: (result: Result) => { ending: Ending; output?: Output },
): Promise<Result> {
  try {
    const result = await context.with(operation.context, () => runInOperation(operation, call));
    const { ending, output } = read(result);
    operation.end(ending, output === undefined ? undefined : () => output);
    return result;
  } catch (error) {
    operation.end(endingOfError(error, signal));
    throw error;
  }
}

/** Maps `stopReason` of node-llama-cpp to an ending. */
function endingOf({ metadata }: Generated, signal: AbortSignal | undefined): Ending {
  const reason = metadata?.stopReason;
  if (reason === 'abort') return cancelledBy(signal);
  if (reason === 'maxTokens') return { outcome: 'completed', reason: 'length' };
  if (reason === 'functionCalls') return { outcome: 'completed', reason: 'tool_calls' };
  return { outcome: 'completed', reason: 'stop' };
}

type Generate = (...args: unknown[]) => Promise<Generated>;

/** `LlamaChat.generateResponse` and `loadChatAndCompleteUserMessage`. */
export function wrapChat(observe: () => Observer) {
  return (original: Generate) =>
    function generateResponse(
      this: { _sequence: Sequence | null },
      history: readonly HistoryItem[],
      options: SamplingOptions = {},
      ...rest: unknown[]
    ): Promise<Generated> {
      const call = (): Promise<Generated> => original.call(this, history, options, ...rest);
      if (this._sequence === null) return call();
      // The first call of a prompt includes its wait for the chat.
      const operation = takeFirstCall(this) ?? beginChat(observe(), this._sequence, options);
      operation.content(() => readHistory(history));
      return runOperation(operation, options.signal, call, (result) => ({
        ending: endingOf(result, options.signal),
        output: readOutput(result),
      }));
    };
}

export function beginChat(
  observer: Observer,
  sequence: Sequence,
  options: SamplingOptions,
): Operation {
  return beginOperation(observer, {
    operation: 'chat',
    sequence,
    options,
    stream: streams(options),
  });
}

function streams(options: SamplingOptions): boolean {
  return [options.onTextChunk, options.onToken, options.onResponseChunk].some(Boolean);
}

/** `LlamaCompletion.generateCompletionWithMeta`, and `generateInfillCompletionWithMeta` with its suffix. */
export function wrapCompletion(observe: () => Observer, inputs: 1 | 2) {
  return (original: Generate) =>
    function generateCompletion(
      this: { _sequence: Sequence | null },
      ...args: unknown[]
    ): Promise<Generated> {
      const call = (): Promise<Generated> => original.apply(this, args);
      const sequence = this._sequence;
      if (sequence === null) return call();
      const options = (args[inputs] ?? {}) as SamplingOptions;
      const operation = beginOperation(observe(), {
        operation: 'text_completion',
        sequence,
        options,
        stream: streams(options),
      });
      operation.content(() =>
        args
          .slice(0, inputs)
          .map((input) => ({ role: 'user', text: inputText(input, sequence.model) })),
      );
      return runOperation(operation, options.signal, call, (result) => ({
        ending: endingOf(result, options.signal),
        output: readOutput(result),
      }));
    };
}

/** `LlamaEmbeddingContext.getEmbeddingFor`, `LlamaRankingContext.rank` and `rankAll`: no output tokens. */
export function wrapPooling(observe: () => Observer, operation: PoolingOperation) {
  return (original: (...args: unknown[]) => Promise<unknown>) =>
    function evaluateInput(this: { _sequence: Sequence }, ...args: unknown[]): Promise<unknown> {
      return runOperation(
        beginPooling(observe(), operation, this._sequence),
        undefined,
        () => original.apply(this, args),
        () => ({ ending: { outcome: 'completed', reason: 'stop' } }),
      );
    };
}

/** `Llama.loadModel`. */
export function wrapLoadModel(observe: () => Observer) {
  return (original: (...args: unknown[]) => Promise<Model>) =>
    async function loadModel(this: unknown, ...args: unknown[]): Promise<Model> {
      const startedAt = performance.now();
      const model = await original.apply(this, args);
      observe().loaded(model, (performance.now() - startedAt) / 1000);
      return model;
    };
}
