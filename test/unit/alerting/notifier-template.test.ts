/** Templates: title and body of channels and routes, the webhook's JSON, and the examples for services that have no kind of their own. */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { webhook } from '../../../alerting/notifier/channels/webhook/webhook.ts';
import { readBody } from '../../../alerting/notifier/channels/stand-in.ts';
import { readConfig } from '../../../alerting/notifier/config.ts';
import { createComposer } from '../../../alerting/notifier/message/compose.ts';
import { escapeCommonMark } from '../../../alerting/notifier/message/escape.ts';
import { writeHtml, writeText } from '../../../alerting/notifier/message/mail-text.ts';
import { parseTemplate } from '../../../alerting/notifier/message/template.ts';
import { createAlert, createWebhook } from '../../support/alerting/alertmanager-webhook.ts';
import type { WebhookAlert } from '../../support/alerting/alertmanager-webhook.ts';
import {
  chinese,
  createCall,
  createChannel,
  createMessage,
  english,
} from '../../support/alerting/notifier-parts.ts';

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
  ['{"text": {{ unknown | json }}}', 'undefined variable: unknown, line:1, col:13'],
  ['{"text": {{ title }}}', 'it gave no JSON'],
  ['{% for i in (1..100000000) %}x{% endfor %}', 'memory alloc limit exceeded, line:1, col:1'],
  ['{{ alerts.constructor.name | json }}', 'undefined variable: alerts.constructor, line:1, col:4'],
])('the template %s fails: the built-in body is sent, and a notice says why', async (text, why) => {
  const channel = createChannel(webhook, { url, template: text });
  expect(await channel.deliver(createMessage(), createCall())).toEqual({
    kind: 'delivered',
    detail: 'HTTP 200',
    notice: `the template failed (${why}); sent without it`,
    isTemplateFailure: true,
  });
  expect(received[0]?.body).toMatchObject({ status: 'firing', id: 'llamascope-1' });
});

test('a template that cannot be parsed is a wrong setting', () => {
  expect(webhook.settings.safeParse({ url, template: '{{ title | }' }).success).toBe(false);
});

/** What this channel shows for the alerts, by the templates of this NOTIFIER_CONFIG. */
function showBy(config: string, alerts: WebhookAlert[], options = english, route = 'default') {
  const path = join(mkdtempSync(join(tmpdir(), 'notifier-template-')), 'config.yml');
  writeFileSync(path, config);
  const { channels, routes } = readConfig({ NOTIFIER_CONFIG: path });
  return channels.map((channel) => {
    const compose = createComposer(channel, routes, options);
    const { message, failures } = compose([{ route, payload: createWebhook(alerts) }]);
    return { title: message.title, shown: channel.show?.(message), failures };
  });
}

const channel = `{ name: robot, kind: dingtalk, url: 'https://robot.example/', title: 'channel: {{ title }}', body: 'of the channel' }`;

test('title and body are of the route, else of the channel, else built in', () => {
  const config = `
channels: [${channel}]
routes:
  - { match: ['team="db"'], channels: [robot], title: 'db: {{ alerts[0].name }}', continue: true }
  - { path: other, channels: [robot], body: 'of the path {{ labels.team | default: "-" }}' }
  - { match: ['team="plain"'], channels: [robot] }
`;
  const alert = (team: string): WebhookAlert =>
    createAlert({ labels: { alertname: 'Full', team } });
  const text = (alerts: WebhookAlert[], route?: string): string =>
    showBy(config, alerts, english, route)[0]?.shown ?? '';
  expect(text([alert('db')])).toBe('### db: Full\n\nof the channel\n\nllamascope');
  expect(text([alert('x')], 'other')).toMatch(/^### channel: \[firing\].*\n\nof the path x\n/);
  expect(text([alert('plain')])).toContain('\n\nof the channel\n');
  // Alerts of several routes in one message: the channel's.
  expect(text([alert('db'), alert('plain')])).toContain('### channel: ');
});

const hostileAlert = createAlert({
  labels: { alertname: 'Odd', path: '*a*', link: '[x](http://evil)' },
});
const own = `body: "**{{ alerts[0].labels.path }}** {{ alerts[0].labels.link }}\\n{{ text | raw }}"`;

test.each([
  ['dingtalk', String.raw`**\*a\*** [x\](http://evil)`],
  ['feishu', '**&#42;a&#42;** [x&#93;(http://evil)'],
  ['wecom', '***\u200Ba*\u200B** [x]\u200B(http://evil)'],
  ['webhook', String.raw`**\\*a\\*** [x\\](http://evil)`],
])(
  'in a body template for %s an alert is shown as written, the markup of the author stays',
  (kind, line) => {
    const config = `channels: [{ name: robot, kind: ${kind}, url: 'https://robot.example/', ${own} }]`;
    const [shown] = showBy(config, [hostileAlert]);
    expect(shown?.failures).toEqual([]);
    expect(shown?.shown).toContain(line);
    // The built-in text, in the channel's own markup.
    expect(shown?.shown).toMatch(/12\.3%.*Started|Started.*12\.3%/s);
  },
);

test('a body template is rendered in the HTML of an email, and plain in its text', () => {
  const body = String.raw`**{{ alerts[0].labels.path }}** [page](http://x/)`;
  const message = {
    ...createMessage([hostileAlert]),
    body: String.raw`**\*a\*** [page](http://x/)`,
  };
  expect(parseTemplate(body, escapeCommonMark)(message.facts())).toBe(message.body);
  expect(writeHtml(message)).toContain('<strong>*a*</strong> <a href="http://x/">page</a>');
  expect(writeText(message)).toBe(`${message.title}\n\n***a*** [page](http://x/)`);
});

test('the variables of a template are in the language and zone of the message', () => {
  const body = `'{{ firing }} {{ resolved }} {% for a in alerts %}{{ a.summary }}|{{ a.started }}|{{ a.lasted }}|{{ a.runbook | raw }}{% endfor %}'`;
  const config = `channels: [{ name: robot, kind: wecom, url: 'https://robot.example/', body: ${body} }]`;
  const [shown] = showBy(config, [createAlert({ status: 'resolved' })], chinese);
  expect(shown?.shown).toContain(
    '0 1 请求失败率过高|2026-04-26 11:21:41 (Asia/Shanghai)|8 分 12 秒|http://127.0.0.1:8060/runbooks/HighErrorRate?lang=zh',
  );
});

test.each([
  [
    'title: "{{ typo }}"',
    'the title template of channel robot: undefined variable: typo, line:1, col:4',
  ],
  ['body: "{{ title | date: typo }}"', 'undefined variable: typo'],
  ['body: " {% if false %}x{% endif %} "', 'the body template of channel robot gave no text'],
])('%s fails: the built-in text with a note, and a sentence for the log', (setting, failure) => {
  const config = `channels: [{ name: robot, kind: dingtalk, url: 'https://robot.example/', ${setting} }]`;
  const [shown] = showBy(config, [createAlert()], chinese);
  expect(shown?.failures).toEqual([expect.stringContaining(failure)]);
  expect(shown?.title).toBe('【严重】请求失败率过高（HighErrorRate）');
  expect(shown?.shown).toMatch(/模板渲染失败，本条使用内置格式/);
  expect(shown?.shown).toContain('12.3%');
});

test('a secret field of a JSON template is not shown', () => {
  const settings = { url, template: '{"device_key": "canary", "body": {{ title | json }}}' };
  const shown = createChannel(webhook, settings).show?.(createMessage());
  expect(shown).toContain('"device_key": "***"');
  expect(shown).not.toContain('canary');
});
