/** Streams of a server behind the service: their bytes pass unchanged, and each has one outcome. */
import { once } from 'node:events';
import { request } from 'node:http';
import { describe, expect, test } from 'vitest';
import { changesDuring } from '../../support/otel/scrape.ts';
import { findSpan, readTrace, tree } from '../../support/otel/trace.ts';
import { how, outcome, tokens } from '../../support/tap/ask.ts';
import { streams, type Reply } from '../../support/tap/stand-in.ts';
import { prompt, useTap } from '../../support/tap/use-tap.ts';
import { until } from '../../support/until.ts';

const world = useTap();
const sse = { 'content-type': 'text/event-stream' };

describe('a stream', () => {
  test.each([
    ['llamaServer', 'stop', { input: 21, cached_input: 10, output: 4 }, 2],
    ['ollama', 'stop', { input: 31, output: 4 }, 1],
    ['vllm', 'length', { input: 15, cached_input: 16, output: 4 }, 1],
  ] as const)('of %s passes byte for byte, with its facts', async (name, reason, counts, gaps) => {
    const body = streams[name];
    const { status, body: got, changes, line } = await world.ask({ headers: sse, body });
    expect(status).toBe(200);
    expect(String(got)).toBe(body.join(''));
    expect(outcome(changes)).toEqual([`completed ${reason}`]);
    expect(how(changes)).toEqual(['done']);
    expect(tokens(changes)).toEqual(counts);
    expect(changes['inference_inter_token_duration_seconds_count']).toBe(gaps);
    const genAi = Object.keys(changes).filter((key) => /^gen_ai.*_count/.test(key));
    expect(genAi.every((key) => key.includes('request_model="m"'))).toBe(true);
    expect(genAi.map((key) => key.replace(/^gen_ai_\w+?_(\w+)_count.*/, '$1')).length).toBe(5);
    expect(line).toMatchObject({ model: 'm', status: 200, streamEnding: 'done', outputTokens: 4 });
  });

  test('of llama-server has the phases of its timings, in one trace that goes on in the server', async () => {
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    world.server.reply = { headers: sse, body: streams.llamaServer };
    const headers = { traceparent: `00-${traceId}-b7ad6b7169203331-01` };
    const answer = await fetch(`${world.tap.url}/v1/chat/completions`, { method: 'POST', headers });
    await answer.text();
    await until(() => world.tap.log.length > 0);
    expect(answer.headers.get('traceparent')).toContain(traceId);
    const spans = await readTrace(world.telemetry, traceId);
    expect(tree(spans)).toEqual(
      expect.arrayContaining([
        'prefill < chat m',
        'decode < chat m',
        'chat m < POST /v1/chat/completions',
      ]),
    );
    const chat = findSpan(spans, 'chat m');
    const sent = world.server.asked[0]?.headers['traceparent'];
    expect(sent).toBe(`00-${traceId}-${chat.id}-01`);
    expect(chat.attributes).toMatchObject({ 'gen_ai.usage.output_tokens': 4 });
  });

  test('without usage has times and no tokens, anywhere', async () => {
    const body = streams.ollama.filter((event) => !event.includes('usage'));
    const { changes, line, headers } = await world.ask({ headers: sse, body });
    expect(outcome(changes)).toEqual(['completed stop']);
    expect(tokens(changes)).toEqual({});
    expect(Object.keys(changes).join('\n')).not.toMatch(/token_usage|per_output_token/);
    expect(Object.keys(changes).join('\n')).toMatch(/time_to_first_token_seconds_count/);
    expect(Object.keys(line).join()).not.toMatch(/Tokens/);
    const spans = await readTrace(world.telemetry, headers.get('traceparent')!.split('-')[1]!);
    expect(Object.keys(findSpan(spans, 'chat m').attributes).join()).not.toContain('usage');
  });

  test.each<[string, Reply, string, string]>([
    ['closes', { body: streams.ollama.slice(0, 2), after: 'cut' }, 'failed engine_exit', 'broken'],
    ['ends early', { body: streams.ollama.slice(0, 2) }, 'failed engine_error', 'broken'],
    [
      'falls silent',
      { body: streams.ollama.slice(0, 2), after: 'stall' },
      'cancelled deadline',
      'broken',
    ],
    [
      'speaks no JSON',
      { body: ['data: {"choices"', ':[\n\ndata: }\n\n'] },
      'failed engine_error',
      'broken',
    ],
    ['is empty', { body: [] }, 'failed engine_error', 'broken'],
    [
      'sends an error',
      {
        body: [
          ...streams.ollama.slice(0, 2),
          'data: {"error":{"message":"out of memory","type":"server_error"}}\n\n',
        ],
      },
      'failed engine_error',
      'error_frame',
    ],
  ])('of a server that %s ends once: %j', async (_, reply, expected, ending) => {
    const { changes, body, isBroken, line } = await world.ask({ headers: sse, ...reply });
    expect(outcome(changes)).toEqual([expected]);
    expect(how(changes)).toEqual([ending]);
    expect(String(body)).toBe(reply.body!.join(''));
    expect(isBroken).toBe(reply.after !== undefined);
    expect(line['status']).toBe(200);
  });

  test('ends at the server when its client leaves', async () => {
    world.server.reply = { headers: sse, body: streams.ollama.slice(0, 2), after: 'stall' };
    const changes = await changesDuring(world.telemetry, async () => {
      const client = new AbortController();
      const { signal } = client;
      const answer = await fetch(`${world.tap.url}/v1/chat/completions`, {
        method: 'POST',
        signal,
      });
      await answer.body?.getReader().read();
      client.abort();
      await until(() => world.tap.log.length > 0 && world.server.aborted === 1);
    });
    expect(outcome(changes)).toEqual(['cancelled client_gone']);
    expect(how(changes)).toEqual(['client_gone']);
  });

  test('whose client does not read holds the server back, and then ends', async () => {
    const event = `data: ${JSON.stringify({ choices: [{ delta: { content: 'x'.repeat(500_000) } }] })}\n\n`;
    world.server.reply = { headers: sse, body: Array.from({ length: 60 }, () => event) };
    const changes = await changesDuring(world.telemetry, async () => {
      const options = {
        method: 'POST',
        path: '/v1/chat/completions',
        port: new URL(world.tap.url).port,
      };
      const client = request(options).end(prompt);
      const [answer] = await once(client, 'response');
      answer.pause();
      answer.on('error', () => undefined);
      await until(() => world.tap.log.length > 0);
      client.destroy();
    });
    expect(how(changes)).toEqual(['stalled']);
    await until(() => world.server.aborted === 1);
  });
});
