/** The webhook's templates, and the examples for services that have no kind of their own. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parse } from 'yaml';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { webhook } from '../../../alerting/notifier/channels/webhook/webhook.ts';
import { readBody } from '../../../alerting/notifier/channels/stand-in.ts';
import { createAlert } from '../../support/alerting/alertmanager-webhook.ts';
import { createCall, createChannel, createMessage } from '../../support/alerting/notifier-parts.ts';

const file = new URL('../../../alerting/notifier/channels/webhook/examples.yml', import.meta.url);
const { channels } = parse(readFileSync(file, 'utf8')) as {
  channels: { name: string; kind: string; url: string }[];
};

let received: { method: string | undefined; header: unknown; body: Record<string, unknown> }[] = [];
let answer = '{"ok":true,"code":200}';
const server = createServer((request, response) => {
  void readBody(request).then((text) => {
    const header = request.headers['x-token'];
    const body = JSON.parse(text) as Record<string, unknown>;
    received.push({ method: request.method, header, body });
    response.end(answer);
  });
});
let url = '';
beforeEach(async () => {
  received = [];
  answer = '{"ok":true,"code":200}';
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

/** Quotes, line breaks and Liquid in an alert stay text. */
const hostile = createMessage([
  createAlert({ annotations: { summary: '{{ id }} "quoted" \\ {% raw %}', description: 'a\nb' } }),
]);

test.each(channels)('the example for $name sends its title and text as JSON', async (example) => {
  const { name: _, kind: __, ...settings } = example;
  const channel = createChannel(webhook, { ...settings, url });
  expect(await channel.deliver(hostile, createCall())).toEqual({
    kind: 'delivered',
    detail: 'HTTP 200',
  });
  const sent = JSON.stringify(received[0]?.body);
  expect(sent).toContain(String.raw`{{ id }} \"quoted\"`);
});

test('an answer of 200 without the expected field is retried', async () => {
  answer = '{"code":400,"msg":"no"}';
  const channel = createChannel(webhook, { url, expect: { code: 200 } });
  expect(await channel.deliver(createMessage(), createCall())).toMatchObject({
    kind: 'retry',
    detail: 'HTTP 200, but code is not 200',
  });
});

test('method and headers are as configured', async () => {
  const settings = { url, method: 'PUT', headers: { 'x-token': 'secret' } };
  await createChannel(webhook, settings).deliver(createMessage(), createCall());
  expect(received[0]).toMatchObject({ method: 'PUT', header: 'secret' });
});

test.each([
  ['{"text": {{ unknown | json }}}', 'it cannot be rendered'],
  ['{"text": {{ title }}}', 'it gave no JSON'],
  ['{% for i in (1..100000000) %}x{% endfor %}', 'it cannot be rendered'],
  ['{{ alerts.constructor.name | json }}', 'it cannot be rendered'],
])('the template %s fails: the built-in body is sent, and a notice says why', async (text, why) => {
  const channel = createChannel(webhook, { url, template: text });
  expect(await channel.deliver(createMessage(), createCall())).toEqual({
    kind: 'delivered',
    detail: 'HTTP 200',
    notice: `the template failed (${why}); sent without it`,
  });
  expect(received[0]?.body).toMatchObject({ status: 'firing', id: 'llamascope-1' });
});

test('a template that cannot be parsed is a wrong setting', () => {
  expect(webhook.settings.safeParse({ url, template: '{{ title | }' }).success).toBe(false);
});
