/** One generation, told as facts under every ending: what the scrape counts and what the trace shows. */
import { context, SpanStatusCode, trace } from '@opentelemetry/api';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  createInferenceTelemetry,
  type Generation,
  type InferenceTelemetry,
} from '../../otel/inference.ts';
import { endings, type Ending } from '../../otel/names.ts';
import { startTelemetry, type Telemetry } from '../../otel/sdk.ts';
import { changesDuring, readSamples } from '../support/otel-scrape.ts';
import { readTrace, type TestSpan } from '../support/otel-trace.ts';

const start = 1_700_000_000_000;
const model = 'qwen2.5-0.5b-instruct';
const genAi = `gen_ai_operation_name="chat",gen_ai_provider_name="llama.cpp",gen_ai_request_model="${model}",gen_ai_response_model="${model}"`;
const everyEnding = Object.entries(endings).flatMap(([outcome, reasons]) =>
  reasons.map((reason) => ({ outcome, reason }) as Ending),
);

let telemetry: Telemetry;
let inference: InferenceTelemetry;

beforeAll(() => {
  telemetry = startTelemetry({ serviceName: 'test', serviceVersion: '1.0.0', shareMillis: 0 });
  const { meter, tracer } = telemetry;
  inference = createInferenceTelemetry({
    meter,
    tracer,
    contextTokens: () => 0,
    ready: () => true,
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
});

/** The facts of a generation in their order; times are milliseconds after its start. */
const steps: readonly ((generation: Generation) => void)[] = [
  (generation) =>
    generation.admitted({
      model,
      requestedModel: 'qwen',
      responseId: 'chatcmpl-1',
      stream: true,
      maxTokens: 10,
      temperature: 0.5,
      stop: ['END'],
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
const stepNames = [
  'admission',
  'tokenisation',
  'queueing',
  'start',
  'prefill',
  'first token',
  'second token',
  'third token',
];

function generate(count: number): Generation {
  const generation = inference.begin({ operation: 'chat', at: start });
  for (const step of steps.slice(0, count)) step(generation);
  return generation;
}

const stop = { outcome: 'completed', reason: 'stop', at: start + 900 } as const;

describe('a completed generation', () => {
  test('is counted once, with its tokens and every phase once', async () => {
    const changes = await changesDuring(telemetry, () => {
      const generation = generate(steps.length);
      generation.streamEnded('done');
      generation.end(stop);
    });
    expect(changes).toEqual({
      'inference_requests_total{outcome="completed",reason="stop"}': 1,
      'inference_tokens_total{type="input"}': 5,
      'inference_tokens_total{type="cached_input"}': 3,
      'inference_tokens_total{type="output"}': 3,
      'inference_stream_terminations_total{how="done"}': 1,
      inference_duration_seconds_count: 1,
      inference_queue_duration_seconds_count: 1,
      inference_tokenize_duration_seconds_count: 1,
      inference_prefill_duration_seconds_count: 1,
      inference_decode_duration_seconds_count: 1,
      inference_inter_token_duration_seconds_count: 2,
      [`gen_ai_server_request_duration_seconds_count{${genAi}}`]: 1,
      [`gen_ai_server_time_to_first_token_seconds_count{${genAi}}`]: 1,
      [`gen_ai_server_time_per_output_token_seconds_count{${genAi}}`]: 1,
      [`gen_ai_client_token_usage_count{${genAi},gen_ai_token_type="input"}`]: 1,
      [`gen_ai_client_token_usage_count{${genAi},gen_ai_token_type="output"}`]: 1,
    });
  });

  test('sums what its phases took: queue, model alone, first token, time per token', async () => {
    const before = await readSamples(telemetry);
    generate(steps.length).end(stop);
    const after = await readSamples(telemetry);
    const added = (name: string): number => (after.get(name) ?? NaN) - (before.get(name) ?? NaN);
    expect(added('inference_queue_duration_seconds_sum')).toBeCloseTo(0.5, 9);
    expect(added('inference_duration_seconds_sum')).toBeCloseTo(0.21, 9);
    expect(added('inference_decode_duration_seconds_sum')).toBeCloseTo(0.11, 9);
    expect(added(`gen_ai_server_request_duration_seconds_sum{${genAi}}`)).toBeCloseTo(0.74, 9);
    expect(added(`gen_ai_server_time_to_first_token_seconds_sum{${genAi}}`)).toBeCloseTo(0.64, 9);
    expect(added(`gen_ai_server_time_per_output_token_seconds_sum{${genAi}}`)).toBeCloseTo(0.05, 9);
    expect(added(`gen_ai_client_token_usage_sum{${genAi},gen_ai_token_type="input"}`)).toBe(8);
  });

  test('is summarised for the log and the client', () => {
    expect(generate(steps.length).end(stop)).toEqual({
      outcome: 'completed',
      reason: 'stop',
      traceId: expect.stringMatching(/^[0-9a-f]{32}$/),
      spanId: expect.stringMatching(/^[0-9a-f]{16}$/),
      inputTokens: 8,
      cachedTokens: 3,
      outputTokens: 3,
      tokenizeSeconds: 0.01,
      queueSeconds: 0.5,
      prefillSeconds: 0.1,
      firstTokenSeconds: 0.64,
      decodeSeconds: 0.11,
      durationSeconds: 0.74,
      tokensPerSecond: 20,
    });
  });

  test('has the trace of the contract, with GenAI attributes and the first token', () => {
    const { traceId } = generate(steps.length).end(stop);
    const spans = readTrace(telemetry, traceId);
    expect(spans.map((span) => span.name)).toEqual([
      'tokenize',
      'queue',
      'prefill',
      'decode',
      `chat ${model}`,
    ]);
    const chat = named(spans, `chat ${model}`);
    expect(chat.attributes).toEqual({
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'llama.cpp',
      'gen_ai.request.model': 'qwen',
      'gen_ai.response.model': model,
      'gen_ai.response.id': 'chatcmpl-1',
      'gen_ai.response.finish_reasons': ['stop'],
      'gen_ai.request.max_tokens': 10,
      'gen_ai.request.temperature': 0.5,
      'gen_ai.request.stop_sequences': ['END'],
      'gen_ai.usage.input_tokens': 8,
      'gen_ai.usage.cache_read.input_tokens': 3,
      'gen_ai.usage.output_tokens': 3,
      'inference.stream': true,
      outcome: 'completed',
      reason: 'stop',
    });
    expect([chat.startedAt, chat.endedAt]).toEqual([start, start + 900]);
    const decode = named(spans, 'decode');
    expect(decode.events).toEqual([{ name: 'first_token', at: start + 740 }]);
    expect([decode.startedAt, decode.endedAt]).toEqual([start + 730, start + 840]);
    expect(named(spans, 'queue').attributes).toEqual({ 'inference.queue.position': 2 });
  });

  test('has neither a gap between tokens nor a time per token when it has one token', async () => {
    const changes = await changesDuring(telemetry, () => void generate(6).end(stop));
    expect(Object.keys(changes).filter((key) => /inter_token|per_output/.test(key))).toEqual([]);
    expect(changes[`gen_ai_server_time_to_first_token_seconds_count{${genAi}}`]).toBe(1);
  });

  test('has no first token and no decoding when it has no token, and was still prefilled', async () => {
    const changes = await changesDuring(telemetry, () => void generate(5).end(stop));
    expect(Object.keys(changes).filter((key) => /first_token|decode/.test(key))).toEqual([]);
    expect(changes['inference_duration_seconds_count']).toBe(1);
  });
});

describe.each(['begin', ...stepNames].map((name, count) => ({ name, count })))(
  'ended after $name',
  ({ count }) => {
    test.each(everyEnding)(
      'as $outcome, $reason: one outcome, nothing left open',
      async (ending) => {
        let traceId = '';
        const changes = await changesDuring(telemetry, () => {
          traceId = generate(count).end({ ...ending, at: start + 900 }).traceId;
        });
        const { outcome, reason } = ending;
        const requests = Object.entries(changes).filter(([key]) =>
          key.startsWith('inference_requests'),
        );
        expect(requests).toEqual([
          [`inference_requests_total{outcome="${outcome}",reason="${reason}"}`, 1],
        ]);
        // A gauge that does not return to where it was would be among the changes.
        expect(
          Object.keys(changes).filter((key) => /queue_depth|sequences_active/.test(key)),
        ).toEqual([]);
        const generated = count > 0 && outcome !== 'rejected';
        const error = outcome === 'completed' ? '' : `error_type="${reason}",`;
        expect(changes[`gen_ai_server_request_duration_seconds_count{${error}${genAi}}`]).toBe(
          generated ? 1 : undefined,
        );
        const answered = outcome === 'completed' && count > 5;
        expect(changes[`gen_ai_server_time_to_first_token_seconds_count{${genAi}}`]).toBe(
          answered ? 1 : undefined,
        );
        expect(changes['inference_queue_duration_seconds_count']).toBe(count > 2 ? 1 : undefined);
        expectWholeTree(readTrace(telemetry, traceId), outcome);
      },
    );
  },
);

function expectWholeTree(spans: readonly TestSpan[], outcome: string): void {
  const chat = spans.at(-1);
  expect(chat?.name).toMatch(/^chat/);
  expect(chat?.failed).toBe(outcome === 'failed');
  for (const child of spans.slice(0, -1)) {
    expect(child.parentId).toBe(chat?.id);
    expect(child.startedAt).toBeGreaterThanOrEqual(chat?.startedAt ?? NaN);
    expect(child.endedAt).toBeLessThanOrEqual(chat?.endedAt ?? NaN);
    expect(child.failed).toBe(false);
  }
}

describe('facts that come late, twice or not at all', () => {
  test('a second end changes nothing and returns the first summary', async () => {
    const generation = generate(3);
    const first = generation.end({ outcome: 'rejected', reason: 'queue_timeout', at: start + 800 });
    const changes = await changesDuring(telemetry, () => {
      expect(generation.end(stop)).toBe(first);
      for (const step of steps) step(generation);
      generation.contextShifted();
    });
    expect(changes).toEqual({});
  });

  test('the first word about a stream counts', async () => {
    const changes = await changesDuring(telemetry, () => {
      const generation = generate(0);
      generation.streamEnded('client_gone');
      generation.streamEnded('done');
      generation.end({ outcome: 'cancelled', reason: 'client_gone', at: start });
    });
    expect(changes).toMatchObject({ 'inference_stream_terminations_total{how="client_gone"}': 1 });
    expect(changes).not.toHaveProperty(['inference_stream_terminations_total{how="done"}']);
  });

  test('a prefill that was cut short is in the trace until the end', () => {
    const { traceId } = generate(4).end({
      outcome: 'cancelled',
      reason: 'deadline',
      at: start + 700,
    });
    const prefill = named(readTrace(telemetry, traceId), 'prefill');
    expect([prefill.startedAt, prefill.endedAt]).toEqual([start + 620, start + 700]);
  });

  test('a clock that ran backwards is refused by every histogram', async () => {
    const changes = await changesDuring(telemetry, () => {
      const generation = generate(1);
      generation.tokenized({ startedAt: start, endedAt: start - 1, inputTokens: 1 });
      generation.queued({ at: start, position: 0 });
      generation.started({ at: start - 1 });
      const prefill = { startedAt: start, endedAt: start - 1, inputTokens: 1, cachedTokens: 0 };
      generation.prefilled(prefill);
      generation.token({ at: start - 2 });
      generation.token({ at: start - 3 });
      generation.end({ ...stop, at: NaN });
    });
    expect(Object.keys(changes).filter((key) => /duration|time_/.test(key))).toEqual([
      `gen_ai_server_request_duration_seconds_count{${genAi}}`,
    ]);
  });

  test('whatever the order of facts, gauges return to zero and tokens add up', async () => {
    const anyFacts = fc.array(fc.integer({ min: 0, max: steps.length - 1 }), { maxLength: 20 });
    const anyEnding = fc.constantFrom(...everyEnding);
    await fc.assert(
      fc.asyncProperty(anyFacts, anyEnding, async (facts, ending) => {
        let summary = { inputTokens: 0, outputTokens: 0 };
        const changes = await changesDuring(telemetry, () => {
          const generation = generate(0);
          for (const fact of facts) steps[fact]?.(generation);
          summary = generation.end({ ...ending, at: start + 2000 });
        });
        expect(Object.keys(changes).filter((key) => /depth|active/.test(key))).toEqual([]);
        const output = changes['inference_tokens_total{type="output"}'] ?? 0;
        expect(output).toBe(summary.outputTokens);
        expect(output).toBe(facts.filter((fact) => fact >= 5).length);
      }),
      { numRuns: 60 },
    );
  });
});

describe('the trace', () => {
  test('continues the span that is active when the generation begins', () => {
    const parent = telemetry.tracer.startSpan('POST /chat');
    const within = trace.setSpan(context.active(), parent);
    const generation = context.with(within, () => generate(0));
    const inner = trace.getSpan(generation.context)?.spanContext();
    const summary = generation.end({ outcome: 'rejected', reason: 'bad_request', at: start });
    parent.end();
    expect(summary.traceId).toBe(parent.spanContext().traceId);
    expect(inner?.spanId).toBe(summary.spanId);
    const chat = named(readTrace(telemetry, summary.traceId), 'chat');
    expect(chat.parentId).toBe(parent.spanContext().spanId);
  });

  test('has an error status on a failed generation, with its message, and on no other', () => {
    const failed = generate(6).end({
      outcome: 'failed',
      reason: 'engine_exit',
      at: start + 800,
      message: 'The engine process ended.',
    });
    const chat = readTrace(telemetry, failed.traceId).at(-1);
    expect(chat?.status).toEqual({
      code: SpanStatusCode.ERROR,
      message: 'The engine process ended.',
    });
    expect(chat?.attributes['error.type']).toBe('engine_exit');
  });
});

test('a new model takes the place of the last one', async () => {
  const facts = { architecture: 'llama', quantization: 'Q8_0', parameters: '1B', context: 1 };
  const changes = await changesDuring(telemetry, () => {
    inference.setModel({ id: 'other', ...facts, sha256: 'f'.repeat(64), loadSeconds: 2.5 });
  });
  const info = Object.entries(changes).filter(([key]) => key.startsWith('inference_model_info'));
  expect(info.map(([, change]) => change).toSorted()).toEqual([-1, 1]);
  expect(changes['inference_model_load_duration_seconds']).toBe(1);
});

test('limits are what they were set to', async () => {
  inference.setLimits({ queue: 64, sequences: 4, contextTokens: 16_384 });
  const samples = await readSamples(telemetry);
  expect(samples.get('inference_queue_limit')).toBe(64);
  expect(samples.get('inference_sequences_limit')).toBe(4);
  expect(samples.get('inference_context_limit')).toBe(16_384);
});

function named(spans: readonly TestSpan[], name: string): TestSpan {
  const span = spans.find((candidate) => candidate.name === name);
  if (span === undefined)
    throw new Error(`no span ${name} among ${spans.map((s) => s.name).join(', ')}`);
  return span;
}
