/** NodeLlamaCppInstrumentation in this process: chat sessions and their functions, with every ending, on the real engine. */
import { context, trace } from '@opentelemetry/api';
import {
  defineChatSessionFunction,
  LlamaChatSession,
  LlamaCompletion,
  type LlamaModel,
} from 'node-llama-cpp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { telemetry } from '../../support/otel/generation.ts';
import * as observed from '../../support/otel/observed-llama.ts';
import { tree } from '../../support/otel/trace.ts';

const { changes, requests, sequenceOf, spansOf, tokens } = observed;
let llama: observed.ObservedLlama;
let demo: LlamaModel;
let looping: LlamaModel;

beforeAll(async () => {
  llama = await observed.loadObserved();
  ({ demo, looping } = llama);
});

afterAll(() => llama.dispose());

describe('a chat session', () => {
  const session = async (model: LlamaModel, contextSize?: number): Promise<LlamaChatSession> =>
    new LlamaChatSession({ contextSequence: await sequenceOf(model, contextSize) });

  test('is one request a prompt, whose evaluations are counted once', async () => {
    const chat = await session(demo);
    const parent = telemetry.tracer.startSpan('program');
    const spans = await spansOf(async () => {
      await context.with(trace.setSpan(context.active(), parent), () => chat.prompt('Hello'));
      parent.end();
    });
    expect(tree(spans)).toEqual([
      'prefill < chat llamascope-demo',
      'decode < chat llamascope-demo',
      'chat llamascope-demo < program',
      'program < ',
    ]);
    const { usedInputTokens, usedOutputTokens } = chat.sequence.tokenMeter;
    // The meter counts the last token of the prompt as output.
    expect(spans[2]!.attributes).toMatchObject({
      'gen_ai.usage.input_tokens': usedInputTokens + 1,
      'gen_ai.usage.output_tokens': usedOutputTokens,
      'gen_ai.response.finish_reasons': ['stop'],
    });
    expect(JSON.stringify(spans)).not.toMatch(/Hello|messages/);
  });

  test('aborted while it generates is cancelled, with its tokens', async () => {
    const chat = await session(looping);
    for (const stopOnAbortSignal of [false, true]) {
      const abort = new AbortController();
      const counted = await changes(async () => {
        const options = {
          signal: abort.signal,
          stopOnAbortSignal,
          onTextChunk: () => abort.abort(),
        };
        await chat.prompt('Hello', options).catch(() => {});
      });
      expect(counted).toMatchObject({ [requests('cancelled', 'client_gone')]: 1 });
      expect(counted[tokens('output')]).toBeGreaterThan(0);
    }
    const late = await changes(() =>
      chat.prompt('Hello', { signal: AbortSignal.timeout(20) }).catch(() => {}),
    );
    expect(late).toMatchObject({ [requests('cancelled', 'deadline')]: 1 });
  });

  test('aborted while it waits for another prompt is cancelled', async () => {
    const chat = await session(looping);
    const abort = new AbortController();
    const counted = await changes(async () => {
      const first = chat.prompt('Hello', { maxTokens: 20 });
      const second = chat.prompt('Hello', { signal: abort.signal });
      abort.abort();
      await expect(second).rejects.toThrow('aborted');
      await first;
    });
    expect(counted).toMatchObject({
      [requests('completed', 'length')]: 1,
      [requests('cancelled', 'client_gone')]: 1,
      [tokens('output')]: 20,
    });
  });

  // Fault: a new prompt stops completions by a signal of node-llama-cpp's own.
  test('that stops a waiting completion cancels it', async () => {
    const chat = await session(looping);
    const counted = await changes(async () => {
      const first = chat.prompt('Hello', { maxTokens: 20 });
      const completion = chat.completePrompt('Hel', { maxTokens: 5 });
      const second = chat.prompt('Hello', { maxTokens: 20 });
      await expect(completion).rejects.toThrow('aborted');
      await Promise.all([first, second]);
    });
    expect(counted).toMatchObject({
      [requests('completed', 'length')]: 2,
      [requests('cancelled', 'client_gone')]: 1,
    });
  });

  test('stays one request over context shifts', async () => {
    const chat = await session(looping, 256);
    const spans = await spansOf(() => chat.prompt('Hello', { maxTokens: 400 }));
    expect(spans).toHaveLength(3);
    expect(spans[2]!.attributes).toMatchObject({
      'gen_ai.usage.output_tokens': 400,
      'gen_ai.response.finish_reasons': ['length'],
      'inference.reevaluated_tokens': expect.any(Number),
    });
  });

  test('preloads a prompt as a request without output', async () => {
    const chat = await session(demo);
    const counted = await changes(() => chat.preloadPrompt('Hello'));
    expect(counted).toEqual({
      [requests('completed', 'length')]: 1,
      [tokens('input')]: chat.sequence.nextTokenIndex,
    });
  });
});

describe('functions', () => {
  const price = (handler: (params: unknown) => unknown): { price: never } =>
    ({
      price: defineChatSessionFunction({
        params: { type: 'object', properties: { of: { type: 'string' } } },
        handler,
      }),
    }) as never;
  const prompt = async (handler: (params: unknown) => unknown): Promise<unknown> => {
    const chat = new LlamaChatSession({ contextSequence: await sequenceOf(llama.calling, 1024) });
    const functions = price(handler);
    // The model calls again and again: the second answer ends at the limit.
    return chat.prompt('Apples?', { functions, maxParallelFunctionCalls: 1, maxTokens: 35 });
  };

  test('are spans beside the model calls, and what they generate is theirs', async () => {
    const spans = await spansOf(() =>
      prompt(async () => {
        const inner = new LlamaCompletion({ contextSequence: await sequenceOf(demo) });
        return inner.generateCompletion('Hello', { maxTokens: 2 });
      }),
    );
    expect(tree(spans).toSorted()).toEqual([
      'chat calling < invoke_agent',
      'chat calling < invoke_agent',
      'decode < chat calling',
      'decode < chat calling',
      'decode < text_completion llamascope-demo',
      'execute_tool price < invoke_agent',
      'invoke_agent < ',
      'prefill < chat calling',
      'prefill < chat calling',
      'prefill < text_completion llamascope-demo',
      'text_completion llamascope-demo < execute_tool price',
    ]);
    const reasons = spans.flatMap(({ attributes }) => attributes['gen_ai.response.finish_reasons']);
    expect(reasons).toContain('tool_calls');
    expect(JSON.stringify(spans)).not.toContain('apple');
  });

  test('that fail have status ERROR without their message', async () => {
    const spans = await spansOf(() =>
      expect(
        prompt(() => {
          throw new TypeError('secret');
        }),
      ).rejects.toThrow('secret'),
    );
    const failed = spans.filter((span) => span.failed).map(({ name }) => name);
    expect(failed).toEqual(expect.arrayContaining(['execute_tool price', 'invoke_agent']));
    expect(JSON.stringify(spans)).not.toContain('secret');
  });
});
