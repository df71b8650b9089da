/** Metrics and trace of one generation, for every ending. */
import { describe, expect, test } from 'vitest';
import { unansweredType } from '../../../otel/outcomes.ts';
import { changesDuring, readSamples } from '../../support/otel/scrape.ts';
import {
  everyEnding,
  genAi,
  generate,
  model,
  start,
  stepNames,
  steps,
  stop,
  telemetry,
} from '../../support/otel/generation.ts';
import { findSpan, readTrace, type TestSpan } from '../../support/otel/trace.ts';

describe('a completed generation', () => {
  test('is counted once, with its tokens and one observation of each phase', async () => {
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

  test('has the durations of its phases, its first token and its time per token', async () => {
    const before = await readSamples(telemetry);
    generate(steps.length).end(stop);
    const after = await readSamples(telemetry);
    const added = (name: string): number => (after.get(name) ?? NaN) - (before.get(name) ?? NaN);
    expect(added('inference_queue_duration_seconds_sum')).toBeCloseTo(0.5, 9);
    expect(added('inference_duration_seconds_sum')).toBeCloseTo(0.22, 9);
    expect(added('inference_prefill_duration_seconds_sum')).toBeCloseTo(0.11, 9);
    expect(added('inference_decode_duration_seconds_sum')).toBeCloseTo(0.11, 9);
    expect(added(`gen_ai_server_request_duration_seconds_sum{${genAi}}`)).toBeCloseTo(0.74, 9);
    expect(added(`gen_ai_server_time_to_first_token_seconds_sum{${genAi}}`)).toBeCloseTo(0.64, 9);
    expect(added(`gen_ai_server_time_per_output_token_seconds_sum{${genAi}}`)).toBeCloseTo(0.05, 9);
    expect(added(`gen_ai_client_token_usage_sum{${genAi},gen_ai_token_type="input"}`)).toBe(8);
  });

  test('has a summary for the log and the client', () => {
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
      prefillSeconds: 0.11,
      firstTokenSeconds: 0.64,
      decodeSeconds: 0.11,
      durationSeconds: 0.74,
      tokensPerSecond: 20,
    });
  });

  test('has the speed of its first answer, whatever the other answers to the request do', () => {
    const generation = generate(steps.length);
    const other = generation.another();
    for (let index = 0; index < 100; index += 1) other.token({ at: start + 850 });
    expect(generation.end(stop)).toMatchObject({ outputTokens: 103, tokensPerSecond: 20 });
  });

  test('has the timings of its phases so far', () => {
    const tokenizeSeconds = 0.01;
    expect(generate(3).timings()).toEqual({ tokenizeSeconds });
    expect(generate(4).timings()).toEqual({ tokenizeSeconds, queueSeconds: 0.5 });
    const prefilled = { tokenizeSeconds, queueSeconds: 0.5, prefillSeconds: 0.11 };
    expect(generate(5).timings()).toEqual(prefilled);
  });

  test('has the trace of the contract, with GenAI attributes and the first token', async () => {
    const { traceId } = generate(steps.length).end(stop);
    const spans = await readTrace(telemetry, traceId);
    expect(spans.map((span) => span.name)).toEqual([
      'tokenize',
      'queue',
      'prefill',
      'decode',
      `chat ${model}`,
    ]);
    const chat = findSpan(spans, `chat ${model}`);
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
      'gen_ai.request.frequency_penalty': 0.25,
      'gen_ai.request.presence_penalty': -1,
      'gen_ai.request.stream': true,
      'gen_ai.output.type': 'json',
      'inference.outcome': 'completed',
      'inference.reason': 'stop',
    });
    expect(chat.endedAt - chat.startedAt).toBe(900);
    const decode = findSpan(spans, 'decode');
    expect(decode.events).toEqual([{ name: 'first_token', at: chat.startedAt + 740 }]);
    const since = [decode.startedAt, decode.endedAt].map((at) => at - chat.startedAt);
    expect(since).toEqual([730, 840]);
    const queue = findSpan(spans, 'queue');
    expect(queue.attributes).toEqual({ 'inference.queue.position': 2 });
    const prefill = findSpan(spans, 'prefill');
    expect(prefill.startedAt).toBe(queue.endedAt);
    expect(prefill.endedAt).toBe(decode.startedAt);
    expect(prefill.attributes).toMatchObject({ 'inference.prefill.wait': 0.01 });
  });

  test('with one token has no time between tokens and no time per token', async () => {
    const changes = await changesDuring(telemetry, () => void generate(6).end(stop));
    expect(Object.keys(changes).filter((key) => /inter_token|per_output/.test(key))).toEqual([]);
    expect(changes[`gen_ai_server_time_to_first_token_seconds_count{${genAi}}`]).toBe(1);
  });

  test('whose only token ends the prompt has no decode, and its first token in the prefill', async () => {
    const generation = generate(5);
    generation.token({ at: start + 730 });
    const spans = await readTrace(telemetry, generation.end(stop).traceId);
    expect(spans.map(({ name }) => name)).toEqual([
      'tokenize',
      'queue',
      'prefill',
      `chat ${model}`,
    ]);
    const prefill = findSpan(spans, 'prefill');
    expect(prefill.events).toEqual([{ name: 'first_token', at: prefill.endedAt }]);
  });

  test('without tokens has no first token and no decode, but a prefill', async () => {
    const changes = await changesDuring(telemetry, () => void generate(5).end(stop));
    expect(Object.keys(changes).filter((key) => /first_token|decode/.test(key))).toEqual([]);
    expect(changes['inference_duration_seconds_count']).toBe(1);
  });
});

