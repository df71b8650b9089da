/**
 * Wraps the prompts of `LlamaChatSession`. A prompt calls the model through `LlamaChat`, which is observed there. With functions it is a
 * span of its own, above the model calls and the function calls.
 */
import {
  context,
  SpanKind,
  SpanStatusCode,
  trace,
  type Context,
  type Span,
} from '@opentelemetry/api';
import { attributes as a, genAiProvider, spanAttributes as s, spans } from '../names.ts';
import { modelName, type SamplingOptions, type Sequence, type ToolDefinition } from './llama.ts';
import { beginChat } from './functions.ts';
import type { Observer } from './observer.ts';
import { endingOfError } from './operation.ts';
import { runInPrompt, runOutside, type Prompt } from './scope.ts';

interface Session {
  _chat: { _sequence: Sequence | null } | null;
}

type PromptFunction = (...args: unknown[]) => Promise<unknown>;

/** `LlamaChatSession.promptWithMeta`; with `runsFunctions: false` `completePromptWithMeta`, which only shows them to the model. */
export function wrapPrompt(observe: () => Observer, { runsFunctions }: { runsFunctions: boolean }) {
  return (original: PromptFunction) =>
    async function prompt(
      this: Session,
      text: unknown,
      options: SamplingOptions = {},
      ...rest: unknown[]
    ): Promise<unknown> {
      const chat = this._chat;
      const sequence = chat?._sequence;
      if (chat === null || !sequence) return original.call(this, text, options, ...rest);
      const call = (given: SamplingOptions): Promise<unknown> =>
        observePrompt(observe(), { chat, sequence, options: given }, () =>
          original.call(this, text, given, ...rest),
        );
      const hasFunctions = Object.keys(options.functions ?? {}).length > 0;
      return runsFunctions && hasFunctions
        ? observeAgent(observe(), sequence, options, call)
        : call(options);
    };
}

async function observePrompt(
  observer: Observer,
  prompt: { chat: object; sequence: Sequence; options: SamplingOptions },
  call: () => Promise<unknown>,
): Promise<unknown> {
  const { chat, sequence, options } = prompt;
  const operation = beginChat(observer, sequence, options);
  const current: Prompt = { chat, firstCall: operation };
  try {
    return await runInPrompt(current, call);
  } catch (error) {
    // It was aborted, or failed, while it waited for the chat.
    if (current.firstCall !== undefined) operation.end(endingOfError(error, options.signal));
    throw error;
  }
}

async function observeAgent(
  observer: Observer,
  sequence: Sequence,
  options: SamplingOptions,
  call: (options: SamplingOptions) => Promise<unknown>,
): Promise<unknown> {
  const span = observer.tracer.startSpan(spans.invokeAgent, {
    kind: SpanKind.INTERNAL,
    attributes: {
      [a.genAiOperationName]: spans.invokeAgent,
      [a.genAiProviderName]: genAiProvider,
      [a.genAiRequestModel]: modelName(sequence.model),
    },
  });
  const parent = trace.setSpan(context.active(), span);
  const functions = Object.fromEntries(
    Object.entries(options.functions ?? {}).map(([name, definition]) => [
      name,
      observeTool(observer, parent, name, definition),
    ]),
  );
  try {
    return await context.with(parent, () => call({ ...options, functions }));
  } catch (error) {
    fail(span, error);
    throw error;
  } finally {
    span.end();
  }
}

/** A copy of the definition whose handler runs in a span. */
function observeTool(
  observer: Observer,
  parent: Context,
  name: string,
  definition: ToolDefinition,
): ToolDefinition {
  async function handler(params: unknown): Promise<unknown> {
    const span = observer.tracer.startSpan(
      `${spans.executeTool} ${name}`,
      { kind: SpanKind.INTERNAL, attributes: toolAttributes(name, definition) },
      parent,
    );
    const captures = observer.capturesContent;
    if (captures) span.setAttribute(s.toolArguments, JSON.stringify(params) ?? '');
    try {
      const result: unknown = await context.with(trace.setSpan(parent, span), () =>
        runOutside(() => definition.handler(params)),
      );
      if (captures) span.setAttribute(s.toolResult, JSON.stringify(result) ?? '');
      return result;
    } catch (error) {
      fail(span, error);
      throw error;
    } finally {
      span.end();
    }
  }
  const copy = Object.create(Object.getPrototypeOf(definition) as object) as ToolDefinition;
  return Object.assign(copy, definition, { handler });
}

function toolAttributes(name: string, { description }: ToolDefinition): Record<string, string> {
  return {
    [a.genAiOperationName]: spans.executeTool,
    [s.toolName]: name,
    [s.toolType]: 'function',
    ...(description === undefined ? {} : { [s.toolDescription]: description }),
  };
}

/** The message of an error may have a part of the conversation, so that only its class is recorded. */
function fail(span: Span, error: unknown): void {
  const type = error instanceof Error ? error.name : '_OTHER';
  span.setAttribute(a.errorType, type);
  span.setStatus({ code: SpanStatusCode.ERROR, message: type });
}
