/** POST /api/notifications/test: queues one test message for one channel, as an alert is queued. `make notify-test` sends it. */
import { randomUUID } from 'node:crypto';
import type { Context } from 'hono';
import { z } from 'zod';
import type { Channel } from './channels/channel.ts';
import type { Intake } from './intake.ts';
import type { Outbox } from './outbox/outbox.ts';
import { ownPayload } from './webhook.ts';

export interface TestDeps {
  outbox: Pick<Outbox, 'list'>;
  channels: readonly Pick<Channel, 'name' | 'storesOnly'>[];
  /** Stores an alert for one channel. */
  intakeOf: (channel: string) => Intake;
}

const Body = z.object({ channel: z.string().optional() });

/** The new notification is among the latest ones. */
const latest = 50;

/** Without `channel`: the only channel. */
export async function queueTest(c: Context, { outbox, channels, intakeOf }: TestDeps) {
  const body = Body.safeParse(await c.req.json().catch(() => ({})));
  const wanted = body.data?.channel;
  const only = channels.length === 1 ? channels[0] : undefined;
  const channel = wanted === undefined ? only : channels.find(({ name }) => name === wanted);
  if (channel === undefined) {
    const names = channels.map(({ name }) => name);
    return c.json({ error: 'channel: unknown, or required.', channels: names }, 404);
  }
  // A second test is no repeat of the first.
  const id = `notifier-test-${randomUUID()}`;
  const groupKey = `notifier/${id}`;
  intakeOf(channel.name)(ownPayload('notifier', groupKey, [testAlert(id)]), 'test');
  const queued = outbox.list(latest).find(({ payload }) => payload.groupKey === groupKey);
  const { name, storesOnly = false } = channel;
  return c.json({ id: queued?.id, channel: name, storesOnly }, 202);
}

function testAlert(fingerprint: string) {
  return {
    status: 'firing' as const,
    labels: { alertname: 'NotifierTest', severity: 'info' },
    annotations: {
      summary: 'Test message: nothing is wrong',
      description: 'If you can read this, you will receive alerts here.',
      summary_zh: '测试消息：一切正常',
      description_zh: '能看到这条消息，就能收到告警。',
    },
    startsAt: new Date().toISOString(),
    fingerprint,
  };
}
