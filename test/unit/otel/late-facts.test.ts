/** Facts that are late, repeated, out of order or missing; the parent and the status of the trace. */
import { context, SpanStatusCode, trace } from '@opentelemetry/api';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { changesDuring, readSamples } from '../../support/otel/scrape.ts';
import {
  everyEnding,
  genAi,
  generate,
  inference,
  start,
  steps,
  stop,
  telemetry,
} from '../../support/otel/generation.ts';
import { findSpan, readTrace } from '../../support/otel/trace.ts';

describe('late, repeated or missing facts', () => {
  test('a second end changes nothing and returns the first summary', async () => {
    const generation = generate(3);
    const first = generation.end({ outcome: 'rejected', reason: 'queue_timeout', at: start + 800 });
    const changes = await changesDuring(telemetry, () => {
      expect(generation.end(stop)).toBe(first);
      for (const step of steps) step(generation);
    });
    expect(changes).toEqual({});
  });

  test('the first ending of a stream counts', async () => {
    const changes = await changesDuring(telemetry, () => {
      const generation = generate(0);
      generation.streamEnded('client_gone');
      generation.streamEnded('done');
      generation.end({ outcome: 'cancelled', reason: 'client_gone', at: start });
    });
    expect(changes).toMatchObject({ 'inference_stream_terminations_total{how="client_gone"}': 1 });
    expect(changes).not.toHaveProperty(['inference_stream_terminations_total{how="done"}']);
  });

  test('an interrupted prefill lasts until the end of the generation', async () => {
    const { traceId } = generate(4).end({
      outcome: 'cancelled',
      reason: 'deadline',
      at: start + 700,
    });
    const spans = await readTrace(telemetry, traceId);
    const prefill = findSpan(spans, 'prefill');
    const begun = spans.at(-1)?.startedAt ?? NaN;
    expect([prefill.startedAt - begun, prefill.endedAt - begun]).toEqual([620, 700]);
  });

  test('durations of a clock that runs backwards are not recorded', async () => {
    const changes = await changesDuring(telemetry, () => {
      const generation = generate(1);
      generation.tokenized({ startedAt: start, endedAt: start - 1, inputTokens: 1 });
      generation.queued({ at: start, position: 0 });
      generation.started({ at: start - 1 });
      const prefill = {
        startedAt: start - 1,
        endedAt: start - 2,
        inputTokens: 1,
        cachedTokens: 0,
      };
      generation.prefilled(prefill);
      generation.token({ at: start - 2 });
      generation.token({ at: start - 3 });
      generation.end({ ...stop, at: NaN });
    });
    expect(Object.keys(changes).filter((key) => /duration|time_/.test(key))).toEqual([
      `gen_ai_server_request_duration_seconds_count{${genAi}}`,
    ]);
  });

  test('gauges return to zero and tokens add up for any order of facts', async () => {
    const anyFacts = fc.array(fc.integer({ min: 0, max: steps.length - 1 }), { maxLength: 20 });
    const anyEnding = fc.constantFrom(...everyEnding);
    await fc.assert(
      fc.asyncProperty(anyFacts, anyEnding, async (facts, ending) => {
        let summary: { outputTokens?: number } = {};
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
  test('continues the span that is active when the generation begins', async () => {
    const parent = telemetry.tracer.startSpan('POST /chat');
    const within = trace.setSpan(context.active(), parent);
    const generation = context.with(within, () => generate(0));
    const inner = trace.getSpan(generation.context)?.spanContext();
    const summary = generation.end({ outcome: 'rejected', reason: 'bad_request', at: start });
    parent.end();
    expect(summary.traceId).toBe(parent.spanContext().traceId);
    expect(inner?.spanId).toBe(summary.spanId);
    const chat = findSpan(await readTrace(telemetry, summary.traceId), 'chat');
    expect(chat.parentId).toBe(parent.spanContext().spanId);
  });

  test('has the status ERROR and a message for a failed generation', async () => {
    const failed = generate(6).end({
      outcome: 'failed',
      reason: 'engine_exit',
      at: start + 800,
      message: 'The engine process ended.',
    });
    const chat = (await readTrace(telemetry, failed.traceId)).at(-1);
    expect(chat?.status).toEqual({
      code: SpanStatusCode.ERROR,
      message: 'The engine process ended.',
    });
    expect(chat?.attributes['error.type']).toBe('engine_exit');
  });
});

test('a new model replaces the last one', async () => {
  const facts = { architecture: 'llama', quantization: 'Q8_0', parameters: '1B', context: 1 };
  const changes = await changesDuring(telemetry, () => {
    inference.setModel({ id: 'other', ...facts, sha256: 'f'.repeat(64), loadSeconds: 2.5 });
  });
  const info = Object.entries(changes).filter(([key]) => key.startsWith('inference_model_info'));
  expect(info.map(([, change]) => change)).toEqual([-1, 1]);
  expect(changes['inference_model_load_duration_seconds']).toBe(1);
});

test('limits have the values they were set to', async () => {
  inference.setLimits({ queue: 64, sequences: 4, contextTokens: 16_384 });
  const samples = await readSamples(telemetry);
  expect(samples.get('inference_queue_limit')).toBe(64);
  expect(samples.get('inference_sequences_limit')).toBe(4);
  expect(samples.get('inference_context_limit')).toBe(16_384);
});
