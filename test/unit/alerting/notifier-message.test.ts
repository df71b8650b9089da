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
  return renderMessage([parsed.payload], options);
}

function write(message: ReturnType<typeof render>, maxBytes = 20_000): string[] {
  return writeParts(message, { style: headings, maxBytes });
}

const text = (...args: Parameters<typeof render>): string => write(render(...args)).join('');

test('tells in Chinese what fires, since when, how much and where to look', () => {
  expect(text([createAlert()], chinese)).toBe(`### 🔥 告警: HighErrorRate

#### 严重 · HighErrorRate

请求失败率过高

最近 5 分钟有 12.3% 的生成请求返回 5xx。

- 开始：2026-04-26 11:21:41 (Asia/Shanghai)
- 对象：job=qwen-instruct
- [处理手册](http://127.0.0.1:8060/runbooks/HighErrorRate) · [图表](http://127.0.0.1:9090/graph?g0.expr=sum%28up%29) · [查询](http://127.0.0.1:9090/graph?g0.expr=up&g0.tab=1)`);
});

test('tells the same in English', () => {
  expect(text([createAlert()], english)).toBe(`### 🔥 Firing: HighErrorRate

#### critical · HighErrorRate

Requests are failing

12.3% of generation requests over 5m ended in 5xx.

- Since: 2026-04-26 03:21:41 (UTC)
- About: job=qwen-instruct
- [Runbook](http://127.0.0.1:8060/runbooks/HighErrorRate) · [Graph](http://127.0.0.1:9090/graph?g0.expr=sum%28up%29) · [Query](http://127.0.0.1:9090/graph?g0.expr=up&g0.tab=1)`);
});

test('tells how long a resolved alert lasted, and not the value of its firing', () => {
  const resolved = [createAlert({ status: 'resolved' })];
  expect(text(resolved, chinese)).toBe(`### ✅ 已恢复: HighErrorRate

#### 已恢复 · HighErrorRate

原告警：请求失败率过高

- 开始：2026-04-26 11:21:41 (Asia/Shanghai)
- 恢复：2026-04-26 11:29:53 (Asia/Shanghai)
- 持续：8 分 12 秒
- 对象：job=qwen-instruct
- [处理手册](http://127.0.0.1:8060/runbooks/HighErrorRate) · [图表](http://127.0.0.1:9090/graph?g0.expr=sum%28up%29) · [查询](http://127.0.0.1:9090/graph?g0.expr=up&g0.tab=1)`);
  expect(text(resolved, english)).toContain('- Lasted: 8m 12s\n');
  expect(text(resolved, english)).not.toContain('12.3%');
});

test.each([
  ['2026-04-26T03:21:41Z', '0s'],
  ['2026-04-26T03:22:41Z', '1m'],
  ['2026-04-26T05:21:42Z', '2h'],
  ['2026-04-29T04:21:41Z', '3d 1h'],
])('an alert that ends at %s lasted %s', (endsAt, lasted) => {
  const alert = createAlert({ status: 'resolved', startsAt: '2026-04-26T03:21:41Z', endsAt });
  expect(text([alert], english)).toContain(`- Lasted: ${lasted}\n`);
});

test('never shows the year 0001 that Alertmanager writes for a time it does not know', () => {
  const never = '0001-01-01T00:00:00Z';
  const alerts = [
    createAlert({ startsAt: never }),
    createAlert({ status: 'resolved', endsAt: never }),
  ];
  expect(text(alerts, english)).toContain('- Ended: unknown\n');
  expect(text(alerts, english)).not.toMatch(/0001-|Lasted/);
});

test('puts firing before resolved, counts both, and says what Alertmanager left out', () => {
  const alerts = [
    createAlert({ status: 'resolved' }),
    createAlert(),
    createAlert({ labels: { alertname: 'TargetDown' } }),
  ];
  const message = render(alerts, chinese, { truncatedAlerts: 7 });
  expect(message.title).toBe('🔥 告警 2 · 已恢复: HighErrorRate, TargetDown');
  expect(message.sections.map(({ heading }) => heading)).toEqual([
    '严重 · HighErrorRate',
    'TargetDown',
    '已恢复 · HighErrorRate',
  ]);
  expect(write(message).at(-1)).toMatch(/还有 7 条告警未列出，请查看 Alertmanager$/);
});

test('cuts endless texts, never inside a character', () => {
  const annotations = { summary: '😀'.repeat(5000), runbook_url: `http://x/${'a'.repeat(5000)}` };
  const labels = { alertname: 'A\nB', instance: '故'.repeat(5000) };
  const fitted = text([createAlert({ annotations, labels })], english);
  expect(Buffer.byteLength(fitted)).toBeLessThan(4000);
  expect(fitted.isWellFormed()).toBe(true);
  expect(fitted).toContain('A B');
  expect(fitted).not.toContain('Runbook');
});

test('a digest names every alert in one line, in the order they came', () => {
  const webhooks = [
    createWebhook([createAlert()]),
    createWebhook([createAlert({ status: 'resolved' })]),
    createWebhook([createAlert({ labels: { alertname: 'TargetDown', instance: 'b:1' } })]),
  ];
  const digest = write(renderMessage(webhooks, chinese)).join('');
  expect(digest).toBe(`### 🔥 告警 2 · 已恢复: HighErrorRate, TargetDown

汇总：通知过于频繁，以下合并 3 条

- 🔥 严重 · HighErrorRate · job=qwen-instruct · 请求失败率过高 · 开始 2026-04-26 11:21:41 (Asia/Shanghai)
- ✅ 已恢复 · HighErrorRate · job=qwen-instruct · 请求失败率过高 · 持续 8 分 12 秒
- 🔥 TargetDown · instance=b:1 · 请求失败率过高 · 开始 2026-04-26 11:21:41 (Asia/Shanghai)`);
});

test.each([
  ['never_told', 'Found by reconciling: Prometheus had this alert, Alertmanager never told'],
  ['end_never_told', 'Found by reconciling: this alert is over, Alertmanager never said so'],
  ['notifier', 'The notifier itself says this'],
])('what Alertmanager did not tell is told as such: %s', (origin, note) => {
  expect(write(render([createAlert()], english, { origin })).join('')).toContain(note);
});

test('what an alert says cannot become a mark of the robot', () => {
  const annotations = { summary: '<at id=all></at> <@all> ratio < 5' };
  const fitted = text([createAlert({ annotations })], english);
  expect(fitted).toContain('＜at id=all>＜/at> ＜@all> ratio < 5');
});
