import { Validator } from '@seriousme/openapi-schema-validator';
import { beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { createApiApp, toFrames } from '../../support/api/app.ts';
import { shared } from '../../support/shared.ts';

type Schema = { [keyword: string]: unknown };
interface Content {
  /** Streams have none. */
  schema?: Schema & { $ref?: string };
  example?: unknown;
  examples?: Record<string, { value: unknown }>;
}
interface Operation {
  summary: string;
  security?: object[];
  parameters?: { name: string; in: string; schema: Schema; example: string | number }[];
  requestBody?: { content: { 'application/json': Content } };
  responses: Record<string, { description: string; content: Record<string, Content> }>;
}
interface Document {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema>; securitySchemes?: object };
}

async function readDocument(keys: string[] = []): Promise<Document> {
  const response = await createApiApp({ apiKeys: keys }).request('/openapi.json');
  return (await response.json()) as Document;
}

const document = await readDocument();
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
);

/** Forbids undocumented members: an object may only have the properties that its schema lists. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== 'object' || schema === null) return schema;
  const entries = Object.entries(schema).map(([key, value]) => [key, closed(value)]);
  const isOpen = !('properties' in schema) || 'additionalProperties' in schema;
  return { ...Object.fromEntries(entries), ...(isOpen ? {} : { additionalProperties: false }) };
}

function toZod({ schema = {} }: Content): z.ZodType {
  const name = schema.$ref?.split('/').at(-1);
  const found = name === undefined ? schema : document.components.schemas[name];
  return z.fromJSONSchema(closed(found) as Parameters<typeof z.fromJSONSchema>[0]);
}

/** Checks every event of a stream. OpenAPI 3.1 cannot describe one, so the answer's description names the schema of its data. */
function parseStream({ responses }: Operation, text: string): void {
  const name = /data of each event has the schema (\w+)/.exec(responses['200']!.description)?.[1];
  const schema = toZod({ schema: { $ref: `#/components/schemas/${name}` } });
  const frames = toFrames(text);
  // Streams whose events have names end with an event instead.
  const last = text.startsWith('event:') ? undefined : frames.pop();
  expect([undefined, 'data: [DONE]']).toContain(last);
  expect(frames).not.toEqual([]);
  for (const each of frames) schema.parse(JSON.parse(each.replace(/^(event: .*\n)?data: /, '')));
}

test('is OpenAPI 3.1', async () => {
  const result = await new Validator().validate(document as never);
  expect(result).toMatchObject({ valid: true });
});

test('has an example for every route and every error', () => {
  expect(operations.map(({ method, path }) => `${method} ${path}`).toSorted()).toEqual([
    'get /api/alert-history',
    'get /api/alerts',
    'get /api/panels',
    'get /api/panels/{id}',
    'get /api/rules',
    'get /api/runbooks/{name}',
    'get /api/status',
    'get /api/traces',
    'get /api/traces/{id}',
    'get /health',
    'get /healthz',
    'get /metrics',
    'get /openapi.json',
    'get /readyz',
    'get /v1/models',
    'get /v1/models/{id}',
    'get /version',
    'post /api/silences',
    'post /api/silences/{id}/expire',
    'post /chat',
    'post /tokenize',
    'post /v1/chat/completions',
    'post /v1/completions',
    'post /v1/embeddings',
    'post /v1/messages',
    'post /v1/messages/count_tokens',
    'post /v1/responses',
  ]);
  for (const { operation } of operations) {
    const { '200': answer, '201': created, ...errors } = operation.responses;
    for (const [type, content] of Object.entries((answer ?? created)!.content)) {
      if (type === 'text/event-stream') parseStream(operation, content.example as string);
      else toZod(content).parse(content.example);
    }
    for (const error of Object.values(errors)) {
      const content = error.content['application/json']!;
      const examples = content.examples ?? { one: { value: content.example } };
      for (const { value } of Object.values(examples)) toZod(content).parse(value);
    }
  }
});

test('documents defaults, and the 503 of /readyz', () => {
  const { ChatCompletionRequest: request } = document.components.schemas;
  const { temperature, top_p: topP } = request!['properties'] as Record<string, Schema>;
  expect([temperature?.['default'], topP?.['default']]).toEqual([0.7, 0.8]);
  expect(document.paths['/readyz']!['get']!.responses).toHaveProperty('503');
});

test('documents 429 and 503 wherever the engine works', () => {
  const posts = operations.filter(({ path, method }) => method === 'post' && !/^.api/.test(path));
  expect(posts).toHaveLength(8);
  for (const { operation } of posts) {
    expect(Object.keys(operation.responses)).toEqual(expect.arrayContaining(['429', '503']));
  }
});

const user = { role: 'user', content: 'a' };
const question = { messages: [user] };
const toolUse = { type: 'tool_use', id: 'a', name: 'f', input: {} };
const toolResult = { type: 'tool_result', tool_use_id: 'a' };
const list = { type: 'array' };

