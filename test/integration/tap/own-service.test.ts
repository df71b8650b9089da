/** The service in front of another one of ours: clients, traces, keys, and the same numbers on both sides. */
import Anthropic from '@anthropic-ai/sdk';
import { randomBytes } from 'node:crypto';
import OpenAI from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { dashboardsFor, panelsOf } from '../../../otel/panels/dashboards.ts';
import { withoutVariables } from '../../../otel/promql.ts';
import { prometheusFiles } from '../../../stack/configuration.ts';
import { readSettings } from '../../../stack/settings.ts';
import { longAnswer, startChatService, type ChatService } from '../../support/api/chat-service.ts';
import { seriesIn } from '../../support/otel/prometheus-grammar.ts';
import { parseRules } from '../../support/otel/prometheus-series.ts';
import { parseSamples, type Samples } from '../../support/otel/scrape.ts';
import { startProcess, type ServiceProcess } from '../../support/otel/service-process.ts';
import { readSpans, tree, type OtlpTrace, type TestSpan } from '../../support/otel/trace.ts';
import { reasonOf } from '../../support/shared.ts';
import { until } from '../../support/until.ts';

const model = 'demo';
const messages = [{ role: 'user' as const, content: 'What is the weather in Paris?' }];
const keys = { clients: 'sk-of-the-clients', backend: 'sk-of-the-backend' };
const City = z.object({ city: z.enum(['Paris', 'London']) });

let backend: ChatService;
let tap: ServiceProcess;
let openai: OpenAI;

beforeAll(async () => {
  backend = await startChatService({ CHAT_API_KEYS: keys.backend, CHAT_EMBEDDINGS: 'true' });
  tap = await startProcess('src/main.ts', {
    CHAT_PORT: '0',
    CHAT_API_KEYS: keys.clients,
    BACKEND_URL: `${backend.url}/v1`,
    BACKEND_API_KEY: keys.backend,
  });
  openai = new OpenAI({ baseURL: `${tap.url}/v1`, apiKey: keys.clients, maxRetries: 0 });
});
afterAll(async () => {
  await tap?.stop();
  await backend?.stop();
});

async function scrape({ url }: { url: string }): Promise<Samples> {
  return parseSamples(await (await fetch(`${url}/metrics`)).text());
}

/** How often a service counted what, without what it never counted. */
async function countsOf(service: { url: string }): Promise<Record<string, number>> {
  const counters =
    /^inference_(tokens|requests|embeddings_requests|stream_terminations)_total|^gen_ai_client_token_usage\w*_sum/;
  const found = [...(await scrape(service))].filter(
    ([name, value]) => counters.test(name) && value > 0,
  );
  return Object.fromEntries(found);
}

async function requestsOf(service: { url: string }): Promise<number> {
  const counts = Object.entries(await countsOf(service));
  const requests = counts.filter(([name]) => name.includes('requests_total'));
  return requests.reduce((sum, [, value]) => sum + value, 0);
}

