/** Metrics and span of one embeddings request, for every ending. */
import { expect, test } from 'vitest';
import { everyEnding, inference, model, start, telemetry } from '../../support/otel/generation.ts';
import { changesDuring } from '../../support/otel/scrape.ts';
import { readTrace } from '../../support/otel/trace.ts';

const genAi = `gen_ai_operation_name="embeddings",gen_ai_provider_name="llama.cpp",gen_ai_request_model="${model}",gen_ai_response_model="${model}"`;
const admission = {
  model,
  requestedModel: 'qwen',
  encodingFormat: 'base64',
  at: start + 100,
} as const;

test('a completed request has its outcome, duration and tokens once, and a span', async () => {
  let traceId = '';
  const changes = await changesDuring(telemetry, () => {
    const embeddings = inference.beginEmbeddings({ at: start });
    embeddings.admitted(admission);
    const ended = { outcome: 'completed', reason: 'stop', at: start + 400 } as const;
    const summary = embeddings.end({ ...ended, inputTokens: 7, dimensions: 896 });
    expect(summary).toMatchObject({ outcome: 'completed', inputTokens: 7, durationSeconds: 0.3 });
    expect(embeddings.end({ ...ended, inputTokens: 9 })).toBe(summary);
    traceId = summary.traceId;
  });
  expect(changes).toEqual({
    'inference_embeddings_requests_total{outcome="completed",reason="stop"}': 1,
    [`gen_ai_server_request_duration_seconds_count{${genAi}}`]: 1,
    [`gen_ai_client_token_usage_count{${genAi},gen_ai_token_type="input"}`]: 1,
  });
  const [span] = await readTrace(telemetry, traceId);
  expect(span).toMatchObject({ name: `embeddings ${model}`, failed: false });
  expect(span!.endedAt - span!.startedAt).toBe(400);
  expect(span!.attributes).toEqual({
    'gen_ai.operation.name': 'embeddings',
    'gen_ai.provider.name': 'llama.cpp',
    'gen_ai.request.model': 'qwen',
    'gen_ai.response.model': model,
    'gen_ai.request.encoding_formats': ['base64'],
    'gen_ai.embeddings.dimension.count': 896,
    'gen_ai.usage.input_tokens': 7,
    'inference.outcome': 'completed',
    'inference.reason': 'stop',
  });
});

const withoutAnswer = everyEnding.filter(({ outcome }) => outcome !== 'completed');

test.each(withoutAnswer)('$outcome, $reason: one outcome, and the status ERROR', async (ending) => {
  let traceId = '';
  const changes = await changesDuring(telemetry, () => {
    const embeddings = inference.beginEmbeddings({ at: start });
    embeddings.admitted(admission);
    ({ traceId } = embeddings.end({ ...ending, at: start + 400, message: 'why' }));
  });
  const { outcome, reason } = ending;
  const duration = `gen_ai_server_request_duration_seconds_count{error_type="${reason}",${genAi}}`;
  expect(changes).toEqual({
    [`inference_embeddings_requests_total{outcome="${outcome}",reason="${reason}"}`]: 1,
    ...(outcome === 'rejected' ? {} : { [duration]: 1 }),
  });
  const [span] = await readTrace(telemetry, traceId);
  expect(span?.failed).toBe(true);
  expect(span?.attributes['error.type']).toBe(reason);
  expect(span?.status.message).toBe(outcome === 'failed' ? 'why' : reason);
});
