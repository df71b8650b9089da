import { expect, test } from 'vitest';
import { readConfig } from '../../../alerting/notifier/config.ts';
import { headings, writeParts } from '../../../alerting/notifier/message/markdown.ts';
import { renderMessage } from '../../../alerting/notifier/message/message.ts';
import type { MessageOptions } from '../../../alerting/notifier/message/message.ts';
import { parseWebhook } from '../../../alerting/notifier/webhook.ts';
import type { WebhookAlert } from '../../support/alerting/alertmanager-webhook.ts';
import { createAlert, createWebhook } from '../../support/alerting/alertmanager-webhook.ts';
import { chinese, english } from '../../support/alerting/notifier-parts.ts';

function render(alerts: WebhookAlert[], options: MessageOptions, more: object = {}) {
  const parsed = parseWebhook(JSON.stringify({ ...createWebhook(alerts), ...more }));
  if (parsed.kind === 'refused') throw new Error(parsed.sentence);
  return renderMessage([{ ...parsed.payload, ...more }], options);
}

function write(message: ReturnType<typeof render>, maxBytes = 20_000): string[] {
  return writeParts(message, { style: headings, maxBytes });
}

const text = (...args: Parameters<typeof render>): string => write(render(...args)).join('');

const links = (language: string, [runbook, graph]: string[]) =>
  `[${runbook}](http://127.0.0.1:8060/runbooks/HighErrorRate?lang=${language}) · [${graph}](http://127.0.0.1:9090/graph?g0.expr=sum%28up%29)`;
const action = { action_en: 'make status', action_zh: 'make status' };
const withAction = createAlert({ annotations: { ...createAlert().annotations, ...action } });

test('a firing alert in Chinese: since when, the value against its threshold, a first action, links', () => {
  expect(text([withAction], chinese)).toBe(`### 【严重】请求失败率过高（HighErrorRate）

开始：2026-04-26 11:21:41 (Asia/Shanghai)

最近 5 分钟有 12.3% 的生成请求返回 5xx。

处理：make status

${links('zh', ['处理手册', '图表'])}

标签：job=qwen-instruct`);
});

test('a firing alert in English', () => {
  expect(text([withAction], english)).toBe(`### [critical] Requests are failing (HighErrorRate)

Started: 2026-04-26 03:21:41 (UTC)

12.3% of generation requests over 5m ended in 5xx.

First action: make status

${links('en', ['Runbook', 'Graph'])}

Labels: job=qwen-instruct`);
});

test('a resolved alert has its duration, and not the value and the action of its firing', () => {
  const resolved = [{ ...withAction, ...createAlert({ status: 'resolved' }), ...action }];
  expect(text(resolved, chinese))
    .toBe(`### 【已恢复】请求失败率过高（HighErrorRate），持续 8 分 12 秒

恢复：2026-04-26 11:29:53 (Asia/Shanghai)

${links('zh', ['处理手册', '图表'])}

标签：job=qwen-instruct`);
  expect(text(resolved, english)).toMatch(
    /^### \[resolved\] Requests are failing \(HighErrorRate\), lasted 8m 12s\n/,
  );
  expect(text(resolved, english)).not.toMatch(/12\.3%|make status/);
});

test.each([
  ['2026-04-26T03:21:41Z', '0s'],
  ['2026-04-26T03:22:41Z', '1m'],
  ['2026-04-26T05:21:42Z', '2h'],
  ['2026-04-29T04:21:41Z', '3d 1h'],
])('an alert that ends at %s lasted %s', (endsAt, lasted) => {
  const alert = createAlert({ status: 'resolved', startsAt: '2026-04-26T03:21:41Z', endsAt });
  expect(text([alert], english)).toContain(`, lasted ${lasted}\n`);
});

test('never shows the year 0001 that Alertmanager writes for an unknown time', () => {
  const never = '0001-01-01T00:00:00Z';
  const alerts = [
    createAlert({ startsAt: never }),
    createAlert({ status: 'resolved', endsAt: never }),
  ];
  expect(text(alerts, english)).toContain('Ended: unknown\n');
  expect(text(alerts, english)).not.toMatch(/0001-|lasted/);
});

test('lists firing before resolved alerts, counts both, and notes truncated alerts', () => {
  const alerts = [
    createAlert({ status: 'resolved' }),
    createAlert(),
    createAlert({ labels: { alertname: 'TargetDown' }, annotations: {} }),
  ];
  const message = render(alerts, chinese, { truncatedAlerts: 7 });
  expect(message.title).toBe('【严重】告警 2 · 已恢复 1：请求失败率过高、TargetDown');
  expect(message.sections.map(({ heading }) => heading)).toEqual([
    '【严重】请求失败率过高（HighErrorRate）',
    '【告警】TargetDown',
    '【已恢复】请求失败率过高（HighErrorRate），持续 8 分 12 秒',
  ]);
  expect(write(message).at(-1)).toMatch(/另有 7 条告警未列出，请查看 Alertmanager$/);
});

test('cuts long texts, never inside a character', () => {
  const annotations = { summary: '😀'.repeat(5000), runbook_url: `http://x/${'a'.repeat(5000)}` };
  const labels = { alertname: 'A\nB', severity: 'x\ny', instance: '故'.repeat(5000) };
  const fitted = text([createAlert({ annotations, labels })], english);
  expect(Buffer.byteLength(fitted)).toBeLessThan(4000);
  expect(fitted.isWellFormed()).toBe(true);
  expect(fitted).toContain('[x y] ');
  expect(fitted).not.toContain('Runbook');
});

