/**
 * No prompt, answer or secret is exposed: the tests search every log line, metric, span and error of the real processes for canaries
 * in prompts, answers, keys, headers and robot URLs.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeGguf } from '../../support/models/make-gguf.ts';
import { createAlert, createWebhook } from '../../support/alerting/alertmanager-webhook.ts';
import { until } from '../../support/until.ts';
import {
  robotToken,
  startDingTalkRobot,
} from '../../../alerting/notifier/channels/dingtalk/stand-in.ts';
import { startCollector, type Collector } from '../../support/otel/collector.ts';
import { startProcess, type ServiceProcess } from '../../support/otel/service-process.ts';

const said = ['canary-prompt', 'canary-system', 'canary-answer', 'canary-tool', 'canary-text'];
const secrets = [
  'sk-canary-key',
  'sk-canary-wrong',
  'canary-collector-key',
  'canary-metrics-token',
];
const sent = ['canary-agent', 'canary-header', 'canary-cookie', 'canary-query', 'canary-baggage'];
/** The model name that a client sends is on the span, and nowhere else. */
const named = ['canary-model'];

let folder: string;
let model: string;

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'privacy-'));
  model = path.join(folder, 'says.gguf');
  makeGguf({ shape: 'tiny', quant: 'q8_0', say: 'canary-answer, it says.', out: model });
});

afterAll(() => rmSync(folder, { recursive: true }));

/** Everything that a chat service exposes, by channel. */
interface Outputs {
  log: string;
  metrics: string;
  traces: string;
  exported: string;
  errors: string;
  answers: string;
}

const messages = [
  { role: 'system', content: 'canary-system' },
  { role: 'user', content: 'canary-prompt' },
];
const chat = '/v1/chat/completions';

/** Valid and invalid requests with a canary in every value that a client controls. */
const requests: readonly [path: string, body: unknown, key?: string][] = [
  [chat, { messages, max_tokens: 64, temperature: 0, user: 'canary-text' }],
  [chat, { messages, max_tokens: 64, temperature: 0, stream: true }],
  ['/v1/completions', { prompt: 'canary-text', max_tokens: 4 }],
  ['/chat', { prompt: 'canary-prompt', max_tokens: 64, temperature: 0 }],
  [
    '/v1/responses',
    { instructions: 'canary-system', input: 'canary-prompt', max_output_tokens: 8 },
  ],
  ['/v1/messages', { system: 'canary-system', messages: messages.slice(1), max_tokens: 8 }],
  ['/v1/messages', { messages: 'canary-text', max_tokens: 8 }],
  [chat, { messages, model: 'canary-model' }],
  [chat, '{"messages": "canary-text'],
  [chat, { messages: 'canary-text' }],
  [chat, { messages: [{ role: 'canary-text', content: 'canary-text' }] }],
  [chat, { messages, max_tokens: 'canary-text' }],
  [chat, { messages, max_tokens: 1_000_000 }],
  [chat, { messages, 'canary-text': 1, stop: { a: 'canary-text' } }],
  [chat, { messages, tools: [{ type: 'function', function: { name: 'canary-tool' } }], n: 300 }],
  [chat, { messages, response_format: { type: 'canary-text' } }],
  [chat, { messages }, 'sk-canary-wrong'],
  ['/tokenize', { prompt: 'canary-text' }],
];

async function collectOutputs(env: Record<string, string> = {}): Promise<Outputs> {
  const collector: Collector = await startCollector('receiving');
  const service: ServiceProcess = await startProcess('src/main.ts', {
    CHAT_MODEL: model,
    CHAT_PORT: '0',
    CHAT_THREADS: '1',
    CHAT_API_KEYS: 'sk-canary-key',
    METRICS_TOKEN: 'canary-metrics-token',
    LOG_LEVEL: 'trace',
    OTEL_LOG_LEVEL: 'verbose',
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_HEADERS: 'api-key=canary-collector-key',
    OTEL_BSP_SCHEDULE_DELAY: '50',
    ...env,
  });
  let errors = '';
  let answers = '';
  for (const [route, body, key = 'sk-canary-key'] of requests) {
    const response = await fetch(`${service.url}${route}?canary-query=canary-query`, {
      method: 'POST',
      body: typeof body === 'string' ? body : JSON.stringify(body),
      headers: {
        authorization: `Bearer ${key}`,
        'user-agent': 'canary-agent',
        'x-canary-header': 'canary-header',
        // Replaced, because of its colon and spaces; a valid one is logged, so that clients can find their request.
        'x-request-id': 'not an id: canary-header',
        'x-forwarded-for': 'canary-header',
        forwarded: 'for=canary-header;host=canary-header',
        cookie: 'canary-cookie',
        baggage: 'user=canary-baggage',
      },
    });
    const text = `${JSON.stringify([...response.headers])}\n${await response.text()}\n`;
    if (response.ok) answers += text;
    else errors += text;
  }
  const get = async (route: string, accept = '*/*'): Promise<string> =>
    (await fetch(service.url + route, { headers: { accept } })).text();
  const { traces } = JSON.parse(await get('/api/traces?limit=500')) as {
    traces: { traceId: string }[];
  };
  const stored = await Promise.all(traces.map(({ traceId }) => get(`/api/traces/${traceId}`)));
  const metrics = (await get('/metrics')) + (await get('/metrics', 'application/openmetrics-text'));
  const code = await service.stop();
  await collector.close();
  expect(code).toBe(0);
  return {
    log: service.output(),
    metrics,
    traces: JSON.stringify(traces) + stored.join('\n'),
    exported: collector.bodies().join('\n'),
    errors,
    answers,
  };
}

