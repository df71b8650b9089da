import { expect, test } from 'vitest';
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

test('a firing alert in Chinese: summary, value, start, labels and links', () => {
  expect(text([createAlert()], chinese)).toBe(`### 🔥 告警：HighErrorRate

#### 严重 · HighErrorRate

请求失败率过高

最近 5 分钟有 12.3% 的生成请求返回 5xx。

- 开始：2026-04-26 11:21:41 (Asia/Shanghai)
- 标签：job=qwen-instruct
- [处理手册](http://127.0.0.1:8060/runbooks/HighErrorRate) · [图表](http://127.0.0.1:9090/graph?g0.expr=sum%28up%29) · [查询](http://127.0.0.1:9090/graph?g0.expr=up&g0.tab=1)`);
});

test('a firing alert in English', () => {
  expect(text([createAlert()], english)).toBe(`### 🔥 Firing: HighErrorRate

#### critical · HighErrorRate

Requests are failing

12.3% of generation requests over 5m ended in 5xx.

- Started: 2026-04-26 03:21:41 (UTC)
- Labels: job=qwen-instruct
- [Runbook](http://127.0.0.1:8060/runbooks/HighErrorRate) · [Graph](http://127.0.0.1:9090/graph?g0.expr=sum%28up%29) · [Query](http://127.0.0.1:9090/graph?g0.expr=up&g0.tab=1)`);
});

test('a resolved alert has its duration, and not the value of its firing', () => {
  const resolved = [createAlert({ status: 'resolved' })];
  expect(text(resolved, chinese)).toBe(`### ✅ 已恢复：HighErrorRate

#### 已恢复 · HighErrorRate

原告警：请求失败率过高

- 开始：2026-04-26 11:21:41 (Asia/Shanghai)
- 恢复：2026-04-26 11:29:53 (Asia/Shanghai)
- 持续：8 分 12 秒
- 标签：job=qwen-instruct
- [处理手册](http://127.0.0.1:8060/runbooks/HighErrorRate) · [图表](http://127.0.0.1:9090/graph?g0.expr=sum%28up%29) · [查询](http://127.0.0.1:9090/graph?g0.expr=up&g0.tab=1)`);
  expect(text(resolved, english)).toContain('- Duration: 8m 12s\n');
  expect(text(resolved, english)).not.toContain('12.3%');
});

test.each([
  ['2026-04-26T03:21:41Z', '0s'],
  ['2026-04-26T03:22:41Z', '1m'],
  ['2026-04-26T05:21:42Z', '2h'],
  ['2026-04-29T04:21:41Z', '3d 1h'],
])('an alert that ends at %s lasted %s', (endsAt, lasted) => {
  const alert = createAlert({ status: 'resolved', startsAt: '2026-04-26T03:21:41Z', endsAt });
  expect(text([alert], english)).toContain(`- Duration: ${lasted}\n`);
});

test('never shows the year 0001 that Alertmanager writes for an unknown time', () => {
  const never = '0001-01-01T00:00:00Z';
  const alerts = [
    createAlert({ startsAt: never }),
    createAlert({ status: 'resolved', endsAt: never }),
  ];
  expect(text(alerts, english)).toContain('- Ended: unknown\n');
  expect(text(alerts, english)).not.toMatch(/0001-|Duration/);
});

test('lists firing before resolved alerts, counts both, and notes truncated alerts', () => {
  const alerts = [
    createAlert({ status: 'resolved' }),
    createAlert(),
    createAlert({ labels: { alertname: 'TargetDown' } }),
  ];
  const message = render(alerts, chinese, { truncatedAlerts: 7 });
  expect(message.title).toBe('🔥 告警 2 · 已恢复：HighErrorRate、TargetDown');
  expect(message.sections.map(({ heading }) => heading)).toEqual([
    '严重 · HighErrorRate',
    'TargetDown',
    '已恢复 · HighErrorRate',
  ]);
  expect(write(message).at(-1)).toMatch(/另有 7 条告警未列出，请查看 Alertmanager$/);
});

test('cuts long texts, never inside a character', () => {
  const annotations = { summary: '😀'.repeat(5000), runbook_url: `http://x/${'a'.repeat(5000)}` };
  const labels = { alertname: 'A\nB', instance: '故'.repeat(5000) };
  const fitted = text([createAlert({ annotations, labels })], english);
  expect(Buffer.byteLength(fitted)).toBeLessThan(4000);
  expect(fitted.isWellFormed()).toBe(true);
  expect(fitted).toContain('A B');
  expect(fitted).not.toContain('Runbook');
});

test('a digest has one line per alert, in order of arrival', () => {
  const webhooks = [
    createWebhook([createAlert()]),
    createWebhook([createAlert({ status: 'resolved' })]),
    createWebhook([createAlert({ labels: { alertname: 'TargetDown', instance: 'b:1' } })]),
  ];
  const digest = write(renderMessage(webhooks, chinese)).join('');
  expect(digest).toBe(`### 🔥 告警 2 · 已恢复：HighErrorRate、TargetDown

汇总：已达到发送频率限制，本条合并了 3 条通知

- 🔥 严重 · HighErrorRate · job=qwen-instruct · 请求失败率过高 · 开始 2026-04-26 11:21:41 (Asia/Shanghai)
- ✅ 已恢复 · HighErrorRate · job=qwen-instruct · 请求失败率过高 · 持续 8 分 12 秒
- 🔥 TargetDown · instance=b:1 · 请求失败率过高 · 开始 2026-04-26 11:21:41 (Asia/Shanghai)`);
});

test.each([
  ['missed', 'Prometheus has this alert, but no notification arrived'],
  ['not_resolved', 'this alert is resolved, but no notification of that arrived'],
  ['notifier', 'Sent by the notifier itself'],
])('a note explains an alert that Alertmanager did not send: %s', (origin, note) => {
  expect(write(render([createAlert()], english, { origin })).join('')).toContain(note);
});

test('text of an alert cannot become markup of a robot', () => {
  const annotations = { summary: '<at id=all></at> <@all> ratio < 5' };
  const fitted = text([createAlert({ annotations })], english);
  expect(fitted).toContain('＜at id=all>＜/at> ＜@all> ratio < 5');
});

test.each(['constructor', '__proto__'])('a severity named %s is shown as it is', (severity) => {
  const alert = createAlert({ labels: { alertname: 'Odd', severity } });
  expect(text([alert], chinese)).toContain(`#### ${severity} · Odd`);
});