describe('perplexity', () => {
  const answerWith = async (logprobs: readonly (number | undefined)[]): Promise<number[]> => {
    const before = await readSamples(telemetry);
    const generation = generate(5);
    for (const logprob of logprobs) generation.token({ at: start + 800, logprob });
    generation.end(stop);
    const after = await readSamples(telemetry);
    return ['count', 'sum'].map((part) => {
      const name = `inference_perplexity_${part}`;
      return (after.get(name) ?? NaN) - (before.get(name) ?? NaN);
    });
  };

  test('is exp of the mean negative log-probability of all tokens', async () => {
    const [count, sum] = await answerWith([Math.log(0.5), Math.log(0.125)]);
    expect(count).toBe(1);
    expect(sum).toBeCloseTo(4, 9);
  });

  test.each([
    ['no token', []],
    ['a token without one', [-1, undefined]],
    ['a token that could not be', [-Infinity, -1]],
    ['a token without a number', [NaN]],
  ])('is not recorded for an answer with %s', async (_, logprobs) => {
    expect(await answerWith(logprobs)).toEqual([0, 0]);
  });
});

describe.each(['begin', ...stepNames].map((name, count) => ({ name, count })))(
  'ended after $name',
  ({ count }) => {
    test.each(everyEnding)(
      'as $outcome, $reason: has one outcome and leaves nothing open',
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
        // The changes contain any gauge that does not return to its value.
        expect(
          Object.keys(changes).filter((key) => /queue_depth|sequences_active/.test(key)),
        ).toEqual([]);
        const generated = count > 0 && outcome !== 'rejected';
        const error = outcome === 'completed' ? '' : `error_type="${reason}",`;
        expect(changes[`gen_ai_server_request_duration_seconds_count{${error}${genAi}}`]).toBe(
          generated ? 1 : undefined,
        );
        const answered = outcome !== 'rejected' && count > 5;
        expect(changes[`gen_ai_server_time_to_first_token_seconds_count{${genAi}}`]).toBe(
          answered ? 1 : undefined,
        );
        const type = count > 0 && count <= 5 ? unansweredType(ending) : undefined;
        const unanswered = Object.entries(changes).filter(([key]) => /_unanswered_/.test(key));
        expect(unanswered).toEqual(
          type === undefined
            ? []
            : [[`inference_unanswered_duration_seconds_count{type="${type}"}`, 1]],
        );
        expect(changes['inference_queue_duration_seconds_count']).toBe(count > 2 ? 1 : undefined);
        expectWholeTree(await readTrace(telemetry, traceId), outcome);
      },
    );
  },
);

function expectWholeTree(spans: readonly TestSpan[], outcome: string): void {
  const chat = spans.at(-1);
  expect(chat?.name).toMatch(/^chat/);
  expect(chat?.failed).toBe(outcome !== 'completed');
  expect(chat?.attributes['error.type'] !== undefined).toBe(chat?.failed);
  for (const child of spans.slice(0, -1)) {
    expect(child.parentId).toBe(chat?.id);
    expect(child.startedAt).toBeGreaterThanOrEqual(chat?.startedAt ?? NaN);
    expect(child.endedAt).toBeLessThanOrEqual(chat?.endedAt ?? NaN);
    expect(child.failed).toBe(false);
  }
}