const leaks = (text: string, canaries: readonly string[]): string[] =>
  canaries.filter((canary) => text.includes(canary));

describe('a chat service', () => {
  let outputs: Outputs;

  beforeAll(async () => {
    outputs = await collectOutputs();
  });

  test('has answered and rejected requests, with logs, metrics and traces', () => {
    expect(leaks(outputs.answers, said)).toContain('canary-answer');
    expect(outputs.errors.match(/"code":"\w+"/g)?.length).toBeGreaterThanOrEqual(9);
    expect(outputs.log).toContain('"outcome":"completed"');
    expect(outputs.metrics).toMatch(/# EOF\n$/);
    expect(outputs.traces).toContain('"name":"decode"');
    expect(outputs.exported).toContain('"name":"decode"');
  });

  test.each(['log', 'metrics', 'errors'] as const)('has no canary in its %s', (where) => {
    expect(leaks(outputs[where], [...said, ...secrets, ...sent, ...named])).toEqual([]);
  });

  test.each(['traces', 'exported'] as const)('has no canary in %s', (where) => {
    expect(leaks(outputs[where], [...said, ...secrets, ...sent])).toEqual([]);
  });

  test('has no secret and no header of a request in its responses', () => {
    expect(leaks(outputs.answers, [...secrets, ...sent])).toEqual([]);
  });
});

describe('a chat service that captures content', () => {
  let outputs: Outputs;

  beforeAll(async () => {
    outputs = await collectOutputs({ OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: 'true' });
  });

  test.each(['traces', 'exported'] as const)(
    'has prompts and answers in %s, and no secret',
    (where) => {
      expect(leaks(outputs[where], said)).toEqual([
        'canary-prompt',
        'canary-system',
        'canary-answer',
        'canary-text',
      ]);
      expect(leaks(outputs[where], [...secrets, ...sent])).toEqual([]);
    },
  );

  test.each(['log', 'metrics', 'errors'] as const)(
    'has no prompt and no answer in its %s',
    (where) => {
      expect(leaks(outputs[where], [...said, ...secrets, ...sent, ...named])).toEqual([]);
    },
  );
});

test('a notifier exposes neither token nor secret of its robot, whether a delivery succeeds or fails', async () => {
  const secret = 'canary-robot-secret';
  const robot = await startDingTalkRobot(secret);
  // A proxy that echoes the request.
  robot.answers.push({ status: 502, body: `<html>${robot.url}</html>` }, 'reset');
  const notifier = await startProcess('alerting/notifier/main.ts', {
    NOTIFIER_PORT: '0',
    NOTIFIER_DB: path.join(folder, 'notifier.db'),
    DINGTALK_URL: robot.url,
    DINGTALK_SECRET: secret,
    LOG_LEVEL: 'trace',
    OTEL_LOG_LEVEL: 'verbose',
  });
  const body = JSON.stringify(createWebhook([createAlert()]));
  const accepted = await fetch(`${notifier.url}/alerts/default`, { method: 'POST', body });
  expect(accepted.status).toBe(200);
  await until(() => robot.received.length === 1, 30);
  const responses = await Promise.all(
    ['/metrics', '/api/notifications', '/api/traces'].map(async (route) =>
      (await fetch(notifier.url + route)).text(),
    ),
  );
  await notifier.stop();
  await robot.close();
  const everything = [notifier.output(), ...responses].join('\n');
  expect(everything).toContain('notifier_notifications_total');
  expect(leaks(everything, [robotToken, secret])).toEqual([]);
});
