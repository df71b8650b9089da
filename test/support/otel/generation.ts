/** The facts of a generation one by one, and the telemetry that records them. */
import { createInferenceTelemetry, type Generation } from '../../../otel/generation/inference.ts';
import { endings, type Ending } from '../../../otel/names.ts';
import { startTelemetry } from '../../../otel/sdk.ts';

/** Start of the generation, in milliseconds of some clock. */
export const start = 1_700_000_000_000;
export const model = 'qwen2.5-0.5b-instruct';
/** Labels of the GenAI histograms in a scrape. */
export const genAi = `gen_ai_operation_name="chat",gen_ai_provider_name="llama.cpp",gen_ai_request_model="${model}",gen_ai_response_model="${model}"`;
export const everyEnding = Object.entries(endings).flatMap(([outcome, reasons]) =>
  reasons.map((reason) => ({ outcome, reason }) as Ending),
);
/** Scrapes share no collection, so that a test sees its own changes. */
export const telemetry = startTelemetry({
  serviceName: 'test',
  serviceVersion: '1.0.0',
  shareMillis: 0,
});
export const inference = createInferenceTelemetry({
  meter: telemetry.meter,
  tracer: telemetry.tracer,
  contextTokens: () => 0,
  state: () => 'ready',
});
inference.setModel({
  id: model,
  architecture: 'qwen2',
  quantization: 'Q4_K_M',
  parameters: '0.5B',
  context: 4096,
  sha256: '74a4da8c9fdbcd15bd1f6d01d621410d31c6fc00986f5eb687824e7b93d7a9db',
  loadSeconds: 1.5,
});

/** The facts of a generation in order. */
export const steps: readonly ((generation: Generation) => void)[] = [
  (generation) =>
    generation.admitted({
      model,
      requestedModel: 'qwen',
      responseId: 'chatcmpl-1',
      stream: true,
      maxTokens: 10,
      temperature: 0.5,
      stop: ['END'],
      frequencyPenalty: 0.25,
      presencePenalty: -1,
      outputType: 'json',
      at: start + 100,
    }),
  (generation) =>
    generation.tokenized({ startedAt: start + 110, endedAt: start + 120, inputTokens: 8 }),
  (generation) => generation.queued({ at: start + 120, position: 2 }),
  (generation) => generation.started({ at: start + 620 }),
  (generation) =>
    generation.prefilled({
      startedAt: start + 630,
      endedAt: start + 730,
      inputTokens: 8,
      cachedTokens: 3,
    }),
  (generation) => generation.token({ at: start + 740 }),
  (generation) => generation.token({ at: start + 790 }),
  (generation) => generation.token({ at: start + 840 }),
];
export const stepNames = [
  'admission',
  'tokenisation',
  'queueing',
  'start',
  'prefill',
  'first token',
  'second token',
  'third token',
];

/** Begins a generation and reports its first `count` facts. */
export function generate(count: number): Generation {
  const generation = inference.begin({ operation: 'chat', at: start });
  for (const step of steps.slice(0, count)) step(generation);
  return generation;
}

export const stop = { outcome: 'completed', reason: 'stop', at: start + 900 } as const;
