/** Prompt and answer on the chat span: only if enabled, as JSON of the GenAI conventions. */
import { expect, test } from 'vitest';
import { createInferenceTelemetry, type Generation } from '../../../otel/generation/inference.ts';
import type { Ending } from '../../../otel/names.ts';
import { start, telemetry } from '../../support/otel/generation.ts';
import { readTrace } from '../../support/otel/trace.ts';

const asked = 'OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT';
const stopped: Ending = { outcome: 'completed', reason: 'stop' };

/** The attributes of the chat span after a generation whose content is reported by `report`. */
async function spanAfter(
  report: (generation: Generation) => void,
  env: Record<string, string>,
  ending: Ending = stopped,
): Promise<Record<string, unknown>> {
  const inference = createInferenceTelemetry({
    meter: telemetry.meter,
    tracer: telemetry.tracer,
    contextTokens: () => 0,
    state: () => 'ready',
    env,
  });
  const generation = inference.begin({ operation: 'chat', at: start });
  report(generation);
  const { traceId } = generation.end({ ...ending, at: start + 1 });
  return (await readTrace(telemetry, traceId)).at(-1)?.attributes ?? {};
}

function json(attribute: unknown): unknown {
  return JSON.parse(String(attribute));
}

const talk = (generation: Generation): void => {
  generation.content({ input: [{ role: 'user', text: 'canary' }] });
  generation.content({ output: { text: 'canary too' } });
};

test.each([{}, { [asked]: '' }, { [asked]: 'false' }, { [asked]: '1' }])(
  'is nowhere with %j',
  async (env) => {
    const attributes = await spanAfter((generation) => {
      expect(generation.capturesContent).toBe(false);
      talk(generation);
    }, env);
    expect(attributes).toMatchObject({ 'inference.outcome': 'completed' });
    expect(JSON.stringify(attributes)).not.toContain('canary');
  },
);

test('is input and output messages with `true`', async () => {
  const attributes = await spanAfter(talk, { [asked]: 'true' });
  expect(json(attributes['gen_ai.input.messages'])).toEqual([
    { role: 'user', parts: [{ type: 'text', content: 'canary' }] },
  ]);
  expect(json(attributes['gen_ai.output.messages'])).toEqual([
    { role: 'assistant', parts: [{ type: 'text', content: 'canary too' }], finish_reason: 'stop' },
  ]);
});

test('has tool calls and their responses', async () => {
  const call = { id: 'call_1', name: 'weather', arguments: { city: 'Paris' } };
  const attributes = await spanAfter(
    (generation) =>
      generation.content({
        input: [
          { role: 'assistant', text: '', toolCalls: [call] },
          { role: 'tool', text: 'rain', toolCallId: 'call_1' },
        ],
        output: { text: '', toolCalls: [call] },
      }),
    { [asked]: 'true' },
    { outcome: 'completed', reason: 'tool_calls' },
  );
  const parts = [{ type: 'tool_call', ...call }];
  expect(json(attributes['gen_ai.input.messages'])).toEqual([
    { role: 'assistant', parts },
    { role: 'tool', parts: [{ type: 'tool_call_response', id: 'call_1', response: 'rain' }] },
  ]);
  expect(json(attributes['gen_ai.output.messages'])).toEqual([
    { role: 'assistant', parts, finish_reason: 'tool_call' },
  ]);
});

test('of a cancelled answer has the finish reason `error`', async () => {
  const gone: Ending = { outcome: 'cancelled', reason: 'client_gone' };
  const attributes = await spanAfter(talk, { [asked]: 'true' }, gone);
  expect(json(attributes['gen_ai.output.messages'])).toMatchObject([{ finish_reason: 'error' }]);
});

test('stays valid JSON within the limit of an attribute, also if an emoji is cut', async () => {
  const limit = 200;
  const env = { [asked]: 'true', OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT: String(limit) };
  const long = { role: 'user', text: '😀'.repeat(5000) };
  const attributes = await spanAfter(
    (generation) => generation.content({ input: [{ role: 'system', text: 'short' }, long] }),
    env,
  );
  const text = String(attributes['gen_ai.input.messages']);
  expect(text.length).toBeLessThanOrEqual(limit);
  expect(text).toMatch(/short.*😀…/);
  expect(text.isWellFormed()).toBe(true);
  expect(json(text)).toHaveLength(2);
});

test('is an empty list if the messages do not fit', async () => {
  const env = { [asked]: 'true', OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT: '200' };
  const input = Array.from({ length: 100 }, () => ({ role: 'user', text: '' }));
  const attributes = await spanAfter((generation) => generation.content({ input }), env);
  expect(attributes['gen_ai.input.messages']).toBe('[]');
});
