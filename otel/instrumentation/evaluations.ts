/**
 * Wraps the evaluating methods of a sequence. An evaluation within an observed function, such as `LlamaChat.generateResponse`,
 * reports to the operation of that function; any other is an operation of its own.
 */
import type { Ending } from '../names.ts';
import type { Decoded, Sequence, TokenIterator } from './llama.ts';
import type { Observer } from './observer.ts';
import { beginOperation, type Operation } from './operation.ts';
import { currentOperation } from './scope.ts';

type Evaluated = IteratorResult<Decoded, void>;

/** Draft sequences of token predictors. Their evaluations are guesses, no requests. */
const drafts = new WeakSet<Sequence>();

function isDraft(sequence: Sequence): boolean {
  const draft = sequence.tokenPredictor?.draftSequence;
  if (draft !== undefined) drafts.add(draft);
  return drafts.has(sequence);
}

function beginRaw(
  observer: Observer,
  sequence: Sequence,
  tokens: readonly number[],
  options?: object,
): Operation {
  const operation = beginOperation(observer, {
    operation: 'text_completion',
    sequence,
    stream: true,
    ...(options === undefined ? {} : { options }),
  });
  operation.content(() => [{ role: 'user', text: sequence.model.detokenize(tokens) }]);
  return operation;
}

const stop: Ending = { outcome: 'completed', reason: 'stop' };
/** The consumer has enough: node-llama-cpp's raw evaluation has no `maxTokens`, so that programs leave the loop. */
const enough: Ending = { outcome: 'completed', reason: 'length' };
const leftEarly: Ending = { outcome: 'cancelled', reason: 'client_gone' };
const failed: Ending = { outcome: 'failed', reason: 'engine_error' };

/** Ends the operation of an iterator that the program dropped without an end. */
const dropped = new FinalizationRegistry<Operation>((operation) => operation.end(leftEarly));

/** Also observes `evaluate`, which calls this method. */
export function wrapEvaluateWithMetadata(observe: () => Observer) {
  return (original: (...args: unknown[]) => TokenIterator) =>
    function evaluateWithMetadata(
      this: Sequence,
      tokens: number[],
      metadata: unknown,
      options: object = {},
      ...rest: unknown[]
    ): TokenIterator {
      const iterator = original.call(this, tokens, metadata, options, ...rest);
      if (!isDraft(this)) observeIterator(observe(), iterator, this, tokens, options);
      return iterator;
    };
}

/** Replaces the methods of this one iterator, so that it stays the generator that it was, with `next(replacement)`. */
function observeIterator(
  observer: Observer,
  iterator: TokenIterator,
  sequence: Sequence,
  tokens: readonly number[],
  options: object,
): void {
  const next = iterator.next.bind(iterator);
  const finish = iterator.return.bind(iterator);
  const fail = iterator.throw.bind(iterator);
  let operation: Operation | undefined;
  /** Only a raw evaluation ends its operation. */
  let raw: Operation | undefined;
  let lastToken: number | undefined;

  const end = (ending: Ending): void =>
    raw?.end(ending, (output) => ({ text: sequence.model.detokenize(output) }));

  function passTokens(replacement: number | number[] | undefined): void {
    if (operation !== undefined) {
      if (replacement === undefined || replacement === null) return;
      operation.evaluating(Array.isArray(replacement) ? replacement.length : 1);
    } else if (tokens.length > 0) {
      operation = currentOperation(sequence);
      if (operation === undefined) {
        operation = raw = beginRaw(observer, sequence, tokens, options);
        dropped.register(iterator, raw);
      }
      operation.evaluating(tokens.length);
    }
  }

  function take(result: Evaluated): Evaluated {
    if (result.done === true) {
      end(stop);
    } else {
      lastToken = result.value.token;
      operation?.decoded(result.value);
    }
    return result;
  }

  function rethrow(error: unknown): never {
    end(failed);
    throw error;
  }

  iterator.next = (...args) => {
    passTokens(args[0]);
    return next(...args).then(take, rethrow);
  };
  iterator.return = async (value) => {
    try {
      return await finish(value);
    } finally {
      if (lastToken === undefined) end(leftEarly);
      else end(sequence.model.isEogToken(lastToken) ? stop : enough);
    }
  };
  iterator.throw = async (error) => {
    try {
      return take(await fail(error));
    } finally {
      end(leftEarly);
    }
  };
}

export function wrapEvaluateWithoutGenerating(observe: () => Observer) {
  return (original: (...args: unknown[]) => Promise<void>) =>
    async function evaluateWithoutGeneratingNewTokens(
      this: Sequence,
      tokens: number[],
      options: object = {},
      ...rest: unknown[]
    ): Promise<void> {
      const evaluate = (): Promise<void> => original.call(this, tokens, options, ...rest);
      if (isDraft(this) || tokens.length === 0) return evaluate();
      const inner = currentOperation(this);
      if (inner !== undefined) {
        inner.evaluating(tokens.length);
        return evaluate();
      }
      // Only node-llama-cpp itself sets this option: it evaluates again what it could not keep after an erase.
      if ('_skipLock' in options) {
        await evaluate();
        observe().reevaluated(tokens.length);
        return;
      }
      const raw = beginRaw(observe(), this, tokens);
      raw.evaluating(tokens.length);
      try {
        await evaluate();
        raw.end(enough);
      } catch (error) {
        raw.end(failed);
        throw error;
      }
    };
}

interface ControlledOutput {
  next: { token?: number | null; confidence?: number };
}

interface ControlledOptions {
  onTokenResult?: (index: number, output: ControlledOutput) => void;
}

export function wrapControlledEvaluate(observe: () => Observer) {
  return (original: (...args: unknown[]) => Promise<unknown>) =>
    async function controlledEvaluate(
      this: Sequence,
      input: (number | [number, unknown])[],
      options: ControlledOptions = {},
      ...rest: unknown[]
    ): Promise<unknown> {
      if (isDraft(this) || input.length === 0) return original.call(this, input, options, ...rest);
      const tokens = input.map((item) => (Array.isArray(item) ? item[0] : item));
      const raw = beginRaw(observe(), this, tokens);
      raw.evaluating(tokens.length);
      const observed: ControlledOptions = {
        ...options,
        onTokenResult(index, output) {
          const { token, confidence } = output.next;
          if (typeof token === 'number')
            raw.decoded({ token, ...(confidence === undefined ? {} : { confidence }) });
          options.onTokenResult?.(index, output);
        },
      };
      try {
        const result = await original.call(this, input, observed, ...rest);
        raw.end(enough, (output) => ({ text: this.model.detokenize(output) }));
        return result;
      } catch (error) {
        raw.end(failed);
        throw error;
      }
    };
}
