/**
 * POST /api/notifications/test: queues one test message for one channel, as an alert is queued, or renders it by a template without
 * sending it. `make notify-test` calls it.
 */
import { randomUUID } from 'node:crypto';
import type { Context } from 'hono';
import { z } from 'zod';
import type { Channel, OwnTexts } from './channels/channel.ts';
import type { Intake } from './intake.ts';
import type { Composer, Composition } from './message/compose.ts';
import { headings, writeWhole } from './message/markdown.ts';
import type { Message } from './message/message.ts';
import { firstLine } from './message/template.ts';
import type { Outbox } from './outbox/outbox.ts';
import { ownPayload } from './webhook.ts';

export type TestChannel = Pick<Channel, 'name' | 'show' | 'hasTemplate' | 'storesOnly'>;

export interface TestDeps {
  outbox: Pick<Outbox, 'list'>;
  channels: readonly TestChannel[];
  composerOf: (channel: string) => Composer;
  /** Stores an alert for one channel. */
  intakeOf: (channel: string) => Intake;
  /** Warnings about settings whose links a phone cannot open. */
  warnings: readonly string[];
}

/** `template`: Liquid for the body; for a webhook, the JSON. */
const Body = z.object({ channel: z.string().optional(), template: z.string().optional() });

/** The new notification is among the latest ones. */
const latest = 50;
const route = 'test';

/** Without `channel`: the only channel. */
export async function queueTest(c: Context, deps: TestDeps) {
  const { outbox, channels, composerOf, intakeOf, warnings } = deps;
  const body = Body.safeParse(await c.req.json().catch(() => ({})));
  const { channel: wanted, template } = body.data ?? {};
  const only = channels.length === 1 ? channels[0] : undefined;
  const channel = wanted === undefined ? only : channels.find(({ name }) => name === wanted);
  if (channel === undefined) {
    const names = channels.map(({ name }) => name);
    return c.json({ error: 'channel: unknown, or required.', channels: names }, 404);
  }
  // A second test is no repeat of the first.
  const id = `notifier-test-${randomUUID()}`;
  const groupKey = `notifier/${id}`;
  const payload = ownPayload('notifier', groupKey, [testAlert(id)]);
  const { name, storesOnly = false } = channel;
  const compose = composerOf(name);
  if (template !== undefined) {
    const tried = tryTemplate(channel, (texts) => compose([{ route, payload }], texts), template);
    return 'error' in tried ? c.json(tried, 422) : c.json({ channel: name, warnings, ...tried });
  }
  const rendered = show(channel, compose([{ route, payload }]).message);
  intakeOf(name)(payload, route);
  const queued = outbox.list(latest).find((one) => one.payload.groupKey === groupKey);
  return c.json({ id: queued?.id, channel: name, storesOnly, warnings, rendered }, 202);
}

/** Renders the message by a template that is not in NOTIFIER_CONFIG yet. */
function tryTemplate(
  channel: TestChannel,
  compose: (texts?: OwnTexts) => Composition,
  template: string,
): { rendered: string } | { error: string } {
  try {
    if (channel.hasTemplate) return { rendered: show(channel, compose().message, template) };
    const { message, failures } = compose({ body: template });
    const [failure] = failures;
    return failure === undefined ? { rendered: show(channel, message) } : { error: failure };
  } catch (error) {
    return { error: `template: ${firstLine(error)}` };
  }
}

const show = (channel: TestChannel, message: Message, template?: string): string =>
  channel.show?.(message, template) ?? writeWhole(message, headings);

function testAlert(fingerprint: string) {
  return {
    status: 'firing' as const,
    labels: { alertname: 'NotifierTest', severity: 'info' },
    annotations: {
      summary: 'Test message: nothing is wrong',
      description: 'If you can read this, you will receive alerts here.',
      summary_zh: '测试消息：一切正常',
      description_zh: '能看到这条消息，就说明能收到告警。',
    },
    startsAt: new Date().toISOString(),
    fingerprint,
  };
}