test('a digest has one line per alert, in order of arrival', () => {
  const webhooks = [
    createWebhook([createAlert()]),
    createWebhook([createAlert({ status: 'resolved' })]),
    createWebhook([createAlert({ labels: { alertname: 'TargetDown', instance: 'b:1' } })]),
  ];
  const digest = write(renderMessage(webhooks, chinese)).join('');
  expect(digest).toBe(`### 【严重】告警 2 · 已恢复 1：请求失败率过高

汇总：已达到发送频率限制，本条合并了 3 条通知

- 🔥 【严重】请求失败率过高（HighErrorRate） · job=qwen-instruct · 开始：2026-04-26 11:21:41 (Asia/Shanghai)
- ✅ 【已恢复】请求失败率过高（HighErrorRate），持续 8 分 12 秒 · job=qwen-instruct · 恢复：2026-04-26 11:29:53 (Asia/Shanghai)
- 🔥 【告警】请求失败率过高（TargetDown） · instance=b:1 · 开始：2026-04-26 11:21:41 (Asia/Shanghai)`);
});

test.each([
  ['missed', 'Prometheus has this alert, but no notification arrived'],
  ['not_resolved', 'this alert is resolved, but no notification of that arrived'],
  ['notifier', 'Sent by the notifier itself'],
])('a note explains an alert that Alertmanager did not send: %s', (origin, note) => {
  expect(write(render([createAlert()], english, { origin })).join('')).toContain(note);
});

// Fault: a rule asks for markup, and its description has an image and a mention.
test('an author who asks for markup gets links, but neither mentions nor images', () => {
  const description = '[page](http://x/y) ![graph](http://x/z.png) <at id=all>';
  const annotations = { description, markup: 'markdown' };
  const fitted = text([createAlert({ annotations })], english);
  expect(fitted).toContain('[page](http://x/y) [graph](http://x/z.png) ＜at id=all>');
});

test('links to this machine become the public addresses; others stay', () => {
  const publicUrls = { notifier: 'https://n.example', prometheus: 'https://p.example/prom' };
  const annotations = {
    runbook_url: 'http://127.0.0.1:8060/runbooks/X',
    dashboard_url: 'http://prometheus:9090/graph?g0.expr=up',
    trace_url: 'https://traces.example.com/trace/1',
  };
  const generatorURL = 'http://localhost:9090/graph?g0.expr=up';
  const alerts = [createAlert({ annotations, generatorURL })];
  const [section] = render(alerts, { ...english, publicUrls }).sections;
  expect(section?.links.map(({ url }) => url)).toEqual([
    'https://n.example/runbooks/X?lang=en',
    'https://p.example/prom/graph?g0.expr=up',
    'https://traces.example.com/trace/1',
  ]);
});

// Fault: in Kubernetes the rules name services as `service.namespace`.
test('links to the hosts of NOTIFIER_URL and PROMETHEUS_URL become the public addresses', () => {
  const { publicUrls } = readConfig({
    NOTIFIER_URL: 'http://notifier.llamascope:8060',
    NOTIFIER_PUBLIC_URL: 'https://n.example',
    PROMETHEUS_URL: 'http://prometheus-operated.monitoring:9090',
    PROMETHEUS_PUBLIC_URL: 'https://p.example',
  });
  const annotations = {
    runbook_url: 'http://notifier.llamascope:8060/runbooks/X',
    dashboard_url: 'http://prometheus-operated.monitoring:9090/graph?g0.expr=up',
  };
  const alerts = [createAlert({ annotations })];
  const [section] = render(alerts, { ...english, publicUrls }).sections;
  expect(section?.links.map(({ url }) => url)).toEqual([
    'https://n.example/runbooks/X?lang=en',
    'https://p.example/graph?g0.expr=up',
  ]);
});

test.each([
  ['https://runbooks.example.org/runbooks/X?sign=a%20b', ''],
  ['https://n.example/runbooks/X', '?lang=en'],
])('the runbook %s is linked in the language of the message only if it is ours', (given, added) => {
  const publicUrls = { notifier: 'https://n.example' };
  const alerts = [createAlert({ annotations: { runbook_url: given } })];
  const [section] = render(alerts, { ...english, publicUrls }).sections;
  expect(section?.links[0]?.url).toBe(given + added);
});

test('the query is linked if there is no graph', () => {
  const [section] = render([createAlert({ annotations: {} })], english).sections;
  expect(section?.links.map(({ name }) => name)).toEqual(['Query']);
});

test.each([
  ['Asia/Shanghai', '2026-10-25T00:30:00Z', '2026-10-25 08:30:00 (Asia/Shanghai)'],
  ['Europe/Berlin', '2026-10-25T00:30:00Z', '2026-10-25 02:30:00 +02:00 (Europe/Berlin)'],
  ['Europe/Berlin', '2026-10-25T01:30:00Z', '2026-10-25 02:30:00 +01:00 (Europe/Berlin)'],
  ['Europe/Berlin', '2026-07-01T00:30:00Z', '2026-07-01 02:30:00 (Europe/Berlin)'],
  ['+08:00', '2026-10-25T00:30:00Z', '2026-10-25 08:30:00 (+08:00)'],
])('a time in %s has an offset only if the month has two', (timeZone, startsAt, shown) => {
  expect(text([createAlert({ startsAt })], { locale: 'en', timeZone })).toContain(shown);
});

// Fault: a label has a name that every JavaScript object has.
test.each(['constructor', '__proto__'])('a severity named %s is shown as it is', (severity) => {
  const alert = createAlert({ labels: { alertname: 'Odd', severity } });
  expect(render([alert], chinese).title).toBe(`【${severity}】请求失败率过高（Odd）`);
});
