import { expect, test } from 'vitest';
import { fitMarkdown, renderMessage } from '../../alerting/notifier/message.ts';
import { parseWebhook } from '../../alerting/notifier/webhook.ts';
import type { WebhookAlert } from '../support/alertmanager-webhook.ts';
import { createAlert, createWebhook } from '../support/alertmanager-webhook.ts';

type Options = Parameters<typeof renderMessage>[1];
const chinese: Options = { locale: 'zh-CN', timeZone: 'Asia/Shanghai' };
const english: Options = { locale: 'en', timeZone: 'UTC' };

function render(alerts: WebhookAlert[], options: Options, more: object = {}) {
  const parsed = parseWebhook(JSON.stringify({ ...createWebhook(alerts), ...more }));
  if (parsed.kind === 'refused') throw new Error(parsed.sentence);
  return renderMessage(parsed.payload, options);
}

const text = (...args: Parameters<typeof render>): string => fitMarkdown(render(...args), 20_000);

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
  expect(message.sections.map((section) => section.split('\n')[0])).toEqual([
    '#### 严重 · HighErrorRate',
    '#### TargetDown',
    '#### 已恢复 · HighErrorRate',
    '还有 7 条告警未列出，请查看 Alertmanager',
  ]);
});

test('leaves whole alerts out of a message that would be too long, and says how many', () => {
  const alerts = Array.from({ length: 200 }, (_, index) =>
    createAlert({ labels: { alertname: 'HighErrorRate', instance: `host-${index}` } }),
  );
  const fitted = fitMarkdown(render(alerts, chinese), 5000);
  expect(Buffer.byteLength(JSON.stringify(fitted))).toBeLessThanOrEqual(5000);
  expect(fitted).toContain('instance=host-5\n');
  expect(fitted).toMatch(/\n\n还有 1\d\d 条告警未列出，请查看 Alertmanager$/);
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