test.each([
  ['/chat', { prompt: 'a' }, true],
  ['/chat', {}, false],
  ['/chat', { prompt: 'a', ...question }, false],
  ['/tokenize', { content: 'a', messages: null }, true],
  ['/tokenize', { content: null }, false],
  ['/tokenize', { content: '' }, false],
  ['/v1/chat/completions', { ...question, seed: 2 ** 40 }, true],
  ['/v1/chat/completions', { ...question, seed: 1.5 }, false],
  [
    '/v1/chat/completions',
    { ...question, tools: [{ type: 'function', function: { name: 'f', parameters: list } }] },
    false,
  ],
  [
    '/v1/responses',
    { input: 'a', tools: [{ type: 'function', name: 'f', parameters: list }] },
    false,
  ],
  ['/v1/messages', { ...question, tools: [{ name: 'f', input_schema: list }] }, false],
  ['/v1/messages', { messages: [user, { role: 'assistant', content: [toolUse] }] }, true],
  ['/v1/messages', { messages: [{ role: 'user', content: [toolUse] }] }, false],
  ['/v1/messages', { messages: [{ role: 'assistant', content: [toolResult] }] }, false],
])('the schema of %s and its validation agree about %j', async (path, body, isAllowed) => {
  const content = document.paths[path]!['post']!.requestBody!.content['application/json'];
  const name = content.schema!.$ref!.split('/').at(-1)!;
  const schema = document.components.schemas[name] as Parameters<typeof z.fromJSONSchema>[0];
  expect(z.fromJSONSchema(schema).safeParse(body).success).toBe(isAllowed);
  const { status } = await createApiApp().post(path, body);
  expect(status).toBe(isAllowed ? 200 : 400);
});

test.each([
  ['/api/traces', 'limit', ['1', '500'], ['', '0', '501', '1.5', 'a']],
  ['/api/traces', 'filter', ['slow'], ['', 'a']],
  ['/api/traces', 'sort', ['slowest'], ['', 'a']],
  ['/api/traces', 'from', ['0', '1e300', '2026-01-31T08:00:00Z'], ['', '-1', 'a 1', ' ']],
  ['/api/traces', 'min_ms', ['0', '1.5', '1e+300'], ['', '-1', '0x1', ' ']],
  ['/api/traces', 'cursor', ['42_420.25', '1_1e-7'], ['', '1', '1_']],
  ['/api/panels/queue-depth', 'minutes', ['0', '60'], ['', '-1', '1.5']],
  ['/api/alert-history', 'hours', ['1', '168'], ['', '0', '169', '1.5']],
])('the schema of %s?%s= and its validation agree', async (path, name, allowed, refused) => {
  const { parameters } = document.paths[path.replace('queue-depth', '{id}')]!['get']!;
  const given = parameters!.find((parameter) => parameter.name === name)!;
  const schema = z.fromJSONSchema(given.schema);
  const isAllowed = (text: string): boolean =>
    [text, ...(/^-?\d+(\.\d+)?(e[+-]?\d+)?$/.test(text) ? [Number(text)] : [])].some(
      (value) => schema.safeParse(value).success,
    );
  const api = createApiApp();
  for (const text of [...allowed, ...refused]) {
    expect([text, isAllowed(text)]).toEqual([text, allowed.includes(text)]);
    const { status } = await api.request(
      `${path}?${new URLSearchParams({ [name]: text }).toString()}`,
    );
    expect([text, status]).toEqual([text, allowed.includes(text) ? 200 : 400]);
  }
});

test('requires a bearer token only if keys are set', async () => {
  const secured = await readDocument(['sk-one']);
  expect(secured.paths['/chat']?.['post']?.security).toEqual([{ apiKey: [] }]);
  expect(secured.paths['/healthz']?.['get']?.security).toBeUndefined();
  expect(secured.components.securitySchemes).toMatchObject({ apiKey: { scheme: 'bearer' } });
  expect(document.paths['/chat']?.['post']?.security).toBeUndefined();
});

describe('the real service', () => {
  let service: { url: string };
  beforeAll(async () => {
    service = await shared('chat');
  });

  // A silence needs a firing alert: test/integration/console/server-stack.test.ts has one.
  const generating = operations.filter(({ path }) => path !== '/api/silences');
  const requests = generating.flatMap(({ path, operation }) =>
    Object.entries(operation.requestBody?.content['application/json'].examples ?? {}).map(
      ([name, { value }]) => ({ title: `${path} ${name}`, path, operation, body: value }),
    ),
  );

  test.each(requests)('answers the example $title as documented', async (example) => {
    const { path, operation, body } = example;
    const response = await fetch(service.url + path, {
      method: 'POST',
      body: JSON.stringify(body),
    });
    const text = await response.text();
    expect(response.status, text).toBe(200);
    const type = response.headers.get('content-type')!.split(';')[0]!;
    const documented = operation.responses['200']!.content[type];
    expect(documented, type).toBeDefined();
    if (type === 'application/json') toZod(documented!).parse(JSON.parse(text));
    if (type === 'text/event-stream') parseStream(operation, text);
  });

  const reads = operations.filter(({ method, path }) => method === 'get' && !path.endsWith('}'));

  test.each(reads)('answers GET $path as documented', async ({ path, operation }) => {
    const response = await fetch(service.url + path);
    expect(response.status).toBe(200);
    const type = response.headers.get('content-type')!.split(';')[0]!;
    const content = operation.responses['200']!.content[type]!;
    toZod(content).parse(
      type === 'application/json' ? await response.json() : await response.text(),
    );
  });

  test('answers GET with an id as documented', async () => {
    const get = async (path: string, id: string) => {
      const response = await fetch(service.url + path.replace('{id}', id));
      const content = document.paths[path]!['get']!.responses['200']!.content;
      const parsed = toZod(content['application/json']!).safeParse(await response.json());
      expect(parsed).toMatchObject({ success: true });
    };
    await get('/v1/models/{id}', 'demo');
    await get('/api/panels/{id}', 'queue-depth');
    const answer = await fetch(`${service.url}/chat`, { method: 'POST', body: '{"prompt":"a"}' });
    await answer.text();
    await get('/api/traces/{id}', answer.headers.get('traceparent')!.split('-')[1]!);
  });
});
