/** node-llama-cpp in the test's process, observed by NodeLlamaCppInstrumentation, and what it reported. */
import { registerInstrumentations } from '@opentelemetry/instrumentation';
import {
  getLlama,
  type LlamaContext,
  type LlamaContextSequence,
  type LlamaModel,
} from 'node-llama-cpp';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { NodeLlamaCppInstrumentation } from '../../../otel/instrumentation/instrumentation.ts';
import { demoFile } from '../engine/llama-model.ts';
import { makeGguf } from '../models/make-gguf.ts';
import { telemetry } from './generation.ts';
import { changesDuring } from './scrape.ts';
import { readTrace, type TestSpan } from './trace.ts';

export interface ObservedLlama {
  instrumentation: NodeLlamaCppInstrumentation;
  demo: LlamaModel;
  /** Says `one two three` without end. */
  looping: LlamaModel;
  /** Calls the function `price` in every answer. */
  calling: LlamaModel;
  dispose(): Promise<void>;
}

export async function observeLlama(): Promise<NodeLlamaCppInstrumentation> {
  const instrumentation = new NodeLlamaCppInstrumentation();
  // The meter of other test files in this process: a scrape has each name once.
  const meterProvider = { getMeter: () => telemetry.meter };
  registerInstrumentations({ instrumentations: [instrumentation], meterProvider });
  await instrumentation.ready;
  return instrumentation;
}

export async function loadObserved(): Promise<ObservedLlama> {
  const instrumentation = await observeLlama();
  const folder = mkdtempSync(join(tmpdir(), 'instrumentation-'));
  const llama = await getLlama({ gpu: false, build: 'never', maxThreads: 1 });
  const load = (say: string, loop: boolean): Promise<LlamaModel> => {
    const modelPath = join(folder, loop ? 'looping.gguf' : 'calling.gguf');
    makeGguf({ shape: 'tiny', quant: 'q8_0', say, loop, out: modelPath });
    return llama.loadModel({ modelPath });
  };
  const demo = await llama.loadModel({ modelPath: demoFile });
  const looping = await load('one two three', true);
  const call = '{"name": "price", "arguments": {"of": "apple"}}';
  const calling = await load(`<tool_call>\n${call}\n</tool_call>`, false);
  return {
    instrumentation,
    demo,
    looping,
    calling,
    async dispose() {
      instrumentation.disable();
      for (const context of contexts.splice(0)) await context.dispose();
      for (const model of [demo, looping, calling]) await model.dispose();
      rmSync(folder, { recursive: true });
    },
  };
}

/** The changes of requests, tokens and sequences, by their labels. */
export function changes(action: () => Promise<unknown>): Promise<Record<string, number>> {
  const matching = /^inference_(requests|tokens|sequences_active)/;
  return changesDuring(telemetry, async () => void (await action()), matching);
}

export const requests = (outcome: string, reason: string): string =>
  `inference_requests_total{outcome="${outcome}",reason="${reason}"}`;
export const tokens = (type: string): string => `inference_tokens_total{type="${type}"}`;

/** The spans of the one trace that `action` makes. */
export async function spansOf(action: () => Promise<unknown>): Promise<TestSpan[]> {
  const list = async (): Promise<string[]> =>
    (await telemetry.traces.list()).traces.map(({ traceId }) => traceId);
  const known = new Set(await list());
  await action();
  const added = (await list()).filter((traceId) => !known.has(traceId));
  expect(added).toHaveLength(1);
  return readTrace(telemetry, added[0]!);
}

/** Kept until they are disposed: `model.dispose()` waits without end for a context that was collected as garbage. */
const contexts: LlamaContext[] = [];

export async function contextOf(model: LlamaModel, contextSize = 512): Promise<LlamaContext> {
  const context = await model.createContext({ contextSize });
  contexts.push(context);
  return context;
}

export async function sequenceOf(
  model: LlamaModel,
  contextSize?: number,
): Promise<LlamaContextSequence> {
  return (await contextOf(model, contextSize)).getSequence();
}
