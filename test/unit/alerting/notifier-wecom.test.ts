import { afterEach, beforeEach, expect, test } from 'vitest';
import { wecom } from '../../../alerting/notifier/channels/wecom/wecom.ts';
import type { Message } from '../../../alerting/notifier/message/message.ts';
import { createAlert } from '../../support/alerting/alertmanager-webhook.ts';
import {
  chinese,
  createAlerts,
  createChannel,
  createMessage,
  deliverAll,
} from '../../support/alerting/notifier-parts.ts';
import type { Robot } from '../../../alerting/notifier/channels/stand-in.ts';
import { startWeComRobot } from '../../../alerting/notifier/channels/wecom/stand-in.ts';

let robot: Robot;
beforeEach(async () => {
  robot = await startWeComRobot();
});
afterEach(() => robot.close());

/** Returns the texts that the robot has accepted so far. */
async function deliver(message: Message, settings: object = {}): Promise<string[]> {
  const channel = createChannel(wecom, { url: robot.url, ...settings });
  const delivery = await deliverAll(channel, message);
  expect(delivery).toEqual({ kind: 'delivered', detail: 'WeCom: errcode 0, ok' });
  return robot.received.map(({ text }) => text);
}

test('delivers markdown without marks that WeCom shows as they are', async () => {
  const [text] = await deliver(createMessage([createAlert()], chinese));
  expect(text).toBe(`### 【严重】请求失败率过高（HighErrorRate）

开始：2026-04-26 11:21:41 (Asia/Shanghai)

最近 5 分钟有 12.3% 的生成请求返回 5xx。

[处理手册](http://127.0.0.1:8060/runbooks/HighErrorRate?lang=zh) · [图表](http://127.0.0.1:9090/graph?g0.expr=sum%28up%29)

标签：job=qwen-instruct`);
});

test('people are mentioned while an alert is firing', async () => {
  const mention = { users: ['zhangsan'], all: true };
  const [firing] = await deliver(createMessage(), { mention });
  expect(firing).toMatch(/\n\n<@zhangsan> <@all>$/);
  const [, resolved] = await deliver(createMessage([createAlert({ status: 'resolved' })]), {
    mention,
  });
  expect(resolved).not.toContain('<@');
});

test('a message over 4096 bytes is sent in numbered parts that contain every alert', async () => {
  const parts = await deliver(createMessage(createAlerts(20), chinese));
  expect(parts.length).toBeGreaterThan(1);
  expect(parts[0]).toContain(`(1/${parts.length})\n`);
  const listed = parts.join('\n').match(/instance=host-\d+/g);
  expect(listed).toEqual(createAlerts(20).map(({ labels }) => `instance=${labels['instance']}`));
});

test('an alert larger than a message is cut between lines, never inside a character or a link', async () => {
  const annotations = {
    summary: '故'.repeat(590),
    description: `${'障'.repeat(580)} [手册](http://x/y)`,
    runbook_url: `http://127.0.0.1/${'r'.repeat(1400)}`,
    dashboard_url: `http://127.0.0.1/${'d'.repeat(1400)}`,
  };
  const parts = await deliver(createMessage([createAlert({ annotations })], chinese));
  const text = parts.join('\n');
  expect(text.isWellFormed()).toBe(true);
  expect(text).toContain(`[处理手册](http://127.0.0.1/${'r'.repeat(1400)})`);
  expect(text).toContain(`[图表](http://127.0.0.1/${'d'.repeat(1400)})`);
  // The title of each part has the start of the summary.
  const bodies = text.replaceAll(/^###.*$/gm, '');
  expect(bodies.match(/故/g)).toHaveLength(590);
});