test('the first scrape has every series that the rules and panels of this mode read', async () => {
  const files = prometheusFiles(readSettings({ BACKEND_URL: backend.url }));
  const rules = [...files].flatMap(([file, text]) =>
    file.startsWith('rules') ? parseRules(text) : [],
  );
  const queries = panelsOf(dashboardsFor({ hasEngine: false })).flatMap((panel) => panel.queries);
  const read = [...rules, ...queries]
    .flatMap(({ expr }) => seriesIn(withoutVariables(expr)))
    .filter((name) => /^(inference|gen_ai|http_server)_/.test(name));
  expect(read.length).toBeGreaterThan(50);
  const names = new Set([...(await scrape(tap)).keys()].map((key) => key.replace(/\{.*/s, '')));
  expect(read.filter((name) => !names.has(name))).toEqual([]);
});

test('clients of every API get their answers, and both services count the same', async () => {
  const whole = await openai.chat.completions.create({ model, messages });
  expect(whole.choices[0]?.message.content).toContain('make model');
  const counted = { model, messages, stream_options: { include_usage: true } };
  const stream = openai.chat.completions.stream(counted);
  expect(await stream.finalContent()).toBe(whole.choices[0]?.message.content);
  const call = openai.chat.completions.stream({
    ...counted,
    tools: [
      {
        type: 'function',
        function: {
          name: 'get_weather',
          parameters: z.toJSONSchema(City),
        },
      },
    ],
    tool_choice: 'required',
  });
  expect((await call.finalChatCompletion()).choices[0]?.finish_reason).toBe('tool_calls');
  const parsed = await openai.chat.completions.parse({
    model,
    messages,
    response_format: zodResponseFormat(City, 'city'),
  });
  expect(City.safeParse(parsed.choices[0]?.message.parsed).success).toBe(true);
  const response = openai.responses.stream({ model, input: 'Hello' });
  expect((await response.finalResponse()).output_text).toContain('make model');
  const anthropic = new Anthropic({ baseURL: tap.url, apiKey: keys.clients, maxRetries: 0 });
  const message = anthropic.messages.stream({ model, max_tokens: 3, messages });
  expect((await message.finalMessage()).stop_reason).toBe('max_tokens');
  const { data } = await openai.embeddings.create({ model, input: ['one', 'two'] });
  expect(data).toHaveLength(2);

  await until(async () => (await requestsOf(backend)) === 7);
  const counts = await countsOf(backend);
  expect(Object.keys(counts).join()).toContain('tool_calls');
  expect(Object.keys(counts).join()).toContain('cached_input');
  await expect.poll(() => countsOf(tap), { timeout: 10_000 }).toEqual(counts);
});

test('an error of the backend passes unchanged, and is one of both', async () => {
  const ask = { model, messages, n: 129 };
  const error: unknown = await openai.chat.completions.create(ask).catch((error: unknown) => error);
  expect(error).toBeInstanceOf(OpenAI.BadRequestError);
  expect(error).toMatchObject({ status: 400, code: 'bad_request', param: 'n' });
  for (const service of [tap, backend]) {
    const refused = 'inference_requests_total{outcome="rejected",reason="bad_request"}';
    await until(async () => (await scrape(service)).get(refused) === 1);
  }
});

test('a key of nobody ends here, and the backend knows only its own', async () => {
  const stranger = new OpenAI({ baseURL: `${tap.url}/v1`, apiKey: keys.backend, maxRetries: 0 });
  const before = await requestsOf(backend);
  await expect(stranger.chat.completions.create({ model, messages })).rejects.toThrow(/401/);
  await expect(stranger.models.list()).rejects.toThrow(/401/);
  const refused = 'inference_requests_total{outcome="rejected",reason="unauthorized"}';
  await until(async () => (await scrape(tap)).get(refused) === 1);
  expect(await requestsOf(backend)).toBe(before);
});

test('the trace of a caller goes on through both services', async () => {
  const traceId = randomBytes(16).toString('hex');
  const traceparent = `00-${traceId}-b7ad6b7169203331-01`;
  // Without `timings` the phases are known to the backend alone.
  const withTimings = { model, messages, stream: true as const, timings_per_token: true };
  const headers = { traceparent };
  for await (const _ of await openai.chat.completions.create(withTimings, { headers }));
  const spansOf = async ({ url }: { url: string }): Promise<TestSpan[]> => {
    const trace = await fetch(`${url}/api/traces/${traceId}`);
    return trace.ok ? readSpans((await trace.json()) as OtlpTrace) : [];
  };
  let spans: TestSpan[] = [];
  const readTree = async (): Promise<string[]> => {
    spans = [...(await spansOf(tap)), ...(await spansOf(backend))];
    return tree(spans).toSorted();
  };
  await expect
    .poll(readTree, { timeout: 10_000 })
    .toEqual([
      'POST /v1/chat/completions < ',
      'POST /v1/chat/completions < chat demo',
      'chat demo < POST /v1/chat/completions',
      'chat demo < POST /v1/chat/completions',
      'decode < chat demo',
      'decode < chat demo',
      'prefill < chat demo',
      'prefill < chat demo',
      'queue < chat demo',
      'tokenize < chat demo',
    ]);
  const ids = new Set(spans.map(({ id }) => id));
  const roots = spans.filter(({ parentId }) => !ids.has(parentId ?? ''));
  expect(roots.map(({ parentId }) => parentId)).toEqual(['b7ad6b7169203331']);
});

test('a client that leaves ends the generation of the backend', async () => {
  const { data: stream, response } = await openai.chat.completions
    .create({ model, messages, stream: true, ...longAnswer })
    .withResponse();
  for await (const chunk of stream) {
    if ((chunk.choices[0]?.delta.content ?? '') !== '') break;
  }
  const traceparent = response.headers.get('traceparent');
  expect(await reasonOf(backend.url, traceparent)).toBe('client_gone');
  expect(await reasonOf(tap.url, traceparent)).toBe('client_gone');
});
