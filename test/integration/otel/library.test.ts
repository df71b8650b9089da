/** `observeTokens` and `serveTelemetry` of `@llamascope/otel`; `package.test.ts` has its example. */
import { describe, expect, test } from 'vitest';
import { observeTokens } from '../../../otel/generation/observe-tokens.ts';
import { serveTelemetry } from '../../../otel/serve.ts';
import { changesDuring } from '../../support/otel/scrape.ts';
import { inference, model, telemetry } from '../../support/otel/generation.ts';

describe('observed tokens', () => {
  async function* count(to: number): AsyncGenerator<number, void, void> {
    for (let index = 0; index < to; index += 1) yield index;
    if (to > 5) throw new Error('the model broke');
  }
  const requests = async (read: () => Promise<void>): Promise<Record<string, number>> =>
    changesDuring(telemetry, read, /^inference_(requests|tokens|sequences)/);
  const facts = { model, inputTokens: 3, cachedTokens: 1 };
  const tokens = (output: number): Record<string, number> => ({
    'inference_tokens_total{type="input"}': 2,
    'inference_tokens_total{type="cached_input"}': 1,
    'inference_tokens_total{type="output"}': output,
  });

  test('are completed when the stream ends, and when it reaches maxTokens', async () => {
    const ended = await requests(async () => {
      expect(await collect(observeTokens(inference, facts, count(2)))).toEqual([0, 1]);
    });
    expect(ended).toEqual({
      'inference_requests_total{outcome="completed",reason="stop"}': 1,
      ...tokens(2),
    });
    const full = await requests(async () => {
      const few = observeTokens(inference, { ...facts, maxTokens: 2 }, count(9));
      expect(await collect(few)).toEqual([0, 1]);
    });
    expect(full).toEqual({
      'inference_requests_total{outcome="completed",reason="length"}': 1,
      ...tokens(2),
    });
  });

  test('are cancelled when their consumer stops', async () => {
    const left = await requests(async () => {
      for await (const token of observeTokens(inference, facts, count(9))) if (token === 1) break;
    });
    expect(left).toEqual({
      'inference_requests_total{outcome="cancelled",reason="client_gone"}': 1,
      ...tokens(2),
    });
  });

  test('have failed when the stream throws, and rethrow the error', async () => {
    const broke = await requests(async () => {
      await expect(collect(observeTokens(inference, facts, count(9)))).rejects.toThrow('broke');
    });
    expect(broke).toEqual({
      'inference_requests_total{outcome="failed",reason="engine_error"}': 1,
      ...tokens(9),
    });
  });
});

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}

test('the server answers its routes, lists them in a 404, and rejects a port in use', async () => {
  const server = await serveTelemetry(telemetry, { port: 0 });
  const get = async (path: string): Promise<Response> =>
    fetch(`http://127.0.0.1:${server.port}${path}`);
  expect((await get('/metrics')).headers.get('content-type')).toContain('version=0.0.4');
  expect(await (await get('/api/traces?limit=1')).json()).toMatchObject({ traces: [{ spans: 3 }] });
  expect((await get('/api/traces?limit=x')).status).toBe(400);
  expect((await get('/api/traces/0')).status).toBe(404);
  expect(await (await get('/')).text()).toContain('/metrics');
  await expect(serveTelemetry(telemetry, { port: server.port })).rejects.toThrow('EADDRINUSE');
  server.close();
});
